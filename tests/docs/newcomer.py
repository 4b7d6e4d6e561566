"""A newcomer: types what a page says, in a folder with drawings, at a size where all of it is quick."""

import importlib.util
import json
import shutil
import socket
import tomllib
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import cv2
import pytest
import yaml
from PIL import Image
from tensorboard import program
from torch.distributed.run import get_args_parser

import inbetween.io.video  # noqa: F401  # sets how much FFmpeg says, before OpenCV starts it
from benchmarks import __main__ as benchmarks
from inbetween.__main__ import main
from inbetween.app.desks import Desks
from tests.app.serving import served
from tests.conftest import drawing
from tests.data.layer_pictures import disc, smooth
from tests.data.lottie_files import animation
from tests.docs.blocks import PROGRAM, ROOT, Block, shell_commands
from tests.tiny import write_tiny_backbone, write_tiny_text_backbone
from tests.tiny_video import write_tiny_wan

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")
DATA = {"size": 32, "between": 2, "batch_size": 2, "val_windows": 2, "num_workers": 0}
TRAINER = {
    "accelerator": "cpu",
    "devices": 1,
    "max_steps": 2,
    "val_check_interval": 2,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
}
QUICK_BENCHMARK = ["--config", "tiny_data.yaml", "--sizes", "32x32:1", "--repeats", "1", "--memory", "false"]
# experiments whose training wants VGG16, which is a download
WITH_VGG = ("spacing_flow.yaml", "backbone/train_autoencoder.yaml", "backbone/train_denoiser.yaml")
# overlays that put a published backbone in the small one's place, and the tiny one that stands in for it
PUBLISHED = {"backbone/sd15.yaml": "tiny_sd15", "backbone/sd15_text.yaml": "tiny_sd15_text"}
# folders that pages download video models to
VIDEO = ("wan_1_3b", "wan_14b")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
# What .ci/run does itself, or what runs this very test.
OF_CI = (
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    ".ci/run",
    "pre-commit install",
    "mkdocs build --strict",
    "mkdocs serve",
    "pytest",
    "pytest -m",
    "pytest -n 0",
    "python -m pytest",
    "python -m pytest -m gpu",
)


