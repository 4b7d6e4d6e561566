"""Windows whose frames are kept for the report while methods run: the worst, the best and some between."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.commands.page import error_levels, smaller
from inbetween.commands.page.pictures import LONGEST
from inbetween.data.datamodule import evenly_spaced
from inbetween.io.frames import rounded
from inbetween.io.images import Pixels
from inbetween.types import WindowBatch

SIDE = 320  # pixels of a picture's longer side, at most
ERROR_SIDE = 96  # of a map of predicted errors
PIXELS = 100_000_000  # of all frames in memory: 300 MB


@dataclass
class KeptWindow:
    """One window's frames, shrunk, for the report."""

    index: int
    truth: Pixels  # (N + 2, h, w, 3)
    frames: list[Pixels]  # of each method, (N, h, w, 3)
    errors: list[Pixels | None]  # of each method that predicts its errors, (N, h, w) `error_levels`
    reason: str = ""  # why it is kept


@dataclass(frozen=True)
class Output:
    """What one method gave for a batch, on the CPU."""

    frames: Tensor  # (B, N, 3, H, W) uint8
    errors: Tensor | None  # (B, N, 1, H, W) in [0, 1]


class WindowKeeper:
    """Keeps half of `count` windows that score worst, a sixth that score best, and others evenly spaced.

    Frames of a window that drops out are forgotten: memory does not depend on the number of windows, and is
    bounded by `PIXELS`.

    Args:
        count: Windows to keep, at least 1.
        available: Windows that will be offered.
        methods: Number of methods.
        between: N, the in-betweens of a window.
    """

    def __init__(self, count: int, available: int, methods: int, between: int) -> None:
        count = min(count, available)
        self.worst_count, self.best_count = math.ceil(count / 2), count // 6
        self.count = count
        # as many as all that are kept: at least those that are wanted are neither worst nor best
        self.places = {(2 * k + 1) * available // (2 * count) for k in range(count)}
        at_once = self.worst_count + self.best_count + count
        frames = at_once * (methods * between + between + 2)
        self.side = max(min(SIDE, math.isqrt(PIXELS // frames), LONGEST // (between + 2)), 1)
        self.offered = 0
        self.kept: dict[int, KeptWindow] = {}
        self._worst: list[tuple[float, int]] = []  # heaps of (badness, index): the least comes first
        self._best: list[tuple[float, int]] = []
        self._even: set[int] = set()

    def offer(self, batch: WindowBatch, outputs: list[Output], badness: list[float | None]) -> None:
        """Keep those windows of a batch that are worth it.

        Args:
            batch: The windows.
            outputs: Of each method.
            badness: Of each window: higher is worse; None is neither good nor bad.
        """
        for row, (index, bad) in enumerate(zip(batch["index"].tolist(), badness, strict=True)):
            if self.offered in self.places:
                self._even.add(index)
            self.offered += 1
            if bad is not None:
                _push(self._worst, (bad, index), self.worst_count)
                _push(self._best, (-bad, index), self.best_count)
            chosen = self._chosen()
            if index in chosen:
                self.kept[index] = self._captured(batch, outputs, row, index)
            self.kept = {one: window for one, window in self.kept.items() if one in chosen}

    def windows(self) -> list[KeptWindow]:
        """The kept windows, worst first, with the reason of each."""
        worst = [index for _, index in sorted(self._worst, reverse=True)]
        best = [index for _, index in sorted(self._best) if index not in worst]
        others = [index for index in sorted(self._even) if index not in {*worst, *best}]
        wanted = self.count - len(worst) - len(best)
        between = [others[place] for place in evenly_spaced(len(others), wanted)]
        for place, index in enumerate(worst, start=1):
            self.kept[index].reason = f"worst {place}"
        for place, index in enumerate(reversed(best), start=1):
            self.kept[index].reason = f"best {place}"
        for index in between:
            self.kept[index].reason = "between"
        return [self.kept[index] for index in (*worst, *between, *best)]

    def _chosen(self) -> set[int]:
        return self._even.union(index for _, index in (*self._worst, *self._best))

    def _captured(self, batch: WindowBatch, outputs: list[Output], row: int, index: int) -> KeptWindow:
        top, left, height, width = batch["box"][row].tolist()

        def shrunk(frames: Tensor) -> Pixels:
            area = frames[..., top : top + height, left : left + width]
            # a copy: a view would keep the whole batch in memory
            return smaller(area.permute(0, 2, 3, 1).numpy().copy(), self.side)

        def levels(errors: Tensor) -> Pixels:
            area = errors[..., top : top + height, left : left + width]
            scale = min(ERROR_SIDE / max(height, width), 1)
            size = max(round(height * scale), 1), max(round(width * scale), 1)
            return error_levels(F.interpolate(area.float(), size=size, mode="area")[:, 0].numpy())

        true = torch.cat([batch["first"][row][None], batch["targets"][row], batch["last"][row][None]])
        return KeptWindow(
            index,
            shrunk(rounded(true)),
            [shrunk(output.frames[row]) for output in outputs],
            [None if output.errors is None else levels(output.errors[row]) for output in outputs],
        )


def _push(heap: list[tuple[float, int]], item: tuple[float, int], size: int) -> None:
    push: Callable[[list[tuple[float, int]], tuple[float, int]], object]
    push = heapq.heappush if len(heap) < size else heapq.heappushpop
    push(heap, item)
