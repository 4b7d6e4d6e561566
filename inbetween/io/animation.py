"""A sequence of images as one file that plays: WebP, GIF, APNG or MP4."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from inbetween.errors import UserError
from inbetween.io.images import Pixels, decoded_layers, open_image
from inbetween.io.video_reader import import_av

Playing = Literal["webp", "gif", "apng", "mp4"]
FPS = 12.0  # frames a second: hand-drawn animation is mostly shown "on twos", at half of film's 24
LONGEST_SIDE = {"webp": 16383, "gif": 65535, "apng": 65535, "mp4": 8192}  # pixels
# images a second: players show shorter ones of a GIF slowly, and so do browsers of WebP and APNG
FASTEST = {"webp": 90.0, "gif": 50.0, "apng": 90.0, "mp4": 240.0}
SLOWEST = 0.1  # images a second
MOST_PLAYS = 65535
AT_ONCE = 250_000_000  # pixels of all images together, where Pillow holds them in memory: GIF and APNG
BACKGROUND = (255, 255, 255)  # under transparency, where a format has none
_TICKS = {"webp": 1000, "gif": 100, "apng": 1000}  # a second: what durations are whole numbers of


def check_animation(kind: Playing, size: tuple[int, int], count: int, plays: int = 0) -> None:
    """Check that an animation can be written.

    Args:
        kind: Its format.
        size: Height and width in pixels.
        count: Number of images.
        plays: How often it plays; 0 is for ever.

    Raises:
        UserError: It cannot, or PyAV is missing for MP4.
    """
    height, width = size
    if not 0 <= plays <= MOST_PLAYS:
        raise UserError(f"plays is {plays}: give 0 (for ever) to {MOST_PLAYS}.")
    if max(size) > LONGEST_SIDE[kind]:
        raise UserError(
            f"Images of {width}x{height} are too large for {kind}: give smaller ones, or another format with"
            " --write."
        )
    if kind in ("gif", "apng") and count * height * width > AT_ONCE:
        raise UserError(
            f"{count} images of {width}x{height} are too many pixels for {kind}, which holds"
            f" {AT_ONCE // 1_000_000} million: use webp or mp4 instead."
        )
    if kind == "mp4" and "libx264" not in import_av().codecs_available:
        raise UserError("This PyAV has no encoder for H.264: install it with pip install av.")


def encode_animation(
    images: Sequence[Path | Image.Image], kind: Playing, seconds: float, *, plays: int = 0
) -> bytes:
    """Images as one animated file.

    WebP and APNG have all colours and transparency. GIF has 256 colours in each image; GIF and MP4 show
    transparent images on white. MP4 is H.264 in YUV 4:2:0 with BT.709 colours, which browsers and QuickTime
    play; images of odd height or width get one more row or column, a copy of the last one.

    Args:
        images: At least one, all of one size: files or Pillow's images of 8 or 16 bits.
        kind: The format.
        seconds: How long each image is shown. Durations are whole hundredths of a second in GIF, thousandths
            in WebP and APNG: they are rounded so that no error adds up.
        plays: How often it plays; 0 is for ever. MP4 has no such number.

    Raises:
        UserError: The images are too large or too many, or PyAV is missing for MP4.
    """
    with opened(images[0]) as image:
        size = image.height, image.width
    check_animation(kind, size, len(images), plays)
    if kind == "mp4":
        return _encode_mp4(images, size, seconds)
    ticks = _TICKS[kind]
    ends = [max(round(ticks * seconds * number), number) for number in range(len(images) + 1)]
    durations = (np.diff(ends) * (1000 // ticks)).tolist()
    options: dict[str, Any] = {"loop": plays}
    encoded = io.BytesIO()
    if kind == "webp":
        options |= {"quality": 90, "method": 4}
        _Pages(images).save(encoded, "WEBP", save_all=True, duration=durations, **options)
        return encoded.getvalue()
    if kind == "gif":
        # the number is of repetitions, and a file without it plays once
        options = {} if plays == 1 else {"loop": max(plays - 1, 0)}
    first, *_ = _Shown(images[:1], opaque=kind == "gif")
    first.save(
        encoded,
        "PNG" if kind == "apng" else "GIF",
        save_all=True,
        append_images=_Shown(images[1:], opaque=kind == "gif"),
        duration=durations,
        **options,
    )
    return encoded.getvalue()


def to_8_bits(image: Image.Image) -> Image.Image:
    """An image for Pillow to draw with: RGB or, if it has transparency, RGBA; 16-bit grey is scaled."""
    if image.mode.startswith("I"):
        return Image.fromarray(decoded_layers(image, "").color)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def opened(image: Path | Image.Image) -> Image.Image:
    """A file, or a copy of an image, to be closed."""
    return open_image(image) if isinstance(image, Path) else image.copy()


class _Shown:
    """Images as RGB, or as RGBA unless opaque; one at a time is in memory, however often they are read."""

    def __init__(self, images: Sequence[Path | Image.Image], opaque: bool) -> None:
        self.images, self.opaque = images, opaque

    def __iter__(self) -> Iterator[Image.Image]:
        for image in self.images:
            with opened(image) as source:
                shown = to_8_bits(source)
            if self.opaque and shown.mode == "RGBA":
                ground = Image.new("RGBA", shown.size, BACKGROUND)
                shown = Image.alpha_composite(ground, shown).convert("RGB")
            yield shown


class _Pages(Image.Image):
    """Images as the pages of one: one at a time is in memory, where Pillow would make a list of them."""

    def __init__(self, images: Sequence[Path | Image.Image]) -> None:
        super().__init__()
        self.images, self.n_frames = images, len(images)
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Become another page."""
        with opened(self.images[frame]) as source:
            shown = to_8_bits(source)
        self.im, self._mode, self._size = shown.im, shown.mode, shown.size


def _encode_mp4(images: Sequence[Path | Image.Image], size: tuple[int, int], seconds: float) -> bytes:
    av = import_av()
    height, width = size
    bottom, right = height % 2, width % 2
    # the index is moved to the front, so that a browser can start at once; that needs a file with a name
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "animation.mp4"
            with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
                rate = Fraction(1 / seconds).limit_denominator(1001)
                stream = container.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "medium"})
                stream.width, stream.height, stream.pix_fmt = width + right, height + bottom, "yuv420p"
                context = stream.codec_context
                context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
                context.color_range = 1  # from 16 to 235
                for image in _Shown(images, opaque=True):
                    pixels: Pixels = np.pad(np.asarray(image), ((0, bottom), (0, right), (0, 0)), mode="edge")
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
                        format="yuv420p",
                        dst_colorspace="ITU709",
                        src_color_range="JPEG",
                        dst_color_range="MPEG",
                        interpolation="AREA",
                    )
                    container.mux(stream.encode(frame))
                container.mux(stream.encode())
            return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{tempfile.gettempdir()} cannot be written ({error.strerror or error}): make room there, or set"
            " TMPDIR to another folder."
        ) from error
