"""An audit as tables, files and sheets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from inbetween.commands.audit.duplicates import Match
from inbetween.commands.audit.frames import Frame
from inbetween.commands.audit.memory import Memory, Nearest
from inbetween.commands.reports import aligned, csv_of
from inbetween.data.source import WindowSpec
from inbetween.functional.grid import image_grid

SHOWN = 12  # pairs in the table and in the sheet
WINDOWS_SHOWN = 8  # in the sheet of a method
CELL = 160  # pixels of a sheet's images, at most
NAME = 60  # characters of a file name in the table, of its end


@dataclass(frozen=True)
class Pairing:
    """What was found between two splits."""

    train: str  # the split that is trained on, or chosen by
    held_out: str
    frames: int  # of the latter
    matches: list[Match]  # nearest first

    @property
    def kinds(self) -> dict[str, int]:
        """How many matches there are of each kind."""
        kinds = [match.kind for match in self.matches]
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def duplicates_text(pairings: Sequence[Pairing]) -> str:
    """The table for the terminal: a line per two splits, then the nearest pairs."""
    lines = []
    for pairing in pairings:
        kinds = ", ".join(f"{count} {kind}" for kind, count in pairing.kinds.items())
        lines.append(
            f"{pairing.train} and {pairing.held_out}: {len(pairing.matches)} of {pairing.frames} frames of"
            f" {pairing.held_out} have a copy in {pairing.train}" + (f" ({kinds})" if kinds else "")
        )
    cells = [["distance", "kind", "frame", "copy"]]
    for _, match in nearest_pairs(pairings, SHOWN):
        files = (_shortened(frame.name) for frame in (match.frame, match.copy))
        cells.append([f"{match.distance:.4f}", match.kind, *files])
    return "\n".join([*lines, *(["", *aligned(cells)] if len(cells) > 1 else [])])


def duplicates_csv(pairings: Sequence[Pairing]) -> str:
    """A row per frame that has a copy in another split, with the nearest one."""
    lines = [["train_split", "held_out_split", "train", "held_out", "kind", "distance", "hash_distance"]]
    for pairing in pairings:
        lines += [
            [
                pairing.train,
                pairing.held_out,
                match.copy.name,
                match.frame.name,
                match.kind,
                f"{match.distance:.6f}",
                f"{match.bits:.4f}",
            ]
            for match in pairing.matches
        ]
    return csv_of(lines)


def duplicates_sheet(pairings: Sequence[Pairing]) -> Tensor:
    """The nearest pairs side by side: (3, H, W) in [0, 1]."""
    found = nearest_pairs(pairings, SHOWN)
    rows = [[_image(match.copy), _image(match.frame)] for _, match in found]
    labels = [f"{match.kind} {match.distance:.3f}" for _, match in found]
    columns = list(dict.fromkeys(pairing.train for pairing, _ in found))
    others = list(dict.fromkeys(pairing.held_out for pairing, _ in found))
    return image_grid(rows, [" or ".join(columns), " or ".join(others)], labels, "copies across splits")


def memory_csv(memory: Memory) -> str:
    """A row per window: its distances, and the nearest training drawing."""
    lines = [
        [
            "window",
            "animation",
            "drawn_to_true",
            "drawn_to_train",
            "true_to_train",
            "drawn_to_held_out",
            "true_to_held_out",
            "nearest_train",
        ]
    ]
    for place, one in enumerate(memory.drawn):
        columns = [memory.distance, *_columns(memory.train), *_columns(memory.held_out)]
        numbers = ["" if values is None else f"{float(values[place]):.6f}" for values in columns]
        nearest = memory.train.frame[place]
        lines.append([one.window, one.animation, *numbers, nearest.name if nearest else ""])
    return csv_of(lines)


def _columns(nearest: Nearest | None) -> list[Tensor | None]:
    return [None, None] if nearest is None else [nearest.drawn, nearest.true]


def memory_sheet(memory: Memory, spec: WindowSpec) -> Tensor:
    """Drawn, true and nearest training frame of the windows that are most like training: (3, H, W).

    Args:
        memory: What was found.
        spec: How frames lie in a window.
    """
    ratio = memory.train.drawn / memory.train.true.clamp(min=1e-9)
    rows, labels = [], []
    for place in ratio.argsort(stable=True)[:WINDOWS_SHOWN].tolist():
        one, nearest = memory.drawn[place], memory.train.frame[place]
        rows.append([_fitted(image) for image in (one.drawn, one.true, nearest.padded(spec)) if nearest])
        labels.append(f"{memory.train.drawn[place]:.3f} {memory.train.true[place]:.3f}")
    columns = ["drawn", "true", "nearest in train"]
    return image_grid(rows, columns, labels, "distance to train of drawn and true, most like train first")


def memory_json(memory: Memory) -> dict[str, Any]:
    """What was found about a method, for JSON."""
    shares = {
        "nearer_to_train": memory.nearer_train,
        "nearer_to_held_out": memory.nearer_held_out,
        "attraction": memory.attraction,
    }
    return {
        "method": memory.method,
        "windows": len(memory.drawn),
        "animations": memory.animations,
        **{key: share and [share.mean, share.low, share.high] for key, share in shares.items()},
        "nearer_to_train_than_to_truth": memory.copies,
        "interval": "95 % percentile bootstrap over animations, 2000 resamples, seed 0",
        "from_memory": memory.flagged,
        "verdict": memory.verdict,
    }


def nearest_pairs(pairings: Sequence[Pairing], count: int) -> list[tuple[Pairing, Match]]:
    """The `count` nearest pairs, one of each two animations before a second one of any."""
    found = [(pairing, match) for pairing in pairings for match in pairing.matches]
    found.sort(key=lambda one: one[1].distance)
    seen: Counter[tuple[str, str]] = Counter()
    turns = []
    for _, match in found:
        animations = match.frame.animation, match.copy.animation
        turns.append(seen[animations])
        seen[animations] += 1
    order = sorted(range(len(found)), key=lambda place: (turns[place], place))
    return [found[place] for place in order[:count]]


def _shortened(name: str) -> str:
    return name if len(name) <= NAME else f"...{name[3 - NAME :]}"


def _image(frame: Frame) -> Tensor:
    pixels = torch.from_numpy(np.ascontiguousarray(frame.read().transpose(2, 0, 1)))
    return _fitted(pixels.float() / 255)


def _fitted(image: Tensor) -> Tensor:
    """An image (3, H, W), shrunk to a cell of a sheet."""
    scale = CELL / max(image.shape[-2:])
    if scale >= 1:
        return image
    height, width = (max(round(side * scale), 1) for side in image.shape[-2:])
    pixels = cv2.resize(image.permute(1, 2, 0).numpy(), (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(pixels).permute(2, 0, 1)
