"""Whether a method draws from memory: its frames beside training drawings and held-out ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import lightning as L
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from inbetween.commands.audit.features import DeepFeatures, squared_distances
from inbetween.commands.audit.frames import Frame
from inbetween.data import WindowDataModule
from inbetween.data.source import WindowSpec
from inbetween.methods.base import Method
from inbetween.metrics import bootstrap_interval
from inbetween.types import WindowBatch, animation_in

SIDE = 96  # pixels of the longer side at which images are compared
LEAST_SIDE = 32  # of the shorter one: what AlexNet needs
ATTRACTED = 1.05  # the least attraction that is called memory
BATCH = 32  # reference frames at once
LEAST = 0.01  # of the true in-betweens' median distance to train, that is added to distances in ratios


@dataclass(frozen=True)
class Drawn:
    """One window's middle in-between, as the method draws it and as it is."""

    window: str
    animation: str
    drawn: Tensor  # (3, H, W) in [0, 1]
    true: Tensor  # (3, H, W)


@dataclass(frozen=True)
class Nearest:
    """Of n in-betweens, how far the nearest of some frames are; mirrored ones count alike."""

    drawn: Tensor  # (n,) from the drawn in-between; infinite where there is none to compare with
    true: Tensor  # (n,) from the true one
    frame: list[Frame | None]  # the nearest to the drawn one

    @property
    def nearer(self) -> Tensor:
        """(n,) 1 where the drawn in-between is nearer than the true one, 0.5 where both are as near."""
        return (self.drawn < self.true).double() + (self.drawn == self.true).double() / 2


