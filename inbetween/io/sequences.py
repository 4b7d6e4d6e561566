"""Image sequences from files of one or several images, and from videos: found, and read one at a time."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from inbetween.errors import UserError
from inbetween.io.images import (
    BROKEN,
    READABLE,
    SUFFIXES,
    Layers,
    WideLayers,
    decoded_layers,
    frames_of,
    go_to,
    open_image,
    upright_size,
)
from inbetween.io.listing import files_beside, files_in, frames_in
from inbetween.io.video_reader import VIDEO_SUFFIXES, VIDEOS, VideoReader, scan_video
from inbetween.io.wide import is_wide, wide_layers

RECORD = "interpolate.json"  # what the frames in a folder of finished frames were made from
ANIMATION, SHEET = "animation", "sheet"  # what shows such frames together, without the suffix

# Other image and video formats, which Pillow may not recognise by their first bytes.
_OTHER = frozenset(
    {".psd", ".psb", ".xcf", ".kra", ".ora", ".clip", ".csp", ".sai", ".sai2", ".mdp", ".procreate", ".ai"}
    | {".afphoto", ".svg", ".svgz", ".eps", ".exr", ".hdr", ".dpx", ".heic", ".heif", ".jxl"}
    | VIDEO_SUFFIXES
)
_TIMED_BY_DECODING = ("WEBP", "AVIF")  # formats whose durations Pillow reads with the pixels
UNEVEN = 0.011  # seconds between the longest and the shortest time an image is shown: more than GIF rounds
_DECODED = 4  # images kept in memory: both keyframes of a pair, and those around them, which arcs need


class SourceImage(NamedTuple):
    """A file, or one image of an animated or multi-page one, or one frame of a video."""

    path: Path
    frame: int | None = None  # as Pillow counts, or of a video from 0; None where the file holds one image

    def __str__(self) -> str:
        return str(self.path) if self.frame is None else f"{self.path} (image {self.frame + 1})"

    @property
    def of_video(self) -> bool:
        """Whether it is a frame of a video."""
        return self.path.suffix.lower() in VIDEO_SUFFIXES


class Clip(NamedTuple):
    """The images of one sequence."""

    images: tuple[SourceImage, ...]
    starts: tuple[float, ...] = ()  # seconds: when each is shown; empty unless all are of one file with times
    uneven: bool = False  # some are shown longer than others


def find_images(entries: Sequence[str]) -> tuple[SourceImage, ...]:
    """Images in the order given; see `find_clip`."""
    return find_clip(entries, videos=False).images


def find_clip(entries: Sequence[str], every: int = 1, videos: bool = True) -> Clip:
    """Images in the order given, and when they are shown.

    A folder gives the images in it, in natural order, and an animated or multi-page file or a video all of
    its images. In a folder that `interpolate` has filled, what shows all frames together does not count.

    Args:
        entries: Files and folders.
        every: Of all images together, every so many, from the first on.
        videos: Whether videos are read.

    Raises:
        UserError: An entry does not exist, has an unsupported format, or is a folder without images; or a
            video cannot be read, or is too long.
    """
    found: list[Path] = []
    kinds = SUFFIXES | VIDEO_SUFFIXES if videos else SUFFIXES
    for entry in entries:
        path = Path(entry).expanduser()
        inside = _images_in(path) if path.is_dir() else (path,)
        if not path.exists():
            raise UserError(f"There is no image or folder {path}: check the path.")
        if not inside:
            clips = files_in(path, VIDEO_SUFFIXES) if videos else ()
            if clips:
                raise UserError(f"{path} holds no image, only video: give the video itself, as {clips[0]}.")
            raise UserError(f"{path} holds no image: give a folder of {READABLE} files.")
        if path.suffix.lower() not in kinds and not path.is_dir():
            other = f", or a video as {VIDEOS}" if videos else ""
            raise UserError(f"{path} is of a kind that is not read: save it as {READABLE}{other}.")
        found += inside
    sequences = [_images_of(path, every) for path in found]
    images = tuple(image for sequence in sequences for image in sequence.images)
    starts = sequences[0].starts if len(sequences) == 1 else ()
    lengths = [end - start for start, end in pairwise(starts)]
    uneven = bool(lengths) and max(lengths) - min(lengths) > UNEVEN
    return Clip(images[::every], starts[::every], uneven)


def left_out(entries: Sequence[str]) -> list[Path]:
    """Files in the folders among `entries` that seem to be images of unsupported formats, and videos."""
    folders = [path for path in (Path(entry).expanduser() for entry in entries) if path.is_dir()]
    return [
        path
        for folder in folders
        for path in files_beside(folder, SUFFIXES)
        if _looks_like_one(path) and not _is_together(path)
    ]


class SourceImageReader:
    """Reads images, best in order: the file stays open until another one is read.

    The next image of an animation then takes one decoding; opening it again would take all before it. The
    last two images are kept.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._image: Image.Image | None = None
        self._video: VideoReader | None = None
        self._video_sizes: dict[Path, tuple[int, int]] = {}
        self._decoded: OrderedDict[SourceImage, Layers | WideLayers] = OrderedDict()

    def size(self, source_image: SourceImage) -> tuple[int, int]:
        """Height and width in pixels, after EXIF rotation.

        Raises:
            UserError: As for `image_size`.
        """
        if source_image.of_video:
            if source_image.path not in self._video_sizes:
                height, width = self.read(source_image).color.shape[:2]
                self._video_sizes[source_image.path] = height, width
            return self._video_sizes[source_image.path]
        if source_image.frame is None:
            with open_image(source_image.path) as image:
                return upright_size(image)
        image = self._opened(source_image.path, source_image.frame)
        if image.format == "TIFF":  # frames of an animation share one size, and seeking would decode it
            go_to(image, source_image.frame, source_image.path)
        return upright_size(image)

    def read(self, source_image: SourceImage) -> Layers | WideLayers:
        """Decode an image; PNG and TIFF of 16 bits a channel in 16 bits.

        Raises:
            UserError: As for `read_layers`.
        """
        if source_image not in self._decoded:
            self._decoded[source_image] = self._read(source_image)
        self._decoded.move_to_end(source_image)
        while len(self._decoded) > _DECODED:
            self._decoded.popitem(last=False)
        return self._decoded[source_image]

    def _read(self, source_image: SourceImage) -> Layers | WideLayers:
        path, frame = source_image
        if source_image.of_video:
            return self._opened_video(path, frame or 0).read(frame or 0)
        if frame is None:
            with open_image(path) as image:
                return _layers(image, path, 0)
        image = self._opened(path, frame)
        go_to(image, frame, path)
        layers = _layers(image, path, frame)
        # formats that can be animated report transparency even if nothing is transparent
        top = np.iinfo(layers.color.dtype).max
        opaque = layers.opacity is not None and bool((layers.opacity == top).all())
        return layers._replace(opacity=None) if opaque else layers

    def _opened(self, path: Path, frame: int) -> Image.Image:
        # opened again for an earlier image: Pillow can rewind an animated PNG only once
        if self._image is None or self._path != path or self._image.tell() > frame:
            if self._image is not None:
                self._image.close()
            self._path, self._image = path, open_image(path)
        return self._image

    def _opened_video(self, path: Path, frame: int) -> VideoReader:
        if self._video is None or self._video.path != path or self._video.position > frame:
            if self._video is not None:
                self._video.close()
            self._video = VideoReader(path)
        return self._video


