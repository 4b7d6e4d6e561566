"""Video models from the command line, on drawings of a folder."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from inbetween.__main__ import main
from inbetween.interpolation import pair
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion.video.wan import WanVideo
from inbetween.methods.loading import load_method
from tests.conftest import drawing

WEIGHTS = Path("logs/wan_14b/a/weights.safetensors")
VERSION = "--trainer.logger.init_args.version"


def draw(folder: Path, numbers: range, seed: int = 0) -> None:
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(drawing(number, seed=seed)).save(folder / f"{number:04d}.png")


def overlay(path: Path, model: dict[str, Any], **trainer: Any) -> list[str]:
    content = {
        "model": {"init_args": {"sampling": {"steps": 2}, "frozen_dtype": "float32", **model}},
        "data": {
            "source": {"class_path": "inbetween.data.FolderScenes", "init_args": {"root": "drawings"}},
            **{"size": [32, 48], "between": 3, "batch_size": 2, "val_batch_size": 2, "val_windows": 2},
            **{"num_workers": 0, "augment": None, "cache_dir": str(path.parent / "frames")},
        },
        "trainer": {
            **{"accelerator": "cpu", "devices": 1, "precision": "32-true", "max_steps": 4},
            **{"val_check_interval": 2, "num_sanity_val_steps": 0, "enable_progress_bar": False},
            **{"enable_model_summary": False, "log_every_n_steps": 1},
            **trainer,
        },
    }
    path.write_text(yaml.safe_dump(content))
    return ["--config", "wan_14b.yaml", "--config", str(path)]


@pytest.fixture
def drawings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in."""
    folder = tmp_path / "work"
    for split, names in {"train": ("cat", "dog"), "val": ("fox",)}.items():
        for seed, name in enumerate(names):
            draw(folder / "drawings" / split / name, range(9), seed)
    draw(folder / "keyframes", range(0, 9, 4))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return folder


@pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
@pytest.mark.usefixtures("drawings")
def test_fit_resume_interpolate_compare(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = overlay(tmp_path / "small.yaml", {"pretrained": str(wan_folder), "latent_cache": True})
    assert main(["fit", *small, VERSION, "a"]) == 0
    run = WEIGHTS.parent
    assert (run / "lora/pytorch_lora_weights.safetensors").is_file()
    assert list(Path(os.environ["XDG_CACHE_HOME"], "inbetween/prompts").iterdir())
    assert list(Path(os.environ["XDG_CACHE_HOME"], "inbetween/latents").iterdir())

    # resumed in the middle, and no clip or prompt encoded again
    with monkeypatch.context() as patch:
        patch.setattr(WanVideo, "encode_prompts", None)
        patch.setattr(WanVideo, "encode_clips", None)
        half = [*small, "--trainer.max_steps", "2", "--trainer.limit_val_batches", "0"]
        assert main(["fit", *half, VERSION, "half", "--model.init_args.schedule", "constant"]) == 0
        middle = "logs/wan_14b/half/checkpoints/last.ckpt"
        rest = [*small, "--trainer.limit_val_batches", "0", "--model.init_args.schedule", "constant"]
        assert main(["fit", *rest, VERSION, "whole"]) == 0
        assert main(["fit", *rest, VERSION, "rest", "--ckpt_path", middle]) == 0
    assert_same(*(Path(f"logs/wan_14b/{name}/checkpoints/last.ckpt") for name in ("whole", "rest")))

    # a few frames at once at most, which must not part a clip
    monkeypatch.setattr(pair, "PIXELS_AT_ONCE", 1)
    lengths: list[int] = []
    sample = WanVideo.sample

    def counted(self: WanVideo, first: Any, last: Any, num_frames: int, *rest: Any) -> Any:
        lengths.append(num_frames)
        return sample(self, first, last, num_frames, *rest)

    monkeypatch.setattr(WanVideo, "sample", counted)
    drawn = ["interpolate", "--keyframes", "keyframes", "--method", str(WEIGHTS), "--between", "3"]
    assert main([*drawn, "--spacing", "ease_in_out", "--output", "logs/eased"]) == 0
    assert len(lengths) == 2
    assert len(list(Path("logs/eased").glob("*.png"))) >= 9
    assert main([*drawn, "--between", "80", "--output", "logs/many"]) == 2

    config = f"{run}/config.yaml"
    methods = ["--methods", config, f"{config}={WEIGHTS}", "--output", "logs/table"]
    assert main(["compare", *methods, "--config", str(data_of(tmp_path))]) == 0
    assert "| wan_14b_a#2 |" in Path("logs/table/summary.md").read_text()


def data_of(tmp_path: Path) -> Path:
    content = yaml.safe_load((tmp_path / "small.yaml").read_text())
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump({"data": content["data"]}))
    return path


