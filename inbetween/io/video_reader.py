"""Frames of a video file, decoded one at a time; through PyAV, which the extra `video` installs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from inbetween.errors import UserError
from inbetween.io.images import PIXEL_LIMIT, Layers

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi"})
VIDEOS = "MP4, MOV, MKV, WebM or AVI"  # in words
LARGEST = 2_000_000_000  # bytes of a file
MOST_KEYFRAMES = 10_000  # seven minutes at 24 frames a second
# the containers above alone: a playlist by another name would open other files, or the network
_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi",
    "protocol_whitelist": "file",
}
_UNNAMED = 2  # AVCOL_SPC_UNSPECIFIED
_ROUNDED = 0.0015  # seconds, to which times are rounded in Matroska and WebM
_HD = 720  # lines, from which on video that does not name its colour matrix has BT.709


class VideoFacts(NamedTuple):
    """What one pass over a video finds."""

    size: tuple[int, int]  # height and width in pixels, upright
    starts: tuple[float, ...]  # seconds: when each frame begins


def import_av() -> Any:  # noqa: ANN401 - a module
    """PyAV, which is optional.

    Raises:
        UserError: It is not installed.
    """
    try:
        import av
    except ImportError:
        raise UserError("Videos need PyAV, which is not installed: pip install av.") from None
    return av


def scan_video(path: Path, every: int = 1) -> VideoFacts:
    """Decode a video once, to count its frames and to find out whether it can be read to its end.

    A header's number of frames may be missing or wrong.

    Args:
        path: The file.
        every: Only every so many frames will be keyframes.

    Raises:
        UserError: PyAV is missing; or the file is no video, has no pictures, is damaged, or too long.
    """
    if path.stat().st_size > LARGEST:
        raise UserError(
            f"{path} is larger than {LARGEST // 10**9} GB: cut out the part that you need, or save its"
            " keyframes as images."
        )
    starts: list[float] = []
    size = None
    with VideoReader(path) as reader:
        _check_length(path, reader.estimated_frames(), every)
        for frame in reader.frames():
            starts.append(frame.time if frame.time is not None else len(starts) / reader.rate)
            size = size or _upright_size(frame)
            _check_length(path, len(starts), every)
    if size is None:
        raise UserError(f"{path} has no frame that can be read: export it again.")
    constant = [starts[0] + number / reader.rate for number in range(len(starts))]
    # times are rounded in some containers: those of a constant rate are known better
    rounded = max(abs(start - exact) for start, exact in zip(starts, constant, strict=True)) < _ROUNDED
    return VideoFacts(size, tuple(constant if rounded else starts))


def _check_length(path: Path, frames: float, every: int) -> None:
    if frames > MOST_KEYFRAMES * every:
        needed = math.ceil(frames / MOST_KEYFRAMES)
        raise UserError(
            f"{path} has about {frames:,.0f} frames, and {MOST_KEYFRAMES:,} keyframes are the limit: take"
            f" fewer with --keys_every {needed}, or cut out the part that you need."
        )


class VideoReader:
    """Reads frames by number, best in order: going back decodes from the start.

    Seeking is not used: which frame it finds depends on the file. Upright by the file's own rotation; colours
    by its matrix and range, by the number of lines where it does not name the matrix. Transparency is read
    where frames are stored with it, as in QuickTime Animation or PNG in MOV; not WebM's, which is a second
    video.

    Args:
        path: The file.

    Raises:
        UserError: PyAV is missing, or the file is no video.
    """

    def __init__(self, path: Path) -> None:
        av = import_av()
        self.path, self._error = path, av.FFmpegError
        self._cover = av.stream.Disposition.attached_pic
        try:
            self._container: InputContainer = av.open(str(path), container_options=_OPTIONS)
        except (self._error, OSError):
            raise UserError(
                f"{path} is damaged, or not a video that can be read: save it as {VIDEOS}."
            ) from None
        try:
            self._stream = self._video_stream()
        except UserError:
            self._container.close()
            raise
        self.rate = float(self._stream.average_rate or 24)  # frames a second, on average
        self._decoded = self.frames()
        self._size: tuple[int, int] | None = None
        self.position = 0  # of the frame that is decoded next

    def _video_stream(self) -> Any:  # noqa: ANN401 - PyAV's stream
        streams = self._container.streams.video
        # the cover of a piece of music is stored as a video
        found = [stream for stream in streams if not stream.disposition & self._cover]
        if not found:
            raise UserError(f"{self.path} has no pictures, only sound or text: give a video or images.")
        stream = found[0]
        if not stream.width or not stream.height or stream.codec_context is None:
            raise UserError(f"{self.path} is in a format that PyAV cannot decode: save it as {VIDEOS}.")
        if stream.width * stream.height > PIXEL_LIMIT:
            raise UserError(
                f"{self.path} has more than {PIXEL_LIMIT // 1_000_000} million pixels: shrink it."
            )
        stream.thread_type = "AUTO"
        return stream

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def estimated_frames(self) -> float:
        """How many frames the header tells, or its duration; 0 if it tells neither."""
        duration = (self._container.duration or 0) / 1_000_000
        return float(self._stream.frames or duration * self.rate)

    def frames(self) -> Iterator[VideoFrame]:
        """Decoded frames, from the next one on.

        Raises:
            UserError: The file is damaged or cut short.
        """
        try:
            yield from self._container.decode(self._stream)
        except (self._error, OSError, ValueError):
            raise UserError(f"{self.path} is damaged or cut short: export it again or remove it.") from None

    def read(self, number: int) -> Layers:
        """Decode a frame, counted from 0, at or behind `position`.

        Raises:
            UserError: The file is damaged or cut short, or frames differ in size.
        """
        frame = None
        while self.position <= number:
            frame = next(self._decoded, None)
            self.position += 1
            if frame is None:
                raise UserError(f"{self.path} is damaged or cut short: export it again or remove it.")
        assert frame is not None
        self._size = self._size or _upright_size(frame)
        if _upright_size(frame) != self._size:
            raise UserError(f"{self.path} changes its size in frame {number + 1}: cut it there.")
        return _layers(frame)


def _upright_size(frame: VideoFrame) -> tuple[int, int]:
    turned = round(frame.rotation / 90) % 2
    return (frame.width, frame.height) if turned else (frame.height, frame.width)


def _layers(frame: VideoFrame) -> Layers:
    """A frame's colours and opacity, upright."""
    alpha = any(component.is_alpha for component in frame.format.components)
    matrix = None
    if frame.colorspace == _UNNAMED:
        matrix = "ITU709" if frame.height >= _HD else "ITU601"
    rgb = frame.reformat(
        format="rgba" if alpha else "rgb24", src_colorspace=matrix, dst_color_range="JPEG"
    ).to_ndarray()
    rgb = np.ascontiguousarray(np.rot90(rgb, round(frame.rotation / 90) % 4), np.uint8)
    if alpha and not (rgb[..., 3] == 255).all():
        return Layers(rgb[..., :3], rgb[..., 3], grey=False)
    return Layers(rgb[..., :3], None, grey=False)
