"""What people do with video models beside what they are made for."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from inbetween.__main__ import main
from inbetween.commands.reports import name_for
from inbetween.errors import UserError
from inbetween.interpolation import Interpolator
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion import VideoSampling
from inbetween.methods.diffusion.video import tensor_shards
from inbetween.methods.diffusion.video.filling import ClipFilling
from inbetween.methods.diffusion.video.loading import VideoSource
from inbetween.methods.diffusion.video.prompts import PromptEmbeddings
from inbetween.methods.diffusion.video.tensor_shards import TensorShards
from tests.conftest import drawing
from tests.methods.diffusion.video.tiny_svd import tiny_svd_pipeline
from tests.tiny import random_batch


def method_of(folder: Path, **options: Any) -> FirstLastVideo:
    return FirstLastVideo(
        str(folder), **{"sampling": VideoSampling(steps=1), "frozen_dtype": "float32", **options}
    )


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=0))


@pytest.mark.parametrize("option", ["prompt", "negative_prompt"])
def test_a_prompt_that_is_no_text(wan_folder: Path, option: str) -> None:
    with pytest.raises(UserError, match=f"{option} is null: give a text"):
        method_of(wan_folder, **{option: None})


@pytest.mark.parametrize("num_frames", [85, 1000])
def test_clips_that_are_too_long(wan_folder: Path, num_frames: int) -> None:
    with pytest.raises(UserError, match=f"num_frames is {num_frames}, and clips .* have 81 at most"):
        method_of(wan_folder, sampling=VideoSampling(num_frames=num_frames))


@pytest.mark.parametrize(
    ("folder", "key", "value", "lacks"),
    [
        ("wan_folder", "image_encoder", [None, None], "an image encoder"),
        ("wan_folder_2", "boundary_ratio", None, "boundary_ratio"),
    ],
)
def test_parts_that_others_need(
    request: pytest.FixtureRequest, folder: str, key: str, value: object, lacks: str, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(request.getfixturevalue(folder), tmp_path / "copy"))
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps({**index, key: value}))
    with pytest.raises(UserError, match=f"This Wan model lacks {lacks}"):
        method_of(copy)


def test_no_pickled_weights(wan_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wan_folder, tmp_path / "copy"))
    [weights] = (copy / "transformer").glob("*.safetensors")
    weights.unlink()
    torch.save(VideoSource(str(wan_folder)).pipeline().transformer.state_dict(), weights.with_suffix(".bin"))
    with pytest.raises(UserError, match=r"safetensors .*: copy its files anew, or run `hf download MODEL"):
        method_of(copy)


def test_other_pipelines_are_named_once(wan_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(wan_folder, tmp_path / "copy"))
    (copy / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    with pytest.raises(UserError) as raised:
        method_of(copy)
    assert str(raised.value).count("WanImageToVideoPipeline") == 1


def test_any_number_of_candidates(wan_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a clip that is sampled only to find out."""
    model = Interpolator(method_of(wan_folder), torch.device("cpu"), "32-true")
    with monkeypatch.context() as patched:
        patched.setattr(FirstLastVideo, "interpolate", None)
        assert model.stochastic
    first, last = drawing(0), drawing(1)
    one, other = (model.interpolate(first, last, candidate=number) for number in (0, 1))
    assert (one != other).any()


