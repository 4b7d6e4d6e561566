"""Lottie files become scenes: rendered once, exactly, and without those that crash the renderer."""

import gzip
import json
import threading
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inbetween.data import LottieScenes, WindowSpec, lottie
from inbetween.data.scenes import SPLITS
from inbetween.errors import UserError
from inbetween.io.images import read_layers
from inbetween.types import Split
from tests.data.lottie_files import animation, still

pytest.importorskip("rlottie_python", reason="Lottie files need the extra `lottie` (part of `dev`)")

RED = (255, 0, 0)


def write(path: Path, content: dict | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(animation() if content is None else content))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "animations"
    folder.mkdir()
    return folder


@pytest.fixture
def renderings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were given to the renderer."""
    seen: list[str] = []
    run = lottie._run_renderer

    def counted(file: Path, folder: Path, side: int) -> str | None:
        seen.append(file.name)
        return run(file, folder, side)

    monkeypatch.setattr(lottie, "_run_renderer", counted)
    return seen


def source(root: Path, side: int = 64, **options: object) -> LottieScenes:
    return LottieScenes(root, side=side, cache_dir=root.parent / "rendered", **options)


@pytest.fixture
def other_renderer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a package in the renderer's place that runs a line of Python whatever the file."""

    def put(line: str) -> None:
        package = tmp_path / "other" / "rlottie_python"
        package.mkdir(parents=True)
        lines = [
            "import os, time",
            "class LottieAnimation:",
            "    def from_file(*_):",
            f"        {line}",
        ]
        (package / "__init__.py").write_text("\n".join(lines))
        monkeypatch.setenv("PYTHONPATH", str(package.parent))

    return put


def square(number: int, scale: float = 1) -> np.ndarray:
    """Opacity in [0, 255] of frame `number`, (48 * scale, 64 * scale)."""
    small = np.zeros((12, 16), np.uint8)
    small[4:8, 2 + number : 6 + number] = 255
    side = round(4 * scale)
    return small.repeat(side, 0).repeat(side, 1)


def labels(found: LottieScenes, split: Split) -> list[str]:
    return [scene.label for scene in found.scenes(split)]


def test_every_frame_is_where_the_file_says(root: Path) -> None:
    write(root / "walk.json")
    (scene,) = source(root).scenes("train")
    assert scene.label == "walk/json"
    assert [path.name for path in scene.frames] == [f"{number:04d}.png" for number in range(1, 10)]
    for number, path in enumerate(scene.frames):
        layers = read_layers(path)
        assert np.array_equal(layers.opacity, square(number))
        assert (layers.color[square(number) > 0] == RED).all()


@pytest.mark.parametrize("scale", [0.5, 2])
def test_frames_are_rendered_at_the_side_asked_for(root: Path, scale: float) -> None:
    write(root / "walk.json")
    (scene,) = source(root, side=round(64 * scale)).scenes("train")
    layers = [read_layers(path) for path in scene.frames]
    assert all(np.array_equal(layer.opacity, square(k, scale)) for k, layer in enumerate(layers))


def test_colours_are_kept_apart_from_opacity(root: Path) -> None:
    write(root / "ghost.json", animation(color=(1, 0.6, 0.2), opacity=50))
    (scene,) = source(root).scenes("train")
    layers = read_layers(scene.frames[0])
    inside = square(0) > 0
    assert set(layers.opacity[~inside]) == {0}
    assert np.abs(layers.opacity[inside] - 127.5).max() <= 3  # the renderer rounds down, twice
    # 8 bits that were multiplied by a half and divided again
    assert np.abs(layers.color[inside].astype(int) - (255, 153, 51)).max() <= 2