def assert_same(one: Path, other: Path) -> None:
    weights = [torch.load(path, weights_only=True)["state_dict"] for path in (one, other)]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=1e-6, rtol=1e-5)


@pytest.mark.usefixtures("drawings")
def test_the_files_of_two_denoisers(wan_folder_2: Path, tmp_path: Path) -> None:
    small = overlay(
        tmp_path / "small.yaml", {"pretrained": str(wan_folder_2)}, limit_val_batches=0, max_steps=3
    )
    assert main(["fit", *small, VERSION, "a"]) == 0
    folder = WEIGHTS.parent / "lora"
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*.safetensors")]
    assert sorted(found) == [
        "pytorch_lora_weights.safetensors",
        "transformer_2/pytorch_lora_weights.safetensors",
    ]
    # what is loaded here is what was trained: in float32
    method = load_method(WEIGHTS.parent / "config.yaml", WEIGHTS)
    assert isinstance(method, FirstLastVideo)
    saved = torch.load(WEIGHTS.parent / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name, value in method.state_dict().items():
        assert torch.equal(value, saved[name])


@pytest.mark.parametrize(
    ("model", "section", "said"),
    [
        (
            {},
            {"trainer": {"precision": "bf16-true"}},
            "precision is bf16-true, which would round",
        ),
        ({"prompt": 3}, {}, "prompt of inbetween.methods.FirstLastVideo is 3, expected str"),
        ({"prompt": ["a"]}, {}, "prompt of inbetween.methods.FirstLastVideo is ['a'], expected str"),
        ({"sampling": {"steps": 0}}, {}, "steps is 0"),
        ({"lora_rank": 0}, {}, "lora_rank is 0"),
        ({"trained": "none"}, {}, "has nothing to train"),
        ({}, {"data": {"between": 4}}, "between is 4"),
    ],
)
@pytest.mark.usefixtures("drawings")
def test_mistakes(
    model: dict[str, Any],
    section: dict[str, Any],
    said: str,
    wan_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    small = overlay(tmp_path / "small.yaml", {"pretrained": str(wan_folder)})
    mistake = tmp_path / "mistake.yaml"
    mistake.write_text(yaml.safe_dump({"model": {"init_args": model}, **section}))
    assert main(["fit", *small, "--config", str(mistake)]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("inbetween: ")]
    assert said in line
    assert not Path("logs").exists()
    # no text encoder has run for it
    assert not Path(os.environ["XDG_CACHE_HOME"], "inbetween/prompts").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("drawings")
def test_killed_training_goes_on(wan_folder_2: Path, tmp_path: Path) -> None:
    model = {"pretrained": str(wan_folder_2), "latent_cache": True, "schedule": "constant"}
    checkpoints = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"save_last": True, "every_n_train_steps": 1},
    }
    small = overlay(
        tmp_path / "small.yaml", model, limit_val_batches=0, max_steps=30, callbacks=[checkpoints]
    )
    assert main(["fit", *small, VERSION, "straight"]) == 0
    last = Path("logs/wan_14b/killed/checkpoints/last.ckpt")
    process = subprocess.Popen(
        [sys.executable, "-m", "inbetween", "fit", *small, VERSION, "killed"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while not last.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert torch.load(last, weights_only=True)["global_step"] < 30
    assert main(["fit", *small, VERSION, "rest", "--ckpt_path", str(last)]) == 0
    assert_same(
        Path("logs/wan_14b/straight/checkpoints/last.ckpt"), Path("logs/wan_14b/rest/checkpoints/last.ckpt")
    )
