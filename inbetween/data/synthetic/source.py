"""Windows of synthetic animation for the data module."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from inbetween.data.rendered import rendered_window
from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.data.synthetic.pen import Kind
from inbetween.data.synthetic.scene import KINDS, SyntheticScene
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.types import KEY_TRUTH, TARGET_TRUTH, TARGET_VISIBILITY, Split, Window

# Bases of the random streams. Validation and test do not depend on the user's seed, so that metrics
# of different runs are of the same frames; no seed makes training use their streams.
STREAM: dict[Split, int] = {"train": 1, "val": 2, "test": 3}
EDGE = 0.02  # random positions stay this far from the keyframes

# separate random streams for the choices of a window, for its colours, and for its scene
_WINDOW_STREAM, _COLOR_STREAM = 7, 8


class SyntheticAnimation(WindowSource):
    """Endless animation, rendered while training: no files, no download, and ground-truth motion.

    The same (seed, epoch, index) gives the same window everywhere. Training has new scenes each
    epoch; validation and test are fixed and share no scene with training or each other. Of the
    window's specification only `between`, `size`, `seed` and `augment.color` apply: scenes are rendered
    at the window's size, so nothing is fitted, cached or cropped, there are no holds, and a window spans one
    motion whatever its gaps.

    Args:
        kinds: Kinds of scene, in equal shares: sketch, color, composition.
        length: Windows of an epoch for each split; splits left out keep their default of 10000 for
            train, 48 for val and 48 for test.
        truth: Add ground-truth motion: `targets` adds that of the in-betweens (`flow_t0`,
            `flow_t1`, `spacing`), True also the keyframes' flow and everything's visibility, which takes
            longer to render.
        random_t: In training, random positions t of the in-betweens instead of evenly spaced ones.
        motion: Largest size of the motion, in (0, 1.5]; 0.1 is breathing, 1 crosses a third of the
            frame. None mixes all sizes, about a tenth of them very large.

    Raises:
        UserError: An unknown kind, no kind, a length below 1 or a motion out of range.
    """

    def __init__(
        self,
        kinds: Sequence[Kind] = KINDS,
        length: Mapping[Split, int] | None = None,
        truth: bool | Literal["targets"] = False,
        random_t: bool = False,
        motion: float | None = None,
    ) -> None:
        unknown = [kind for kind in kinds if kind not in KINDS]
        if unknown or not kinds:
            raise UserError(
                f"kinds of synthetic animation must be some of {', '.join(KINDS)}; got {list(kinds)}."
            )
        if motion is not None and not 0 < motion <= 1.5:
            raise UserError(f"motion of synthetic animation must lie in (0, 1.5], not {motion}.")
        sizes: dict[Split, int] = {"train": 10_000, "val": 48, "test": 48, **(length or {})}
        for split, count in sizes.items():
            if split not in STREAM or count < 1:
                raise UserError(
                    "length of synthetic animation must be 1 or more for train, val, test;"
                    f" got {split}: {count}."
                )
        self.kinds, self.length, self.truth = tuple(kinds), sizes, truth
        self.random_t, self.motion = random_t, motion

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split, rendered on access."""
        return _SyntheticWindows(self, split, spec)


class _SyntheticWindows(WindowDataset):
    def __init__(self, source: SyntheticAnimation, split: Split, spec: WindowSpec) -> None:
        self.source, self.split, self.spec = source, split, spec
        of_keys = (*KEY_TRUTH, *TARGET_VISIBILITY) if source.truth is True else ()
        self.truth = (*of_keys, *TARGET_TRUTH) if source.truth else ()

    def __len__(self) -> int:
        return self.source.length[self.split]

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        if not 0 <= index < len(self):
            raise IndexError(index)
        source, spec = self.source, self.spec
        parts = (spec.seed, epoch) if self.split == "train" else (0, 0)
        base = sample_seed(STREAM[self.split], *parts)
        kind = source.kinds[index % len(source.kinds)]
        rng = np.random.default_rng(sample_seed(base, index, _WINDOW_STREAM))
        amount = None if source.motion is None else float(source.motion * rng.uniform(0.1, 1.0))
        scene = SyntheticScene(base, index, kind, amount)
        n, size = spec.between, spec.size
        times = [(k + 1) / (n + 1) for k in range(n)]
        if source.random_t and self.split == "train":
            times = sorted(rng.uniform(EDGE, 1 - EDGE, n).astype(np.float32).tolist())
        # each scene is an animation of its own
        animation = f"synthetic/{kind}-{index}"
        if self.split == "train":
            animation = f"synthetic/{kind}-{epoch}.{index}"
        images = np.stack([scene.draw(t, size) for t in (0.0, *times, 1.0)])
        window = rendered_window(images, times, spec, key, animation, sample_seed(base, index, _COLOR_STREAM))
        if source.truth is True:
            window["flow_01"] = torch.from_numpy(scene.flow(0.0, 1.0, size))
            window["flow_10"] = torch.from_numpy(scene.flow(1.0, 0.0, size))
            window["visible_01"] = torch.from_numpy(scene.visible(0.0, 1.0, size))
            window["visible_10"] = torch.from_numpy(scene.visible(1.0, 0.0, size))
            window["visible_t0"] = torch.from_numpy(np.stack([scene.visible(t, 0.0, size) for t in times]))
            window["visible_t1"] = torch.from_numpy(np.stack([scene.visible(t, 1.0, size) for t in times]))
        if source.truth:
            window["flow_t0"] = torch.from_numpy(np.stack([scene.flow(t, 0.0, size) for t in times]))
            window["flow_t1"] = torch.from_numpy(np.stack([scene.flow(t, 1.0, size) for t in times]))
            window["spacing"] = torch.from_numpy(np.stack([scene.spacing(t, size) for t in times]))
        return window
