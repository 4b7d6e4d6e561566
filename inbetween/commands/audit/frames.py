"""The distinct frames of a split, read through its source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from inbetween.data import MixedWindows, SceneSource, WindowDataModule, WindowDataset, WindowSource
from inbetween.data.datamodule import evenly_spaced
from inbetween.data.fit import pad
from inbetween.data.source import WindowSpec
from inbetween.data.store import FrameStore, StoredScene
from inbetween.data.unpacked import UnpackedScenes
from inbetween.errors import UserError
from inbetween.io.images import Pixels, resize
from inbetween.types import Split, Window, animation_in

Box = tuple[int, int, int, int]  # top, left, height, width


@dataclass(frozen=True)
class Frame:
    """One frame of a split.

    Args:
        name: Its file, or its window and number where it has none.
        animation: See `Scene`.
        box: Where a window shows it.
        read: Gives its pixels (height, width, 3) as a window shows them, without padding.
    """

    name: str
    animation: str
    box: Box
    read: Callable[[], Pixels]

    def padded(self, spec: WindowSpec) -> Tensor:
        """The frame as in a window: (3, H, W) float32 in [0, 1]."""
        pixels = pad(self.read()[None], self.box, spec.size, spec.background)[0]
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float().div_(255)


def split_frames(data: WindowDataModule, windows: int) -> dict[Split, list[Frame]]:
    """The frames of train, val and, where it is not the same as val, test.

    Held frames are taken once. Scenes on disk are decoded once, into the store that training uses; of sources
    that render their frames, some windows are taken.

    Args:
        data: The source, and how its frames are fitted.
        windows: Windows taken of each split, evenly spaced, where frames are rendered.

    Raises:
        UserError: Train or val has no frames, or some cannot be read. What cannot be read of the test split
            of a source that renders its frames is printed instead, since it need not have one.
    """
    specs = {
        "train": replace(data.spec, augment=data.augment),  # so that it is the store of training
        "val": data.spec,
        "test": data.spec,
    }
    found: dict[Split, list[Frame]] = {
        "train": source_frames(data.source, "train", specs["train"], windows),
        "val": source_frames(data.source, "val", specs["val"], windows),
    }
    for split, frames in found.items():
        if not frames:
            raise UserError(
                f"{data.source} has no animation for the {split} split: there is nothing to compare; add one,"
                f" or make a folder named {split}."
            )
    try:
        test = source_frames(data.source, "test", specs["test"], windows)
    except UserError as error:
        if isinstance(data.source, SceneSource):  # has val instead of a test split: a file is damaged
            raise
        print(f"test is left out: {error}")
        return found
    if not _same(test, found["val"]):
        found["test"] = test
    return found


def _same(one: list[Frame], other: list[Frame]) -> bool:
    """Whether two splits are one; a source that renders may use the same names in both."""
    names = ([frame.name for frame in frames] for frames in (one, other))
    return len(set(map(tuple, names))) == 1 and np.array_equal(one[0].read(), other[0].read())


def source_frames(source: WindowSource, split: Split, spec: WindowSpec, windows: int) -> list[Frame]:
    """The frames of one split of a source; see `split_frames`."""
    if isinstance(source, MixedWindows):
        return [frame for one in source.sources for frame in source_frames(one, split, spec, windows)]
    if isinstance(source, SceneSource):
        unpacked = isinstance(source, UnpackedScenes)  # whose files lie in a cache that nobody looks into
        stored = FrameStore(spec).open(source.scenes(split))
        return [frame for scene in stored for frame in _scene_frames(scene, unpacked)]
    return _window_frames(source.dataset(split, replace(spec, augment=None)), windows)


def _scene_frames(stored: StoredScene, unpacked: bool) -> list[Frame]:
    height, width = stored.fit.box[2:]

    def reader(number: int) -> Callable[[], Pixels]:
        return lambda: resize(stored.read((number,))[0], height, width)

    return [
        Frame(
            f"{stored.scene.label}/{path.name}" if unpacked else str(path),
            stored.scene.animation,
            stored.fit.box,
            reader(number),
        )
        for number, (path, start) in enumerate(zip(stored.scene.frames, stored.hold_starts, strict=True))
        if start == number
    ]


def _window_frames(dataset: WindowDataset, windows: int) -> list[Frame]:
    @lru_cache(maxsize=1)  # a window's frames are read one after the other
    def window(index: int) -> Window:
        return dataset[0, index]

    def reader(index: int, number: int) -> Callable[[], Pixels]:
        def read() -> Pixels:
            found = window(index)
            top, left, height, width = found["box"].tolist()
            frames = [found["first"], *found["targets"], found["last"]]
            image = frames[number][:, top : top + height, left : left + width]
            return np.asarray((image * 255).round().byte().permute(1, 2, 0).numpy())

        return read

    frames = []
    for index in evenly_spaced(len(dataset), windows):
        found = window(index)
        top, left, height, width = found["box"].tolist()
        animation = found.get("animation", animation_in(found["name"]))
        frames += [
            Frame(f"{found['name']}#{number}", animation, (top, left, height, width), reader(index, number))
            for number in range(len(found["targets"]) + 2)
        ]
    return frames
