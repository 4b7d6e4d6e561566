"""Keyframes with known cuts, from synthetic animation: a benchmark of how cuts between keyframes are found.

`python -m tests.data.cut_sequences 30` prints it with 30 sequences of each sort.
"""

import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from inbetween.data.shots import find_cuts, find_shots
from inbetween.data.synthetic.scene import KINDS, SyntheticScene

SIZE = (144, 256)
BLACK, WHITE = 0, 255


class Sequence(NamedTuple):
    sort: str
    keyframes: list[np.ndarray]  # (144, 256, 3) uint8
    cuts: set[int]  # numbers of those that begin another shot


class Score(NamedTuple):
    sequences: int
    right: int  # sequences without a mistake
    cuts: int
    hits: int
    others: int  # neighbours of one shot
    false: int

    def __str__(self) -> str:
        return (
            f"{self.right} of {self.sequences} sequences right, {self.hits} of {self.cuts} cuts found,"
            f" {self.false} of {self.others} others taken for cuts"
        )


def drawn(index: int, count: int, kind: str, amount: float) -> list[np.ndarray]:
    """Keyframes of one scene, evenly spaced in time; each index is an unrelated scene."""
    scene = SyntheticScene(1000, index, kind, amount)
    return [scene.draw(float(t), SIZE) for t in np.linspace(0, 1, count)]


def joined(sort: str, *shots: list[np.ndarray]) -> Sequence:
    lengths = [len(shot) for shot in shots]
    return Sequence(sort, [frame for shot in shots for frame in shot], set(np.cumsum(lengths[:-1]).tolist()))


def sequences(count: int) -> Iterator[Sequence]:
    """`count` sequences of each sort, of 2 to 8 keyframes; kinds of drawing take turns."""
    for number in range(count):
        random = np.random.default_rng(number)
        kind = KINDS[number % len(KINDS)]
        scene = iter(range(100 * number, 100 * number + 100))
        small = [drawn(next(scene), 2, kind, 0.15) for _ in range(3)]
        yield joined("cuts after every second keyframe", *small)
        mixed = [
            drawn(
                next(scene),
                int(random.integers(1, 5)),
                str(random.choice(KINDS)),
                float(random.uniform(0.1, 0.8)),
            )
            for _ in range(2)
        ]
        yield joined("cuts between kinds of drawing", *mixed)
        for sort, white in (("a white frame", WHITE), ("a black frame", BLACK)):
            # on white paper a white frame is an empty sheet and no flash
            before, behind = drawn(next(scene), 2, kind if white == BLACK else "composition", 0.2)
            yield joined(sort, [before], [np.full_like(before, white)], [behind])
        yield joined("large motion", drawn(next(scene), 2, kind, float(random.uniform(1, 1.4))))
        yield joined("motion in steps", drawn(next(scene), int(random.integers(3, 8)), kind, 1.0))
        yield joined("pan", panned(next(scene), random))
        yield joined("what pops up", popped_up(*drawn(next(scene), 2, kind, 0.2), random))
        faded = drawn(next(scene), 4, kind, 0.2)
        to = (BLACK, WHITE)[number % 2]
        shares = (0, 0.25, 0.5, 0.7)
        yield joined(
            "fade", [(f * (1 - s) + to * s).astype(np.uint8) for f, s in zip(faded, shares, strict=True)]
        )


def panned(index: int, random: np.random.Generator) -> list[np.ndarray]:
    """A camera that goes over a wide painting by 10 to 35 % of the picture at once."""
    height, width = SIZE
    wide = SyntheticScene(1000, index, "composition", 0.3).draw(0.0, (height, 2 * width))
    step = int(random.uniform(0.1, 0.35) * width)
    return [wide[:, left : left + width].copy() for left in range(0, width, step)[:5]]


def popped_up(before: np.ndarray, behind: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
    """The second with a thing in it that covers 10 to 50 %."""
    side = np.sqrt(random.uniform(0.1, 0.5))
    height, width = (int(side * length) for length in SIZE)
    top, left = (
        int(random.integers(length - part + 1)) for length, part in zip(SIZE, (height, width), strict=True)
    )
    behind[top : top + height, left : left + width] = random.integers(0, 256, 3)
    center, axes = (left + width // 2, top + height // 2), (width // 3, height // 3)
    cv2.ellipse(behind, center, axes, 0, 0, 360, random.integers(0, 256, 3).tolist(), -1)
    return [before, behind]


def score(found_by: Callable[[list[np.ndarray]], list[int]], measured: list[Sequence]) -> dict[str, Score]:
    """What a way to find cuts makes of the sequences of each sort."""
    scores: dict[str, Score] = {}
    for sort, keyframes, cuts in measured:
        found = set(found_by(keyframes))
        new = (
            1,
            found == cuts,
            len(cuts),
            len(found & cuts),
            len(keyframes) - 1 - len(cuts),
            len(found - cuts),
        )
        scores[sort] = Score(*map(sum, zip(scores.get(sort, (0,) * 6), new, strict=True)))
    return scores


def all_together(scores: dict[str, Score]) -> Score:
    return Score(*map(sum, zip(*scores.values(), strict=True)))


if __name__ == "__main__":
    measured = list(sequences(int(sys.argv[1])))
    for name, find in (("find_cuts", find_cuts), ("find_shots", lambda frames: find_shots(frames)[1])):
        scores = score(find, measured)
        for sort, line in (*scores.items(), ("together", all_together(scores))):
            print(f"{name:12}{sort:34}{line}")
