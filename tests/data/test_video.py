"""Video files become scenes: decoded once, in order, at the side asked for."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from inbetween.data import VideoScenes, WindowSpec
from inbetween.errors import UserError

HEIGHT, WIDTH = 48, 64


def square(number: int) -> np.ndarray:
    """White paper with a blue square, 4 pixels further right in each drawing, (48, 64, 3) RGB."""
    picture = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    picture[16:32, 8 + 4 * number : 24 + 4 * number] = (20, 60, 220)
    return picture


def write(path: Path, drawings: int = 9, hold: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 24, (WIDTH, HEIGHT))
    assert video.isOpened()
    for number in range(drawings):
        for _ in range(hold):
            video.write(square(number)[..., ::-1])
    video.release()
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    folder.mkdir()
    return folder


def source(root: Path, **options: object) -> VideoScenes:
    return VideoScenes(root, cache_dir=root.parent / "decoded", **options)


def test_every_frame_is_decoded_in_order_and_colour(root: Path) -> None:
    write(root / "walk.mp4")
    (scene,) = source(root).scenes("train")
    assert scene.label == "walk/mp4"
    assert len(scene.frames) == 9
    for number, path in enumerate(scene.frames):
        shown = np.asarray(Image.open(path).convert("RGB")).astype(int)
        assert np.abs(shown - square(number)).mean() < 6  # the codec's loss; the next drawing is 17 away


def test_held_drawings_count_once(root: Path) -> None:
    write(root / "on_twos.mp4", drawings=6, hold=2)
    spec = WindowSpec(between=3, stride=1, size=(HEIGHT, WIDTH), cache_dir=root.parent / "frames")
    windows = source(root).dataset("train", spec)
    assert len(windows) == 2
    shown = windows[0, 1]["last"].permute(1, 2, 0).numpy() * 255
    assert np.abs(shown - square(5)).mean() < 6


def test_folders_name_the_animations(root: Path) -> None:
    for name in ("train/show/a.mp4", "train/show/deep/a.mp4", "train/b.mp4", "val/other/a.mp4"):
        write(root / name, drawings=2)
    found = source(root)
    assert [(scene.animation, scene.name) for scene in found.scenes("train")] == [
        ("b", "mp4"),
        ("show", "a.mp4"),
        ("show", "deep/a.mp4"),
    ]
    assert [scene.animation for scene in found.scenes("val")] == ["other"]


def test_frames_are_kept_at_the_side_asked_for_and_decoded_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root / "walk.mp4", drawings=2)
    (scene,) = source(root, side=32).scenes("train")
    assert Image.open(scene.frames[0]).size == (32, 24)
    monkeypatch.setattr(VideoScenes, "unpack", lambda *_: pytest.fail("decoded again"))
    assert source(root, side=32).scenes("train") == [scene]


def test_what_is_no_video_is_left_out_and_named(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "text.mp4").write_text("not a video")
    with pytest.raises(UserError, match=r"has no video file \(.*\.webm\) that can be decoded"):
        source(root).scenes("train")
    write(root / "good.mp4", drawings=2)
    caplog.clear()
    assert len(source(root).scenes("train")) == 1
    (message,) = caplog.messages
    assert message.startswith("1 of 2 video files cannot be decoded and are left out: text.mp4 (not a video")