@dataclass(frozen=True)
class Share:
    """A mean over windows with its 95 % interval, which resamples animations."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.0%} [{self.low:.0%}, {self.high:.0%}]"

    @property
    def times(self) -> str:
        """The numbers as they are."""
        return f"{self.mean:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class Memory:
    """What was found about a method.

    Args:
        method: Its config, with the checkpoint.
        drawn: Its in-betweens.
        distance: (n,) From each drawn in-between to the true one.
        train: The nearest training drawings.
        held_out: The nearest held-out drawings of other animations; None where there are none.
    """

    method: str
    drawn: list[Drawn]
    distance: Tensor
    train: Nearest
    held_out: Nearest | None

    @cached_property
    def nearer_train(self) -> Share:
        """In how many windows the drawn in-between is nearer to a training drawing than the true one is."""
        return self._share(self.train.nearer)

    @cached_property
    def nearer_held_out(self) -> Share | None:
        """The same for held-out drawings."""
        return None if self.held_out is None else self._share(self.held_out.nearer)

    @cached_property
    def attraction(self) -> Share | None:
        """How many times nearer to training drawings than to held-out ones it draws; 1 without memory.

        With d the distance to the nearest drawing of a set, it is the geometric mean over windows of
        `(d_train(true) / d_train(drawn)) / (d_held_out(true) / d_held_out(drawn))`: what brings the drawn
        in-between near to any drawing, such as blur, cancels, and so does the sets' size.
        """
        if self.held_out is None:
            return None
        least = LEAST * self.train.true.median().clamp(min=1e-9)  # a copy's distance is 0
        logs = [
            (near.true + least).log() - (near.drawn + least).log() for near in (self.train, self.held_out)
        ]
        found = self._share((logs[0] - logs[1]).double())
        return Share(*(math.exp(value) for value in (found.mean, found.low, found.high)))

    def _share(self, values: Tensor) -> Share:
        groups = [one.animation for one in self.drawn]
        return Share(float(values.mean()), *bootstrap_interval(values, groups=groups))

    @property
    def animations(self) -> int:
        """Number of animations that the windows are of."""
        return len({one.animation for one in self.drawn})

    @property
    def copies(self) -> int:
        """How many drawn in-betweens are nearer to a training drawing than to the true in-between."""
        return int((self.train.drawn < self.distance).sum())

    @property
    def flagged(self) -> bool:
        """Whether training drawings attract what is drawn more than held-out ones do."""
        return self.attraction is not None and self.attraction.low > ATTRACTED

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        found = (
            f"in {self.nearer_train} of {len(self.drawn)} windows the drawn in-between is nearer to a"
            " training drawing than the true one is"
        )
        if self.attraction is None:
            why = "no animation is held out but that of a window"
            return f"{self.method} cannot be judged, since {why}: {found}."
        found += (
            f" (held-out drawings: {self.nearer_held_out}), and training drawings attract it"
            f" {self.attraction.times} times as much as held-out ones"
        )
        if self.flagged:
            return f"{self.method} draws from memory: {found}."
        return f"{self.method} shows no sign of drawing from memory: {found}."


def draw(method: Method, data: WindowDataModule, fabric: L.Fabric) -> list[Drawn]:
    """Draw the middle in-between of each window of val.

    Args:
        method: On its device.
        data: Set up for `test`, of the split val.
        fabric: Device and precision.
    """
    found = []
    for batch in tqdm(data.test_dataloader(), "drawing", unit="batch", leave=False, disable=None):
        batch = cast(WindowBatch, fabric.to_device(batch))
        middle = batch["t"].shape[1] // 2
        at_middle: WindowBatch = {**batch, "t": batch["t"][:, middle : middle + 1]}
        # methods that use torch's global generator get the same numbers in every run
        fabric.seed_everything(0, verbose=False)
        with fabric.autocast(), torch.no_grad():
            frames = method.interpolate_batch(at_middle)[:, 0].float().clamp(0, 1)
        names = batch["name"]
        animations = batch.get("animation", [animation_in(name) for name in names])
        for row, (name, animation) in enumerate(zip(names, animations, strict=True)):
            found.append(
                Drawn(name, animation, frames[row].cpu(), batch["targets"][row, middle].float().cpu())
            )
    return found


def examine(
    name: str,
    drawn: list[Drawn],
    train: Sequence[Frame],
    held_out: Sequence[Frame],
    spec: WindowSpec,
    features: DeepFeatures,
) -> Memory:
    """Find the training and held-out drawings that are nearest to what was drawn, and to what is true.

    Args:
        name: Of the method.
        drawn: Its in-betweens.
        train: Frames that it was trained on.
        held_out: Frames that it was not trained on.
        spec: How frames lie in a window.
        features: Of which distances are taken.
    """
    size = _small_size(spec.size)
    both = torch.stack([image for one in drawn for image in (one.drawn, one.true)])
    small = F.interpolate(both, size=size, mode="area")
    queries = _embedded(torch.cat([small, small.flip(-1)]), features)
    count = len(small)
    distance = (queries[0:count:2] - queries[1:count:2]).square().sum(1).cpu()
    animations = [one.animation for one in drawn]

    def nearest(frames: Sequence[Frame], others_only: bool) -> Nearest:
        least = torch.full((count,), torch.inf)
        which = torch.full((count,), -1)
        for start in tqdm(range(0, len(frames), BATCH), "comparing", leave=False, delay=1, disable=None):
            part = frames[start : start + BATCH]
            images = torch.stack([frame.padded(spec) for frame in part])
            references = _embedded(F.interpolate(images, size=size, mode="area"), features)
            distances = squared_distances(queries, references).view(2, count, -1).amin(0).cpu()
            if others_only:
                same = torch.tensor([[frame.animation == name for frame in part] for name in animations])
                distances[same.repeat_interleave(2, 0)] = torch.inf
            value, place = distances.min(1)
            closer = value < least
            least[closer], which[closer] = value[closer], place[closer] + start
        chosen = [frames[place] if place >= 0 else None for place in which[0::2].tolist()]
        return Nearest(least[0::2], least[1::2], chosen)

    others = {frame.animation for frame in held_out}
    comparable = all(others - {animation} for animation in animations)
    return Memory(
        name,
        drawn,
        distance,
        nearest(train, others_only=False),
        nearest(held_out, others_only=True) if comparable else None,
    )


def _small_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(SIDE / max(size), 1)
    height, width = (max(round(side * scale), LEAST_SIDE) for side in size)
    return height, width


def _embedded(images: Tensor, features: DeepFeatures) -> Tensor:
    return torch.cat([features.embed(part) for part in torch.split(images, BATCH)])
