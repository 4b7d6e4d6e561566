"""A user's mistake ends in one line that names the thing, with exit code 2, and leaves nothing behind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inbetween.__main__ import main
from tests.cli.conftest import write_yaml

Refused = Callable[..., str]


@pytest.fixture
def refused(capfd: pytest.CaptureFixture[str], other_folder: Path) -> Refused:
    """Runs a command that has to fail, and gives what its one line says behind `inbetween: `."""

    def run(*args: str | Path) -> str:
        capfd.readouterr()
        assert main([str(arg) for arg in args]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("inbetween: ")
        assert err.count("\n") == 1
        assert err.endswith(".\n")
        assert list(other_folder.iterdir()) == []
        return err.removeprefix("inbetween: ").removesuffix("\n")

    return run


@pytest.fixture
def repeat(tiny: list[str]) -> list[str]:
    return ["--config", "repeat.yaml", *tiny]


@pytest.fixture
def overlay(tmp_path: Path) -> Callable[[dict[str, Any]], list[str]]:
    return lambda content: ["--config", str(write_yaml(tmp_path / "overlay.yaml", content))]


@pytest.fixture
def frame(scenes_root: Path) -> Path:
    """A drawing in the middle of the only scene of val."""
    return scenes_root / "val/fox/walk/0004.png"


def test_no_such_folder(refused: Refused, repeat: list[str], folder_data: list[str], tmp_path: Path) -> None:
    text = refused("validate", *repeat, *folder_data, "--data.source.init_args.root", tmp_path / "nowhere")
    assert text.startswith(f"There is no folder {tmp_path / 'nowhere'}: ")


def test_no_scenes(refused: Refused, repeat: list[str], folder_data: list[str], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    text = refused("validate", *repeat, *folder_data, "--data.source.init_args.root", tmp_path / "empty")
    assert text.startswith(f"{tmp_path / 'empty'} has no scenes: ")


def test_truncated_frame(refused: Refused, repeat: list[str], folder_data: list[str], frame: Path) -> None:
    frame.write_bytes(frame.read_bytes()[: frame.stat().st_size // 2])
    text = refused("validate", *repeat, *folder_data)
    assert text == f"{frame} is damaged or cut short: export it again or remove it."


def test_frames_of_different_sizes(
    refused: Refused, repeat: list[str], folder_data: list[str], frame: Path
) -> None:
    Image.new("RGB", (20, 30)).save(frame)
    text = refused("validate", *repeat, *folder_data)
    assert "differ in size" in text
    assert f"{frame} has 20x30" in text


def test_cmyk(refused: Refused, repeat: list[str], folder_data: list[str], frame: Path) -> None:
    frame.unlink()
    Image.new("CMYK", (64, 48)).save(frame.with_suffix(".jpg"))
    text = refused("validate", *repeat, *folder_data)
    assert text.startswith(f"{frame.with_suffix('.jpg')} has CMYK colours")


def test_enormous_frame(refused: Refused, repeat: list[str], folder_data: list[str], frame: Path) -> None:
    Image.new("1", (20000, 20000)).save(frame)
    text = refused("validate", *repeat, *folder_data)
    assert text.startswith(f"{frame} has more than 64 million pixels: ")


def test_too_few_frames(refused: Refused, repeat: list[str], folder_data: list[str]) -> None:
    text = refused("validate", *repeat, *folder_data, "--data.between", "8")
    assert text.startswith("No scene is long enough: a window of between 8 and gap 1 needs 10 frames")
    assert "has 9" in text


def test_a_cosine_without_an_end(refused: Refused, exp1: list[str], folder_data: list[str]) -> None:
    endless = ["--trainer.max_steps", "-1", "--trainer.max_epochs", "-1"]
    text = refused("fit", *exp1, *folder_data, *endless)
    assert text.startswith("The cosine schedule needs an end, and this run has none: set trainer.max_steps")


def test_more_processes_than_windows(refused: Refused, repeat: list[str], folder_data: list[str]) -> None:
    options = ["--data.between", "7", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    text = refused("validate", *repeat, *folder_data, *options)
    assert text.startswith("The val split has 1 windows for 2 processes: ")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("--data.between", "0", "between is 0: a window needs at least 1 in-between."),
        ("--data.between", "many", "data.between is many, expected a whole number; `--help` lists the keys."),
        ("--data.fit", "zoom", "data.fit is zoom, expected one of pad, crop; `--help` lists the keys."),
        ("--data.size", "0", "size is [0, 0]: give height and width from 1 to 4096 pixels."),
        ("--data.betwen", "3", "There is no key --data.betwen; `--help` lists the keys."),
        ("--trainer.max_stepz=3", "", "There is no key --trainer.max_stepz=3; `--help` lists the keys."),
        (
            "--ckpt_path",
            "nowhere.ckpt",
            "There is no checkpoint nowhere.ckpt; `fit` writes them below logs/.",
        ),
    ],
)
def test_wrong_value_or_key(refused: Refused, repeat: list[str], key: str, value: str, says: str) -> None:
    assert refused("validate", *repeat, key, *([value] if value else [])) == says


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"data": {"betwen": 3}}, "There is no key data.betwen;"),
        ({"modle": {"class_path": "x"}}, "There is no key modle.class_path;"),
        ({"model": {"init_args": {"speed": 3}}}, "inbetween.methods.Repeat has no key speed;"),
        ({"model": {"class_path": "inbetween.methods.Nope"}}, "There is no class Nope in inbetween.methods;"),
        ({"model": {"class_path": "nope.Nope"}}, "There is no class nope.Nope: no module nope;"),
        ({"model": {"class_path": "torch.nn.Linear"}}, "torch.nn.Linear is no Method;"),
        (
            {"data": {"source": {"class_path": "inbetween.data.Nope"}}},
            "There is no class Nope in inbetween.data;",
        ),
        (
            {"trainer": {"callbacks": [{"class_path": "inbetween.callbacks.Nope"}]}},
            "There is no class Nope in inbetween.callbacks;",
        ),
    ],
)
def test_wrong_yaml_content(
    refused: Refused, repeat: list[str], overlay: Callable[..., list[str]], content: dict[str, Any], says: str
) -> None:
    assert refused("validate", *repeat, *overlay(content)).startswith(says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"model: [\n  a: b\n", "no valid YAML in line 3"),
        (b"just a sentence\n", "has no keys"),
        (b"", "has no keys"),
        (b"\xff\xfe\x00", "is no text"),
    ],
)
@pytest.mark.parametrize("command", ["fit", "compare"])
def test_broken_config(refused: Refused, tmp_path: Path, command: str, content: bytes, says: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content)
    methods = ["--config", "compare.yaml", "--methods"] if command == "compare" else ["--config"]
    assert refused(command, *methods, path).startswith(
        f"{path} {'' if says.startswith(('has', 'is')) else 'is '}{says}"
    )


@pytest.mark.parametrize(
    "args", [["fit", "--config"], ["validate", "--config=x.yaml", "-c"], ["compare", "--config"]]
)
def test_missing_config(refused: Refused, args: list[str]) -> None:
    text = refused(*args, "nowhere.yaml")
    assert text.startswith(("There is no config file nowhere.yaml;", "There is no config file x.yaml;"))
    assert "exp1.yaml" in text


def test_no_config_at_all(refused: Refused) -> None:
    assert refused("fit").startswith("Required keys are missing: data.source, model; give an experiment")


def test_no_such_command(refused: Refused) -> None:
    assert refused("train").startswith("There is no command train; the commands are fit, ")


def test_nothing_to_train(refused: Refused, repeat: list[str]) -> None:
    assert refused("fit", *repeat).startswith("Repeat has nothing to train: run `validate`")


def test_fit_from_weights_alone(refused: Refused, exp1: list[str], tmp_path: Path) -> None:
    path = tmp_path / "weights.ckpt"
    method = "inbetween.methods.diffusion.temporal_encoding.TemporalEncodingDiffusion"
    torch.save({"method": method, "state_dict": {}, "hyper_parameters": {}}, path)
    assert refused("fit", *exp1, "--ckpt_path", path) == (
        f"{path} holds weights alone, for inference: resume from last.ckpt."
    )


def test_what_only_training_needs_is_missed_before_anything_is_written(
    refused: Refused, tmp_path: Path
) -> None:
    path = tmp_path / "vgg.pth"
    assert refused("fit", "--config", "spacing_flow.yaml", "--model.init_args.perceptual_network", path) == (
        f"{path} is not a readable weights file of VGG16; give another one."
    )


def test_fit_of_a_method_whose_weights_are_all_frozen(refused: Refused, exp1: list[str]) -> None:
    args = ["--config", "latent_slerp.yaml", *exp1[exp1.index("exp1.yaml") + 1 :]]
    assert refused("fit", *args, "--model.init_args.trained", "none").startswith(
        "LatentSlerp has nothing to train: run `validate`"
    )


def test_checkpoint_of_another_method(refused: Refused, repeat: list[str], tmp_path: Path) -> None:
    path = tmp_path / "other.ckpt"
    torch.save({"method": "inbetween.methods.diffusion.temporal_encoding.TemporalEncodingDiffusion"}, path)
    text = refused("validate", *repeat, "--ckpt_path", path)
    says = f"{path} is a checkpoint of TemporalEncodingDiffusion, and the config names Repeat;"
    assert text.startswith(says)


@pytest.mark.parametrize("content", [b"not a checkpoint\n", b"", b"PK\x03\x04"])
def test_file_that_is_no_checkpoint(
    refused: Refused, repeat: list[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert refused("validate", *repeat, "--ckpt_path", path).startswith(
        f"{path} is not a checkpoint that `fit` wrote"
    )


def test_adapters_for_diffusers_are_no_checkpoint(
    refused: Refused, repeat: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "pytorch_lora_weights.safetensors"
    save_file({"transformer.lora_A.weight": torch.zeros(1)}, path)
    assert refused("validate", *repeat, "--ckpt_path", path).startswith(
        f"{path} holds adapters for diffusers: give weights.safetensors of the same run"
    )


@pytest.mark.parametrize("word", ["best", "last"])
def test_checkpoint_of_no_run(refused: Refused, repeat: list[str], word: str) -> None:
    assert refused("validate", *repeat, "--ckpt_path", word).startswith(
        f"ckpt_path is {word}, which only works within the same run"
    )


def test_backbone_that_is_not_there(refused: Refused, exp1: list[str], tmp_path: Path) -> None:
    args = ["--model.init_args.backbone.init_args.pretrained", tmp_path / "nowhere"]
    assert refused("fit", *exp1, *args).startswith(
        f"The backbone's vae cannot be loaded from {tmp_path / 'nowhere'}: "
    )


def test_shipped_precision_says_nothing_before_the_mistake(
    refused: Refused, folder_data: list[str], tmp_path: Path
) -> None:
    options = ["--trainer.precision", "bf16-mixed", "--data.source.init_args.root", tmp_path / "nowhere"]
    text = refused("validate", "--config", "repeat.yaml", *folder_data, *options)
    assert text.startswith("There is no folder")


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("nowhere.yaml", "There is no config file nowhere.yaml;"),
        ("exp1.yaml=nowhere.ckpt", "There is no checkpoint nowhere.ckpt;"),
        ("data/synthetic.yaml", "has no `model` with a `class_path`"),
    ],
)
def test_compare_with_a_wrong_entry(refused: Refused, entry: str, says: str) -> None:
    assert says in refused("compare", "--config", "compare.yaml", "--methods", entry)


@pytest.mark.parametrize("count", ["2", "-1"])
def test_compare_with_no_spacing_between_the_keyframes(refused: Refused, count: str) -> None:
    text = refused("compare", "--config", "compare.yaml", "--spacings", count)
    assert text.startswith(f"spacings is {count}: give 3 or more")


def test_compare_on_a_folder_without_scenes(refused: Refused, tmp_path: Path) -> None:
    source = ["--data.source", "inbetween.data.FolderScenes", "--data.source.init_args.root", tmp_path / "no"]
    text = refused("compare", "--config", "compare.yaml", "--methods", "dis.yaml", *source)
    assert text.startswith(f"There is no folder {tmp_path / 'no'}: ")