def _layers(image: Image.Image, path: Path, frame: int) -> Layers | WideLayers:
    wide = is_wide(image, path)
    layers = decoded_layers(image, path)  # finds out whether it is whole
    return (wide_layers(image, path, layers, frame) if wide else None) or layers


def _images_of(path: Path, every: int) -> Clip:
    """All images of a file, and its times if it has any."""
    if path.suffix.lower() in VIDEO_SUFFIXES:
        starts = scan_video(path, every).starts
        return Clip(tuple(SourceImage(path, frame) for frame in range(len(starts))), starts)
    with open_image(path) as image:
        frames = frames_of(image, path)
        if frames == [0]:
            return Clip((SourceImage(path),))
        starts = animation_starts(image, frames)
    return Clip(tuple(SourceImage(path, frame) for frame in frames), starts)


def animation_starts(image: Image.Image, frames: Sequence[int]) -> tuple[float, ...]:
    """When each frame of an opened animation begins, in seconds; empty if the file has no times."""
    starts: list[float] = []
    if image.format == "TIFF":
        return ()
    now = 0.0
    try:
        for frame in frames:
            image.seek(frame)
            if image.format in _TIMED_BY_DECODING:
                image.load()
            starts.append(now)
            now += float(image.info.get("duration") or 0) / 1000
    except BROKEN:  # said when it is read
        return ()
    return tuple(starts) if min(np.diff([*starts, now])) > 0 else ()


def _images_in(folder: Path) -> tuple[Path, ...]:
    """Images in a folder, in natural order."""
    return tuple(path for path in frames_in(folder) if not _is_together(path))


def _is_together(path: Path) -> bool:
    """Whether a file shows the frames of a job together, which lie beside it."""
    folder = path.parent.parent if path.parent.name.startswith("candidate_") else path.parent
    return path.stem in (ANIMATION, SHEET) and (folder / RECORD).exists()


def _looks_like_one(path: Path) -> bool:
    if path.suffix.lower() in _OTHER:
        return True
    try:
        with Image.open(path):
            return True
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return False
