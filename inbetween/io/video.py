"""Video files, decoded into image files."""

import os
from pathlib import Path

import cv2

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what it says of broken files is said here


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
            return "not a video that OpenCV reads"
        while True:
            there, picture = video.read()
            if not there:
                break
            number += 1
            scale = side / max(picture.shape[:2])
            if scale < 1:
                size = [max(round(length * scale), 1) for length in picture.shape[1::-1]]
                picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
            # cv2.imwrite may not notice that the disk is full
            (folder / f"{number:06d}.png").write_bytes(cv2.imencode(".png", picture)[1].data)
    finally:
        video.release()
    return None if number else "no frames"
