"""ffmpeg's motion-compensated interpolation, timed."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable

from torch import Tensor

from inbetween.errors import UserError

SHORT, LONG = 4, 12  # frames of the two clips


def minterpolate_clock(frames: Tensor, between: int) -> Callable[[], float]:
    """A function that measures the seconds of one in-between of `ffmpeg -vf minterpolate=mi_mode=mci`.

    Each call runs ffmpeg on a short and on a long clip. The difference of their times, divided by the
    difference of their in-betweens, is free of what it takes to start the process and the filter.
    Scene change detection is off: it would show the nearest frame instead of an in-between.

    Args:
        frames: (F, 3, H, W) in [0, 1], neighbours in time; clips run through them back and forth.
        between: N, in-betweens of neighbouring images.

    Raises:
        UserError: There is no ffmpeg.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise UserError("There is no ffmpeg on PATH: install it, or leave minterpolate out.")
    height, width = frames.shape[-2:]
    pixels = (frames * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    walk = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    images = [pixels[walk[place % len(walk)]].tobytes() for place in range(LONG)]
    command = [program, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"]
    command += ["-framerate", "12", "-i", "-", "-vf"]
    command += [f"minterpolate=fps={12 * (between + 1)}:mi_mode=mci:scd=none", "-f", "null", "-"]

    def seconds(count: int) -> float:
        start = time.perf_counter()
        subprocess.run(command, input=b"".join(images[:count]), check=True)
        return time.perf_counter() - start

    return lambda: (seconds(LONG) - seconds(SHORT)) / ((LONG - SHORT) * between)
