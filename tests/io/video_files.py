"""Videos of known frames, for tests."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

av = pytest.importorskip("av", reason="videos are read through PyAV")


def colored(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A white frame with a red corner, top left, and a grey field that tells its number."""
    frame = np.full((height, width, 3), 255, np.uint8)
    frame[:16, :16] = (200, 30, 60)
    frame[24:, 24:] = 10 * number + 20
    return frame


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    rate: float = 12,
    codec: str = "libx264",
    pixels: str = "yuv444p",
    matrix: str = "ITU709",
    tagged: bool = True,
    rotation: int = 0,
    times: Sequence[int] | None = None,
    **container: Any,
) -> Path:
    """A video of frames (H, W, 3 or 4) uint8; `times` in 1/1000 s instead of a constant rate."""
    with av.open(str(path), "w", **container) as file:
        stream = file.add_stream(codec, rate=Fraction(rate).limit_denominator(1001))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if codec == "libx264":
            stream.options = {"crf": "8"}
        if tagged:
            number = {"ITU709": 1, "ITU601": 6}[matrix]
            stream.codec_context.colorspace = number
        if rotation:
            stream.set_display_rotation(rotation)
        if times:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, frame in enumerate(frames):
            made = av.VideoFrame.from_ndarray(frame, format="rgb24" if frame.shape[2] == 3 else "rgba")
            made = made.reformat(format=pixels, dst_colorspace=matrix)
            if times:
                made.pts, made.time_base = times[number], Fraction(1, 1000)
            file.mux(stream.encode(made))
        file.mux(stream.encode())
    return path