def test_too_many_in_betweens_are_refused_before_anything_is_written(
    wan_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = tmp_path / "keys"
    keys.mkdir()
    for number in (0, 1):
        Image.fromarray(drawing(number)).save(keys / f"{number}.png")
    config = tmp_path / "video.yaml"
    config.write_text(
        "model:\n  class_path: inbetween.methods.FirstLastVideo\n  init_args:\n"
        f"    pretrained: {wan_folder}\n    frozen_dtype: float32\n"
    )
    asked = ["interpolate", "--keyframes", str(keys), "--method", str(config), "--output", "out"]
    assert main([*asked, "--between", "80"]) == 2
    assert "has no frame of its own for each of the 80 in-betweens" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    # of a hold there is nothing to sample
    shutil.copy(keys / "0.png", keys / "1.png")
    assert main([*asked, "--between", "80"]) == 0


def test_models_without_a_loss_are_validated(tmp_path: Path) -> None:
    tiny_svd_pipeline().save_pretrained(tmp_path / "svd")
    sampling = VideoSampling(steps=1, time_reversal=True, reinjections=0)
    method = method_of(tmp_path / "svd", trained="none", sampling=sampling)
    output = method.validation_step(random_batch(1, between=1), 0)
    assert output.keys() == {"frames"}
    assert output["frames"].shape[:3] == (1, 1, 3)


@pytest.mark.usefixtures("full_disk")
def test_the_text_encoder_is_loaded_once_on_a_full_disk(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = VideoSource(str(wan_folder), frozen_dtype="float32")
    model, embeddings, loaded = source.model(), PromptEmbeddings(source, tmp_path / "prompts"), []
    load = PromptEmbeddings._text_pipeline
    monkeypatch.setattr(
        PromptEmbeddings, "_text_pipeline", lambda *given: (loaded.append(1), load(*given))[1]
    )
    first = embeddings.get(["a cat", "a dog"], model)
    again = embeddings.get(["a dog", "a cat"], model)
    embeddings.fill(["a cat"], model)
    assert len(loaded) == 1
    for one, other in zip(first, reversed(again), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


class _Windows:
    """Nine clips, whose reading is counted."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def __getitem__(self, key: tuple[int, int]) -> Any:
        self.read.append(key[1])
        frame = torch.full((3, 16, 16), key[1] / 9)
        return {"first": frame, "targets": frame[None], "last": frame, "frame_ids": self.frame_ids(key[1])}

    def frame_ids(self, index: int) -> Tensor:
        return torch.arange(3) + 3 * index

    def captions(self) -> Iterator[str]:
        return iter(())


@pytest.mark.usefixtures("full_disk")
def test_clips_that_cannot_be_kept_are_not_encoded_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("inbetween.methods.diffusion.video.filling.PIXELS", 1)
    shards, windows = TensorShards(tmp_path / "latents", shard_entries=2), _Windows()
    filling = ClipFilling(
        shards, "vae", 16, lambda clips: {"latents": clips}, torch.device("cpu"), shown=False
    )
    assert not filling.fill(windows, range(9), both_ways=False)  # so encoders must not rest
    assert len(set(windows.read)) <= 3
    assert "encoded in every step" in caplog.text
    before = len(windows.read)
    assert not filling.fill(windows, range(9), both_ways=False)
    assert len(windows.read) == before


def test_a_disk_with_room_again_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards, usage = TensorShards(tmp_path / "cache"), shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=tensor_shards.RESERVE - 1))
    shards.put("a", {"x": torch.ones(1)})
    shards.flush()
    assert shards.failed
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage._replace(free=tensor_shards.RESERVE))
    shards.put("a", {"x": torch.ones(1)})
    shards.flush()
    assert not shards.failed
    assert not shards.missing(["a"])


@pytest.mark.slow  # a process
def test_help_does_not_import_diffusers() -> None:
    code = "import sys, inbetween.cli, inbetween.methods; print('diffusers' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"


def test_runs_have_their_own_names_in_tables() -> None:
    """And not `config` and `config#2`."""
    names: list[str] = []
    for file in ("logs/wan_14b/version_0/config.yaml", "logs/exp1/a/config.yaml", "dis.yaml", "config.yaml"):
        names.append(name_for(file, names))
    assert names == ["wan_14b_version_0", "exp1_a", "dis", "config"]
    assert name_for("logs/exp1/a/config.yaml", names) == "exp1_a#2"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_filling_and_keeps_what_is_there(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inbetween.methods.diffusion.video.filling.PIXELS", 1)
    shards, windows, encoded = TensorShards(tmp_path / "latents"), _Windows(), []

    def encode(clips: Tensor) -> dict[str, Tensor]:
        encoded.append(len(clips))
        if len(encoded) == 2:
            signal.raise_signal(number)
        return {"latents": clips}

    filling = ClipFilling(shards, "vae", 16, encode, torch.device("cpu"), shown=False)
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt):
            filling.fill(windows, range(9), both_ways=False)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
    assert encoded == [1, 1]
    assert len(list((tmp_path / "latents").glob("*.safetensors"))) == 1
    assert filling.fill(windows, range(9), both_ways=False)
    assert encoded == [1] * 9
