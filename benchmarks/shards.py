"""`python -m benchmarks.shards`: windows per second from shards, kept and streamed, and from folders."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from jsonargparse import auto_cli
from PIL import Image

from inbetween.commands.shard import shard
from inbetween.data import FolderScenes, ShardedScenes, WindowSource, WindowSpec
from inbetween.data.loader import TrainBatches, WindowLoader
from inbetween.data.synthetic.scene import KINDS, SyntheticScene


def measure(
    scenes: int = 72,
    frames: int = 24,
    height: int = 432,
    width: int = 576,
    size: int = 256,
    kept: int = 56,
    shard_mb: int = 16,
    rounds: int = 7,
) -> dict[str, tuple[float, float]]:
    """Print windows per second in the first epoch and in the second one.

    Shards are streamed, too: of a clip each, with a cache that holds only some clips. At least 32 are in use
    at a time, and it should hold 1.5 times them.

    Args:
        scenes: Scenes of synthetic animation.
        frames: Frames of each.
        height: Pixels of a frame.
        width: Pixels of a frame.
        size: Side of the windows.
        kept: Clips that the cache holds where shards are streamed.
        shard_mb: Size of a shard; 1 where they are streamed.
        rounds: Rounds, each with an empty cache; medians are printed, with the lowest and the highest.

    Returns:
        The medians: first epoch, second epoch.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        for number in range(scenes):
            folder = place / "folders" / "train" / f"animation{number // 2}" / f"scene{number}"
            folder.mkdir(parents=True)
            scene = SyntheticScene(7, number, KINDS[number % 3], 0.6)
            for frame in range(frames):
                pixels = scene.draw(frame / (frames - 1), (height, width))
                Image.fromarray(pixels).save(folder / f"{frame:04d}.png")
        start = time.perf_counter()
        shard(output=place / "shards", root=place / "folders", shard_mb=shard_mb)
        print(f"written: {scenes * frames / (time.perf_counter() - start):.0f} frames per second")
        shard(output=place / "small", root=place / "folders", shard_mb=1)
        folders, shards = FolderScenes(place / "folders"), ShardedScenes(str(place / "shards"))
        clip = frames * size * size * 3 * min(height, width) / max(height, width)  # bytes decoded
        few = ShardedScenes(str(place / "small"), shuffle_shards=1, cache_gb=kept * clip / 1e9)
        cases: dict[str, tuple[WindowSource, int]] = {
            "folders": (folders, 0),
            "shards": (shards, 0),
            "streamed": (few, 0),
            "streamed, a worker": (few, 1),
        }
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
        for _ in range(rounds):
            for name, (source, workers) in cases.items():
                rates[name].append(epochs(source, place / "cache", size, workers))
    for name, found in rates.items():
        print(f"{name:18s} first epoch {_spread(r[0] for r in found)}, second {_spread(r[1] for r in found)}")
        if name != "folders":
            pairs = list(zip(found, rates["folders"], strict=True))
            ratios = [_spread((one[k] / other[k] for one, other in pairs), 2) for k in (0, 1)]
            print(f"    ratio to folders   {ratios[0]}, {ratios[1]}")
    return {name: (median(r[0] for r in of), median(r[1] for r in of)) for name, of in rates.items()}


def _spread(values: Iterable[float], digits: int = 0) -> str:
    known = sorted(values)
    return f"{median(known):.{digits}f} ({known[0]:.{digits}f} to {known[-1]:.{digits}f})"


def epochs(source: WindowSource, cache: Path, size: int, workers: int) -> tuple[float, float]:
    """Windows per second in the first epoch, opening included, and in the second one."""
    shutil.rmtree(cache, ignore_errors=True)
    seconds = []
    start = time.perf_counter()
    dataset = source.dataset("train", WindowSpec(size=(size, size), cache_dir=cache))
    for epoch in range(2):
        batches = TrainBatches(dataset.order(0, epoch, 8), 8, epoch, rank=0, world=1)
        loader = WindowLoader(dataset, len(batches), lambda batches=batches: batches, workers)  # type: ignore[misc]
        windows = sum(len(batch["name"]) for batch in loader)
        loader.close()
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    return windows / seconds[0], windows / seconds[1]


if __name__ == "__main__":
    auto_cli(measure, as_positional=False)
