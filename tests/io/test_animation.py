"""Images as one file that plays, whatever they are stored as."""

import io
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inbetween.errors import UserError
from inbetween.io import animation
from inbetween.io.animation import encode_animation
from inbetween.io.png import encode_pixels

LEVELS = (10, 70, 130, 190, 250)


def images(mode: str = "RGB", size: tuple[int, int] = (21, 13)) -> list[Image.Image]:
    """Images of one grey each; those with opacity have a left half that is transparent."""
    made = [Image.new("L", size, level).convert(mode) for level in LEVELS]
    for image in made:
        if mode == "RGBA":
            opacity = np.repeat(np.uint8([[0, 255]]), [10, size[0] - 10], 1).repeat(size[1], 0)
            image.putalpha(Image.fromarray(opacity))
    return made


def shown(encoded: bytes) -> tuple[list[np.ndarray], list[float]]:
    """The images of an animation (H, W, 4), and for how many milliseconds each is shown."""
    with Image.open(io.BytesIO(encoded)) as image:
        frames = [
            (np.asarray(frame.convert("RGBA")).astype(int), frame.info["duration"])
            for frame in ImageSequence.Iterator(image)
        ]
    return [frame for frame, _ in frames], [duration for _, duration in frames]


@pytest.mark.parametrize("kind", ["webp", "gif", "apng"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_all_images_are_shown(kind: animation.Playing, mode: str) -> None:
    frames, durations = shown(encode_animation(images(mode), kind, 0.1))
    assert durations == [100] * 5
    for frame, level in zip(frames, LEVELS, strict=True):
        assert np.abs(frame[:, 12:, :3] - level).max() <= 3
        assert frame[:, 12:, 3].min() == 255
        hidden = frame[:, :8]
        if mode == "RGBA" and kind == "gif":
            assert hidden.min() == 255  # white paper
        elif mode == "RGBA":
            assert hidden[..., 3].max() == 0


def test_a_long_webp_needs_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[Image.Image]] = []
    most = 0

    def counted(image: Image.Image) -> Image.Image:
        nonlocal most
        shown = image.convert("RGB")
        made.append(weakref.ref(shown))
        most = max(most, sum(each() is not None for each in made))
        return shown

    monkeypatch.setattr(animation, "to_8_bits", counted)
    many = [Image.new("L", (4, 4), 5 * number) for number in range(48)]
    assert len(shown(encode_animation(many, "webp", 1 / 24))[0]) == 48
    assert most <= 2


@pytest.mark.parametrize(("kind", "tick"), [("gif", 10), ("webp", 1), ("apng", 1)])
def test_rounded_durations_do_not_add_up_to_an_error(kind: animation.Playing, tick: int) -> None:
    many = [Image.new("L", (4, 4), 5 * number) for number in range(48)]
    _, durations = shown(encode_animation(many, kind, 1 / 24))
    assert len(durations) == 48
    assert abs(sum(durations) - 2000) <= tick
    assert max(durations) - min(durations) <= tick


@pytest.mark.parametrize(
    ("kind", "plays", "stored"),
    [("webp", 0, 0), ("webp", 3, 3), ("apng", 2, 2), ("gif", 0, 0), ("gif", 3, 2), ("gif", 1, None)],
)
def test_how_often_it_plays(kind: animation.Playing, plays: int, stored: int | None) -> None:
    """GIF counts repetitions, and plays once without a number."""
    with Image.open(io.BytesIO(encode_animation(images(), kind, 0.1, plays=plays))) as image:
        assert image.info.get("loop") == stored


@pytest.mark.parametrize("kind", ["webp", "gif", "apng", "mp4"])
def test_files_of_16_bits_are_shown_as_they_look(tmp_path: Path, kind: animation.Playing) -> None:
    if kind == "mp4":
        pytest.importorskip("av")
    for channels in (1, 2, 3, 4):
        paths = []
        for number, level in enumerate(LEVELS):
            pixels = np.full((12, 16, channels), level * 257, np.uint16)
            if channels in (2, 4):
                pixels[..., -1] = 65535
            paths.append(tmp_path / f"{number}.png")
            paths[-1].write_bytes(encode_pixels(pixels))
        encoded = encode_animation(paths, kind, 0.1)
        if kind == "mp4":
            (tmp_path / "a.mp4").write_bytes(encoded)
            found = [frame.to_ndarray(format="rgb24") for frame in decoded(tmp_path / "a.mp4")]
        else:
            found, _ = shown(encoded)
        for frame, level in zip(found, LEVELS, strict=True):
            assert np.abs(frame[6, 8, :3].astype(int) - level).max() <= 3


def decoded(path: Path) -> list:
    import av

    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def test_mp4_plays_in_browsers(tmp_path: Path) -> None:
    """H.264 in 4:2:0, tagged, with its index in front; odd sides get a copy of the last row and column."""
    av = pytest.importorskip("av")
    made = [Image.new("RGB", (21, 13), color) for color in [(200, 30, 60), (30, 60, 200)] * 3]
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_animation(made, "mp4", 1 / 24))
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 24)
        tags = context.colorspace, context.color_primaries, context.color_trc, context.color_range
        assert tags == (1, 1, 1, 1)
        assert (stream.width, stream.height, stream.frames) == (22, 14, 6)
    for frame, image in zip(decoded(path), made, strict=True):
        pixels = frame.to_ndarray(format="rgb24").astype(int)
        assert np.abs(pixels - np.asarray(image)[0, 0]).max() <= 6


def test_transparent_images_are_on_white_in_mp4(tmp_path: Path) -> None:
    pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    path.write_bytes(encode_animation(images("RGBA"), "mp4", 0.1))
    for frame, level in zip(decoded(path), LEVELS, strict=True):
        pixels = frame.to_ndarray(format="rgb24").astype(int)
        assert pixels[:, :8].min() > 250
        assert np.abs(pixels[:, 14:] - level).max() <= 4


@pytest.mark.parametrize("kind", ["webp", "gif", "apng", "mp4"])
@pytest.mark.parametrize("count", [1, 3])
def test_one_image_and_images_that_do_not_differ(tmp_path: Path, kind: animation.Playing, count: int) -> None:
    if kind == "mp4":
        pytest.importorskip("av")
    encoded = encode_animation([Image.new("RGB", (1, 1), (9, 90, 200))] * count, kind, 0.1)
    if kind == "mp4":
        (tmp_path / "a.mp4").write_bytes(encoded)
        assert len(decoded(tmp_path / "a.mp4")) == count
    else:
        with Image.open(io.BytesIO(encoded)) as image:
            assert np.abs(np.subtract(image.convert("RGB").getpixel((0, 0)), (9, 90, 200))).max() <= 4


def test_what_cannot_be_encoded_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="Images of 16384x1 are too large for webp: give smaller ones, or"):
        encode_animation([Image.new("L", (16384, 1))], "webp", 0.1)
    with pytest.raises(UserError, match="plays is -1: give 0"):
        encode_animation(images(), "gif", 0.1, plays=-1)
    monkeypatch.setattr(animation, "AT_ONCE", 5 * 21 * 13 - 1)
    with pytest.raises(UserError, match="5 images of 21x13 are too many pixels for gif, which holds 0 mill"):
        encode_animation(images(), "gif", 0.1)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"Videos need PyAV, which is not installed: pip install av\."):
        encode_animation(images(), "mp4", 0.1)


def test_a_full_folder_of_temporary_files_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("av")
    monkeypatch.setattr(animation.tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(UserError, match=r"gone cannot be written \(No such file or directory\): make room"):
        encode_animation(images(), "mp4", 0.1)