def test_windows_show_the_animation_on_the_background(root: Path) -> None:
    write(root / "walk.json")
    background = (0, 51, 255)
    spec = WindowSpec(
        between=3, stride=1, size=(48, 64), background=background, cache_dir=root.parent / "frames"
    )
    windows = source(root).dataset("train", spec)
    assert len(windows) == 5
    window = windows[0, 2]
    assert window["name"] == "walk/json/0003-0007"
    shown = np.stack([window["first"], *window["targets"], window["last"]]) * 255
    for number, picture in enumerate(shown, start=2):
        inside = square(number)[..., None] > 0
        assert np.array_equal(picture.transpose(1, 2, 0).round(), np.where(inside, RED, background))


def test_a_picture_beside_the_file_is_drawn(root: Path) -> None:
    Image.new("RGB", (16, 16), (0, 128, 255)).save(root / "square.png")
    content = animation()
    (layer,) = content["layers"]
    del layer["shapes"]
    layer |= {"ty": 2, "refId": "0", "ks": {**layer["ks"], "a": still([8, 8, 0])}}
    content["assets"] = [{"id": "0", "w": 16, "h": 16, "u": "", "p": "square.png", "e": 0}]
    write(root / "walk.json", content)
    (scene,) = source(root).scenes("train")
    layers = read_layers(scene.frames[8])
    assert np.array_equal(layers.opacity > 250, square(8) > 0)  # the renderer's opacity for pictures: 253
    assert np.abs(layers.color[square(8) > 0].astype(int) - (0, 128, 255)).max() <= 1


def test_a_compressed_file_is_the_same_animation(root: Path) -> None:
    (root / "walk.tgs").write_bytes(gzip.compress(write(root / "walk.json").read_bytes()))
    packed, plain = sorted(source(root).scenes("train"), key=lambda scene: scene.name, reverse=True)
    assert (packed.animation, packed.name) == ("walk", "tgs")
    assert (plain.animation, plain.name) == ("walk", "json")
    pairs = zip(packed.frames, plain.frames, strict=True)
    assert all(one.read_bytes() == other.read_bytes() for one, other in pairs)


def test_files_are_rendered_once(root: Path, renderings: list[str]) -> None:
    write(root / "a.json")
    write(root / "b.json", animation((0, 1, 0)))
    found = [source(root).scenes("train") for _ in range(2)]
    assert found[0] == found[1]
    assert sorted(renderings) == ["a.json", "b.json"]
    write(root / "b.json", animation((0, 0, 1)))
    (scene,) = (
        scene for split in ("train", "val") for scene in source(root).scenes(split) if scene.animation == "b"
    )
    assert tuple(read_layers(scene.frames[0]).color[20, 20]) == (0, 0, 255)
    assert renderings[2:] == ["b.json"]
    source(root, side=32).scenes("train")
    assert sorted(renderings[3:]) == ["a.json", "b.json"]


