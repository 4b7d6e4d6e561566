"""`python -m benchmarks.shards`: windows per second from shards, compared with folders, in turn."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from jsonargparse import auto_cli
from PIL import Image

from inbetween.commands.shard import shard
from inbetween.data import FolderScenes, ShardedScenes, WindowSource, WindowSpec
from inbetween.data.loader import TrainBatches, WindowLoader
from inbetween.data.synthetic.scene import KINDS, SyntheticScene


def measure(
    scenes: int = 60,
    frames: int = 24,
    height: int = 432,
    width: int = 576,
    size: int = 256,
    workers: int = 0,
    shard_mb: int = 16,
    rounds: int = 5,
) -> dict[str, tuple[float, float]]:
    """Print windows per second in the first epoch and in later ones.

    Args:
        scenes: Scenes of synthetic animation.
        frames: Frames of each.
        height: Pixels of a frame.
        width: Pixels of a frame.
        size: Side of the windows.
        workers: Data workers.
        shard_mb: Size of a shard.
        rounds: Rounds, each with an empty cache; medians are printed.

    Returns:
        Of folders and shards the medians: first epoch, later epochs.
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
        sources: dict[str, WindowSource] = {
            "folders": FolderScenes(place / "folders"),
            "shards": ShardedScenes(str(place / "shards")),
        }
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in sources}
        for _ in range(rounds):
            for name, source in sources.items():
                rates[name].append(epochs(source, place / "cache", size, workers))
    medians = {name: (median(r[0] for r in of), median(r[1] for r in of)) for name, of in rates.items()}
    for name, (first, later) in medians.items():
        print(f"{name:8s} first epoch {first:6.1f} windows per second, later epochs {later:6.1f}")
    ratios = [
        median(s[k] / f[k] for s, f in zip(rates["shards"], rates["folders"], strict=True)) for k in (0, 1)
    ]
    print(f"ratio    first epoch {ratios[0]:6.2f}, later epochs {ratios[1]:6.2f}")
    return medians


def epochs(source: WindowSource, cache: Path, size: int, workers: int) -> tuple[float, float]:
    """Windows per second in the first of three epochs, opening included, and in the others."""
    shutil.rmtree(cache, ignore_errors=True)
    seconds = []
    start = time.perf_counter()
    dataset = source.dataset("train", WindowSpec(size=(size, size), cache_dir=cache))
    for epoch in range(3):
        batches = TrainBatches(dataset.order(0, epoch, 8), 8, epoch, rank=0, world=1)
        loader = WindowLoader(dataset, len(batches), lambda batches=batches: batches, workers)  # type: ignore[misc]
        windows = sum(len(batch["name"]) for batch in loader)
        loader.close()
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    return windows / seconds[0], 2 * windows / (seconds[1] + seconds[2])


if __name__ == "__main__":
    auto_cli(measure, as_positional=False)
