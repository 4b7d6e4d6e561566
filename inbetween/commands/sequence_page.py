"""A sequence of in-betweens as `report.html`."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inbetween.commands.page import Album, command_line, provenance, smaller, write_page
from inbetween.commands.page.document import REPORT
from inbetween.commands.review_file import read_review
from inbetween.commands.sequence_folder import SequenceFolder
from inbetween.io.images import Pixels, read_layers

SCRIPTS = ("core.js", "player.js", "sequence.js")
SIDE = 720  # pixels of a picture's longer side, at most
PIXELS = 60_000_000  # of all pictures: about a bit for each
TOGETHER = 8  # frames in one picture, which saves what they share


def write_sequence(
    folder: SequenceFolder,
    numbers: Sequence[int],
    keyframes: Collection[int],
    fps: float,
    facts: Sequence[tuple[str, str]],
    device: torch.device,
) -> None:
    """Write the report of a finished sequence into its folder.

    Args:
        folder: Where its frames and `review.csv` are.
        numbers: Numbers of the files of its frames, each frame once, in the order they are shown.
        keyframes: Those of them that are keyframes.
        fps: Of these frames a second.
        facts: What it was made from: names and values.
        device: It was computed on.
    """
    data = sequence_data(folder.folders, numbers, keyframes)
    data |= {
        "fps": round(fps, 2),
        "lead": f"{len(keyframes)} keyframes, {len(numbers)} drawings",
        "facts": [*facts, *provenance(device)],
        "command": command_line("interpolate"),
    }
    write_page(folder.folder / REPORT, f"In-betweens: {data['lead']}", SCRIPTS, data)


def sequence_data(
    folders: Sequence[Path], numbers: Sequence[int], keyframes: Collection[int]
) -> dict[str, Any]:
    """Frames, marks and pictures of a sequence's candidates, as JSON values; see `write_sequence`."""
    reviews = [read_review(folder) for folder in folders]
    parts = [numbers[start : start + TOGETHER] for start in range(0, len(numbers), TOGETHER)]
    album = Album(len(parts))
    side = max(min(SIDE, math.isqrt(PIXELS // (len(numbers) * len(folders)))), 1)
    strips: list[list[str | None]] = [[] for _ in folders]
    shown: list[list[int]] = []
    size = (0, 0)
    for part in parts:
        frames = [_frames(folder, part, side) for folder in folders]
        encoded = album.add(frames)
        if encoded is not None:
            size = frames[0].shape[1:3]
            shown.append(list(part))
            for candidate, source in zip(strips, encoded, strict=True):
                candidate.append(source)
    return {
        "notes": [f"{album.told(f'times {TOGETHER} drawings')} They are {size[1]} x {size[0]} pixels."],
        "candidates": [folder.name for folder in folders] if len(folders) > 1 else ["drawing"],
        "height": size[0],
        "width": size[1],
        "counts": [len(part) for part in shown],
        "strips": strips,
        "frames": [
            {
                "name": _name(number),
                "key": number in keyframes,
                "review": [
                    review[_name(number)]._asdict() if _name(number) in review else None for review in reviews
                ],
            }
            for part in shown
            for number in part
        ],
    }


def _name(number: int) -> str:
    return f"{number:04d}.png"


def _frames(folder: Path, numbers: Sequence[int], side: int) -> Pixels:
    """Frames (n, h, w, 3), or (n, h, w, 4) where they have transparency."""
    layers = [read_layers(folder / _name(number)) for number in numbers]
    frames = [one.color if one.opacity is None else np.dstack([one.color, one.opacity]) for one in layers]
    return smaller(np.stack(frames), side)