def test_of_several_processes_one_renders(root: Path, renderings: list[str]) -> None:
    # a lock of its own each, as processes have
    sources = [source(write(root / "walk.json").parent) for _ in range(3)]
    threads = [threading.Thread(target=one.scenes, args=("train",)) for one in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert renderings == ["walk.json"]
    assert len({tuple(one.scenes("train")) for one in sources}) == 1
    assert len(list((root.parent / "rendered").iterdir())) == 2  # the frames, and the lock


def test_damaged_files_are_left_out_and_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(root / "good.json")
    (root / "cut.json").write_text(json.dumps(animation())[:200])
    (root / "picture.json").write_bytes(b"\xff\xd8\xff")
    (root / "sticker.tgs").write_bytes(gzip.compress(b"{}")[:-4])
    found = source(root)
    assert labels(found, "train") == ["good/json"]
    found.scenes("val")
    (message,) = caplog.messages
    assert message.startswith(
        "3 of 4 Lottie files cannot be rendered and are left out: cut.json (not a Lottie animation), "
        "picture.json (not a Lottie animation), sticker.tgs (damaged). Delete "
    )


DEATHS = [("os.abort()", "crashes the renderer"), ("time.sleep(99)", "not done after 2 seconds")]


@pytest.mark.parametrize(("line", "reason"), DEATHS)
def test_a_file_that_kills_the_renderer_is_left_out_and_remembered(
    root: Path,
    renderings: list[str],
    other_renderer: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    line: str,
    reason: str,
) -> None:
    write(root / "good.json")
    source(root).scenes("train")
    other_renderer(line)
    monkeypatch.setattr(lottie, "TIMEOUT", 2.0)
    write(root / "deadly.json", animation((0, 1, 0)))
    for _ in range(2):
        assert labels(source(root), "train") == ["good/json"]
    assert renderings == ["good.json", "deadly.json"]
    assert len(caplog.messages) == 2
    assert all(f"left out: deadly.json ({reason})." in message for message in caplog.messages)
    (root / "good.json").unlink()
    with pytest.raises(UserError, match="has no Lottie file"):
        source(root).scenes("train")


def test_a_broken_installation_is_not_the_files_fault(
    root: Path, other_renderer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "walk.json")
    other_renderer("raise OSError('no library')")
    with pytest.raises(UserError, match=r"Rendering .*walk.json failed \(OSError: no library\)"):
        source(root).scenes("train")
    monkeypatch.delenv("PYTHONPATH")
    assert labels(source(root), "train") == ["walk/json"]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendering without the renderer, for what does not depend on it."""
    monkeypatch.setattr(lottie, "_run_renderer", lambda file, folder, side: (folder / "0001.png").touch())


@pytest.mark.usefixtures("drawn")
def test_no_animation_is_in_two_splits(root: Path) -> None:
    for number in range(40):
        write(root / f"pack {number % 3}" / f"{number}.json")
    found = {split: labels(source(root), split) for split in SPLITS}
    assert all(found.values())
    assert sorted(label for split in SPLITS for label in found[split]) == sorted(
        f"pack {k % 3}/{k}/json" for k in range(40)
    )
    write(root / "more" / "one.json")
    more = {split: labels(source(root), split) for split in SPLITS}
    assert all(set(found[split]) <= set(more[split]) for split in SPLITS)


@pytest.mark.usefixtures("drawn")
def test_folders_decide_the_splits(root: Path) -> None:
    for name in ("train/a.json", "train/b/2.json", "train/b/10.json", "val/c.json"):
        write(root / name)
    assert labels(source(root), "train") == ["a/json", "b/2/json", "b/10/json"]
    assert labels(source(root), "val") == labels(source(root), "test") == ["c/json"]


@pytest.mark.usefixtures("drawn")
def test_a_folder_test_beside_files_is_no_split(root: Path) -> None:
    # as in the renderer's own resources
    for name in ("test/broken.json", *(f"{number}.json" for number in range(40))):
        write(root / name)
    assert len(labels(source(root), "train")) > 20
    assert "test/broken/json" in [label for split in SPLITS for label in labels(source(root), split)]


def test_excluded_files_are_not_even_rendered(root: Path, renderings: list[str]) -> None:
    for name in ("good.json", "measured.json", "deep/measured.json"):
        write(root / name)
    assert labels(source(root, exclude=["measured.json"]), "train") == ["good/json"]
    assert renderings == ["good.json"]
    with pytest.raises(UserError, match=r"has no file mesured\.json: correct the names in exclude"):
        source(root, exclude=["mesured.json"]).scenes("train")


def test_a_file_that_cannot_be_read_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(root / "locked.json")

    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    with pytest.raises(UserError, match=rf"{file} cannot be read \(Permission denied\)"):
        source(root).scenes("train")


def test_mistakes_end_in_one_sentence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"There is no folder .*nowhere"):
        source(root / "nowhere").scenes("train")
    with pytest.raises(UserError, match="has no Lottie file"):
        source(root).scenes("train")
    with pytest.raises(UserError, match="side is 0: give 1 to 4096 pixels"):
        source(root, side=0)
    write(root / "walk.json")
    (root.parent / "rendered").touch()
    with pytest.raises(UserError, match="rendered cannot be written"):
        source(root).scenes("train")

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(lottie, "version", absent)
    with pytest.raises(UserError, match="pip install rlottie-python"):
        source(root).scenes("train")
