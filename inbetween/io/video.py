"""Video files, decoded into image files."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from inbetween.io.images import Pixels

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # errors are reported here instead
NO_VIDEO = "not a video that OpenCV reads"


def write_video_frames(file: Path, folder: Path, side: int) -> str | None:
    """Write a video's frames as `000001.png`, `000002.png` and so on.

    Args:
        file: The video.
        folder: Where to; it exists.
        side: Pixels of the longer side; smaller frames keep their size.

    Returns:
        Why there are none, or None.
    """
    video, number = cv2.VideoCapture(str(file)), 0
    try:
        if not video.isOpened():
            return NO_VIDEO
        while True:
            there, frame = video.read()
            if not there:
                break
            number += 1
            _write_frame(frame, folder / f"{number:06d}.png", side)
    finally:
        video.release()
    return None if number else "no frames"


def video_rate(file: Path) -> float | None:
    """Frames a second of a video; None where it is not a video that can be read."""
    video = cv2.VideoCapture(str(file))
    rate = float(video.get(cv2.CAP_PROP_FPS))
    video.release()
    return rate if rate > 0 else None


def cut_video(
    file: Path, clips: Sequence[tuple[int, int]], folder: Path, side: int
) -> Iterator[tuple[int, tuple[Path, ...]]]:
    """Write the frames of clips of a video, in one pass over it.

    Args:
        file: The video.
        clips: Of each its first frame, and the one after its last; frames count from 0.
        folder: For the frames, `<frame>.png` in a folder per clip, of which the caller deletes what it is
            done with.
        side: Pixels of the longer side; smaller frames keep their size.

    Yields:
        The place of a clip in `clips`, and its frames, once all are written; fewer, or none, where the video
        ends early.
    """
    waiting = sorted(range(len(clips)), key=lambda place: clips[place][0])
    open_clips: dict[int, list[Path]] = {}
    video, number = cv2.VideoCapture(str(file)), 0
    try:
        while waiting or open_clips:
            while waiting and clips[waiting[0]][0] <= number:
                place = waiting.pop(0)
                open_clips[place] = []
                (folder / str(place)).mkdir()
            for place in [place for place in open_clips if clips[place][1] <= number]:
                yield place, tuple(open_clips.pop(place))
            if not video.grab():
                break
            if open_clips:
                frame = video.retrieve()[1]
                for place, paths in open_clips.items():
                    paths.append(folder / str(place) / f"{number:06d}.png")
                    _write_frame(frame, paths[-1], side)
            number += 1
    finally:
        video.release()
    for place in [*open_clips, *waiting]:
        yield place, tuple(open_clips.get(place, ()))


def _write_frame(frame: Pixels, path: Path, side: int) -> None:
    """Write a frame (H, W, 3) BGR as PNG, its longer side shrunk to `side`."""
    scale = side / max(frame.shape[:2])
    if scale < 1:
        size = [max(round(length * scale), 1) for length in frame.shape[1::-1]]
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
    # cv2.imwrite may not notice that the disk is full
    path.write_bytes(cv2.imencode(".png", frame)[1].data)