class Newcomer:
    """Follows pages, all in one folder; the same command is run once.

    Args:
        folder: Empty; the process works there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.done: set[tuple[str, ...]] = set()
        self.files: set[str] = set()  # written by pages
        for split, names in {"train": ("cat", "dog", "hen"), "val": ("fox",)}.items():
            for seed, name in enumerate(names):
                draw_scene(folder / "my_drawings" / split / name / "walk", seed)
                draw_scene(folder / "anita" / split / name / "color" / "walk", seed)
                write_video(folder / "my_videos" / split / f"{name}.mp4")
                for root in ("my_lottie", "data/lottie"):
                    write_lottie(folder / root / split / f"{name}.json", seed)
        write_video(folder / "my_clip.mp4")
        write_video(folder / "my_clip_on_twos.mp4", hold=2)
        for root in ("my_", "data/layers/"):
            for split in ("train", "val"):
                write_layers(folder, root, split)
                draw_scene(folder / "data/cartoon" / split / f"cat_{split}")
        mixture = yaml.safe_load((ROOT / "configs/data/spacing_flow.yaml").read_text())["data"]["source"]
        for name in mixture["init_args"]["sources"][1]["init_args"]["exclude"]:
            write_lottie(folder / "data/lottie/train" / name, 0)
        draw_scene(folder / "my_keyframes", numbers=(0, 4, 8))
        draw_scene(folder / "my_maps", numbers=(0, 1), grey=True)
        for picture in sorted((ROOT / "examples").rglob("*.png")):  # smaller
            copy = folder / picture.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            Image.open(picture).resize((64, 48)).save(copy)
        # guides are in pixels of their keyframes
        shutil.copytree(ROOT / "examples" / "guides", folder / "examples" / "guides", dirs_exist_ok=True)
        for shot, seed in (("cat", 0), ("dog", 1), ("fox", 2)):
            draw_scene(folder / "my_shots", seed, prefix=f"{shot}_")
        # `benchmarks --random_sd15 sd15` takes the folder that is there; else it would write 2.4 GB
        for name in ("sd15", "tiny_sd15"):
            write_tiny_backbone(folder / name)
        write_tiny_text_backbone(folder / "tiny_sd15_text")
        for name in VIDEO:  # `hf download` would write up to 60 GB
            write_tiny_wan(folder / name)
        data = {**DATA, "cache_dir": str(folder / "frames")}
        (folder / "tiny.yaml").write_text(yaml.safe_dump({"data": data, "trainer": TRAINER}))
        (folder / "tiny_data.yaml").write_text(yaml.safe_dump({"data": data}))

    def follow(self, page: list[Block]) -> None:
        """Work through a page's blocks."""
        namespace: dict[str, Any] = {"__name__": "__page__"}
        typed = "".join(block.text for block in page if block.language == "sh")
        for block in page:
            if block.title.startswith("configs/"):  # shown only
                assert block.text == (ROOT / block.title).read_text(), block.place
            elif block.title:
                used = block.title in typed or f"{Path(block.title).stem}.yaml" in typed
                assert used, f"{block.place}: no command uses {block.title}"
                self.files.add(block.title)
                Path(block.title).write_text(block.text)
            elif block.language == "sh":
                for words in shell_commands(block.text):
                    self.type(words, block.place)
            elif block.language == "python":
                exec(compile(block.text, block.place, "exec"), namespace)
            elif block.language != "text":
                pytest.fail(f"{block.place}: no test runs a block of {block.language or 'no language'}")

    def type(self, words: list[str], place: str) -> None:
        """Type one command."""
        told = " ".join(words)
        if words[:3] == PROGRAM:
            self.run(words[3:])
        elif words[:3] == ["python", "-m", "benchmarks"]:
            assert benchmarks.main([*words[3:], *QUICK_BENCHMARK, "--minterpolate", "false"]) == 0, told
        elif words[0] == "pip":
            install(words, place)
        elif words[:2] == ["hf", "download"]:
            assert words[-2] == "--local-dir", told
            assert words[-1] in VIDEO, told
        elif words[0] == "torchrun":
            given = get_args_parser().parse_args(words[1:])
            assert given.module, told
            assert given.training_script == "inbetween", told
            parse(given.training_script_args)
        elif words[0] == "tensorboard":
            program.TensorBoard().configure(argv=words)
        elif words[0] in ("sbatch", "bash"):  # test_clusters.py runs them
            assert Path(words[1]).is_file(), told
        elif told.rstrip() not in OF_CI:
            pytest.fail(f"{place}: no test runs {told}")

    def run(self, words: list[str]) -> None:
        """Run one of inbetween's own commands, small."""
        words = ["anita" if word == "PATH" else word for word in words]
        written = any(word in self.files for word in words)
        if tuple(words) in self.done and not written:
            return
        self.done.add(tuple(words))
        if only_parsed(words):
            parse(words)
            return
        if words[0] == "app":
            open_page(words)
            return
        # the newcomer's drawings are all of one square: an audit finds copies
        assert main([*words, *smaller(words)]) == (words[0] == "audit"), words
        if words[0] == "interpolate":
            folder = Path(words[words.index("--output") + 1] if "--output" in words else "logs/interpolate")
            assert list(folder.rglob("*.png")), words


