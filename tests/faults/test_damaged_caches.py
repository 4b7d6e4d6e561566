"""What somebody damaged in a cache is made anew, or named in one sentence."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inbetween.data import FolderScenes, VideoScenes, WindowSpec
from inbetween.data.store import StoredScene
from inbetween.errors import UserError
from inbetween.io.images import read_image
from inbetween.methods.diffusion import Backbone
from inbetween.metrics.feature_network import read_alexnet
from inbetween.modules.perceptual import read_vgg
from inbetween.paths import cached
from tests.conftest import drawing
from tests.data import test_video


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def one(folder: Path, name: str) -> Path:
    return next(path for path in sorted(folder.rglob(name)))


UNPACKED: dict[str, Callable[[Path], object]] = {
    "a frame cut short": lambda cache: cut(one(cache, "000003.png")),
    "a frame of no bytes": lambda cache: empty(one(cache, "000003.png")),
    "a frame deleted": lambda cache: one(cache, "000009.png").unlink(),
    "all frames deleted": lambda cache: [path.unlink() for path in cache.rglob("*.png")],
    "the list cut short": lambda cache: cut(one(cache, "whole.json")),
    "the list of no bytes": lambda cache: empty(one(cache, "whole.json")),
    "the list of another version": lambda cache: one(cache, "whole.json").write_text("[1, 2]"),
    "the list no text": lambda cache: one(cache, "whole.json").write_bytes(b"\xff\xfe\x00"),
    "the folder deleted": lambda cache: shutil.rmtree(one(cache, "whole.json").parent),
    "the lock deleted": lambda cache: (cache / "lock").unlink(),
}


@pytest.mark.parametrize("damage", UNPACKED)
def test_unpacked_frames_are_unpacked_anew(tmp_path: Path, damage: str) -> None:
    (tmp_path / "clips").mkdir()
    test_video.write(tmp_path / "clips" / "walk.mp4")

    def frames() -> list[bytes]:
        (scene,) = VideoScenes(tmp_path / "clips", cache_dir=tmp_path / "cache").scenes("train")
        return [path.read_bytes() for path in scene.frames]

    before = frames()
    UNPACKED[damage](tmp_path / "cache")
    assert frames() == before


def index(change: Callable[[dict], object]) -> Callable[[Path], None]:
    """Change a store's index."""

    def damage(cache: Path) -> None:
        path = one(cache, "*.json")
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def other_array(cache: Path) -> None:
    np.savez(cache / "other.npz", np.zeros(3))
    (cache / "other.npz").replace(one(cache, "*.npy"))


STORED: dict[str, Callable[[Path], object]] = {
    "too few drawings": index(lambda content: content["drawings"].pop()),
    "drawings beyond the frames": index(lambda content: content.update(drawings=[9] * 9)),
    "drawings that are no numbers": index(lambda content: content.update(drawings=["a"] * 9)),
    "drawings that are no list": index(lambda content: content.update(drawings=None)),
    "cuts beyond the frames": index(lambda content: content.update(cuts=[99])),
    "a size of one number": index(lambda content: content.update(source=[48])),
    "a size of nothing": index(lambda content: content.update(source=[0, 0])),
    "an index that is a list": lambda cache: one(cache, "*.json").write_text("[]"),
    "an archive in the array's place": other_array,
    "another type of array": lambda cache: np.save(one(cache, "*.npy"), np.zeros((9, 48, 64, 3), np.int8)),
    "an array of objects": lambda cache: np.save(one(cache, "*.npy"), np.array([None])),
}


@pytest.mark.parametrize("damage", STORED)
def test_stored_frames_are_decoded_anew(scenes_root: Path, tmp_path: Path, damage: str) -> None:
    def first() -> np.ndarray:
        spec = WindowSpec(size=(48, 64), stride=1, cache_dir=tmp_path / "cache")
        windows = FolderScenes(scenes_root).dataset("val", spec)
        assert len(windows) == 5
        return windows[0, 0]["first"].numpy() * 255

    expected = drawing(0, seed=3).transpose(2, 0, 1)
    assert np.array_equal(first(), expected)
    STORED[damage](tmp_path / "cache")
    assert np.array_equal(first(), expected)


def test_a_frame_with_other_bytes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "0001.png"
    Image.fromarray(drawing(0)).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"0001\.png is damaged or cut short"):
        read_image(path, (255, 255, 255))


def test_a_store_damaged_while_it_is_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"")
    stored = StoredScene(None, tmp_path / "a.npy", None, (0,), (), (0,))  # type: ignore[arg-type]
    with pytest.raises(
        UserError, match=r"a\.npy has been deleted or damaged meanwhile .*: run the same command"
    ):
        stored.read((0,))


@pytest.mark.parametrize("content", [b"", b"half a fi", b"PK\x03\x04cut"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("read", [read_alexnet, read_vgg])
def test_damaged_weights_are_named(
    tmp_path: Path, read: Callable[[Path], object], suffix: str, content: bytes
) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{path} is not a readable weights file"):
        read(path)


def test_damaged_weights_in_torchvisions_cache_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "vgg16-397923af.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert not cached("vgg16_features.safetensors").exists()
    with pytest.raises(UserError, match=rf"{path} is not a readable weights file"):
        read_vgg(None)


PARTS = ["vae/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"]
PARTS += [
    "image_encoder/config.json",
    "image_encoder/model.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
]


@pytest.mark.parametrize("damage", [cut, empty, Path.unlink])
@pytest.mark.parametrize("name", PARTS)
def test_a_damaged_backbone_is_named(
    backbone: Path, tmp_path: Path, name: str, damage: Callable[[Path], object]
) -> None:
    shutil.copytree(backbone, tmp_path / "backbone")
    damage(tmp_path / "backbone" / name)
    part = name.partition("/")[0]
    with pytest.raises(
        UserError, match=f"The backbone's {part} cannot be loaded from {tmp_path / 'backbone'}"
    ):
        Backbone(str(tmp_path / "backbone"))