def smaller(words: list[str]) -> list[str]:
    """What makes a command small, to be added behind it."""
    if words[0] == "benchmark":
        return QUICK_BENCHMARK
    if words[0] == "compare":
        return ["--config", "tiny_data.yaml"]
    if words[0] == "adapt":
        return ["--steps", "2", "--accelerator", "cpu"]
    if words[0] == "audit":
        return ["--config", "tiny_data.yaml", "--features", "tiny_sd15/image_encoder"]
    if words[0] not in TRAINER_COMMANDS:
        return []
    added = ["--config", "tiny.yaml"]
    if words[0] == "fit" and "last.ckpt" in " ".join(words):  # goes on
        added += ["--trainer.max_steps", "4"]
    if words[0] == "fit" and any(name in words for name in WITH_VGG):
        added += ["--model.init_args.perceptual_weight", "0"]
    if words[0] == "fit" and any(f"{name}.yaml" in words for name in VIDEO):
        # a clip of five frames, whose sampling takes two steps
        added += ["--data.between", "3", "--model.init_args.sampling.steps", "2"]
    for overlay, folder in PUBLISHED.items():
        if overlay in words:
            backbone = "--model.init_args.backbone.init_args"
            added += [f"{backbone}.pretrained", folder, f"{backbone}.revision", "null"]
    return added


def only_parsed(words: list[str]) -> bool:
    """Whether a command needs what tests have not: the network, GPUs, processes, a renderer."""
    download = words[0].startswith("fetch-") or any("rife" in word for word in words)
    lottie = any("lottie" in word or word == "data/spacing_flow.yaml" for word in words)
    no_renderer = lottie and importlib.util.find_spec("rlottie_python") is None
    no_page = words[0] == "app" and importlib.util.find_spec("gradio") is None
    # test_clusters.py starts the processes of those that need several
    return download or no_renderer or no_page or any(word in ("ddp", "trainer/fsdp2.yaml") for word in words)


def open_page(words: list[str]) -> None:
    """Serve the page as a command says, at a free port; open it, then end it."""
    ports: list[int] = []

    def opened(desks: Desks, listening: socket.socket, *_: object) -> None:
        ports.append(listening.getsockname()[1])
        with served(desks, listening) as address, urlopen(address, timeout=20) as page:
            assert "inbetween" in page.read().decode()
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inbetween.app.command.serve", opened)
        assert main([*words, "--port", "0"]) == 130, words
    assert ports, words


def parse(words: list[str]) -> None:
    """Read a command's keys without running it."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--print_config"])
    assert ended.value.code in (0, None), words


def install(words: list[str], place: str) -> None:
    """See that what a page installs is there to be installed, and that CI installs it."""
    if words[:2] == ["pip", "install"]:
        extras = words[-1].partition("[")[2].rstrip("]")
        # of `dev`, and of `test`, which it contains
        lists = (EXTRAS[name][0].partition("[")[2].rstrip("]").split(",") for name in ("dev", "test"))
        known = [name for names in lists for name in names]
        assert words[2] == "-e", place
        assert {*filter(None, extras.split(","))} <= {*known, "dev"}, place
    else:
        pytest.fail(f"{place}: no test runs {' '.join(words)}")


def draw_scene(
    folder: Path,
    seed: int = 0,
    numbers: tuple[int, ...] = tuple(range(9)),
    grey: bool = False,
    prefix: str = "",
) -> None:
    """Drawings of 48x64 as 0001.png, ..., or <prefix>0001.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, number in enumerate(numbers, start=1):
        picture = Image.fromarray(drawing(number, seed=seed))
        (picture.convert("L") if grey else picture).save(folder / f"{prefix}{place:04d}.png")


def write_layers(folder: Path, root: str, split: str) -> None:
    """Images with transparency, and images to be behind them."""
    for number in range(3):
        sprite = folder / f"{root}sprites" / split / f"{number}.png"
        background = folder / f"{root}backgrounds" / split / f"{number}.png"
        for path, pixels in (
            (sprite, disc(number, 30, 20 + 2 * number)),
            (background, smooth(number, 48, 64)),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)


def write_video(path: Path, hold: int = 1) -> None:
    """Nine drawings of 48x64 as a film, each shown `hold` times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 12, (64, 48))
    for number in range(9):
        for _ in range(hold):
            film.write(drawing(number)[..., ::-1])
    film.release()


def write_lottie(path: Path, seed: int) -> None:
    """Nine frames of 48x64 as vector animation."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(animation((seed / 3, 0, 0))))
