"""Metrics gathered from two processes equal those of one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from inbetween.metrics import PSNR, frame_metrics, load_lpips, window_scores
from inbetween.types import WindowBatch

# What each process measures, batch by batch.
DEALT = ([[0, 2], [4]], [[1, 3], [0]])  # by a distributed sampler, which repeats window 0 to be even
ONE_IDLE = ([], [[0, 1], [2, 3, 4]])  # a process without windows


def measure(rank: int, folder: Path, weights: Path) -> None:
    """Measure this process's share of the windows and save what the gathering gives."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metrics = frame_metrics(load_lpips(weights))
    whole = torch.load(folder / "windows.pt", weights_only=True)
    results, images = [], PSNR()
    for shares in (DEALT, ONE_IDLE):
        for rows in shares[rank]:
            batch = {key: value[rows] for key, value in whole.items()}
            metrics.update(batch["targets"] * 0.8, batch)
            if shares is ONE_IDLE:
                images.update(batch["targets"].flatten(0, 1) * 0.8, batch["targets"].flatten(0, 1))
        results.append((metrics.compute(), window_scores(metrics)))
        metrics.reset()
    torch.save((images.compute(), results), folder / f"result-{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow  # two new processes import torch
def test_two_processes_measure_what_one_does(
    tmp_path: Path, alexnet_file: Path, make_batch: Callable[..., WindowBatch]
) -> None:
    whole = make_batch(5)
    alone = frame_metrics(load_lpips(alexnet_file))
    alone.update(whole["targets"] * 0.8, whole)
    expected, expected_windows = alone.compute(), window_scores(alone)

    tensors = {key: value for key, value in whole.items() if key != "name"}
    torch.save(tensors, tmp_path / "windows.pt")
    multiprocessing.spawn(measure, (tmp_path, alexnet_file), nprocs=2)

    for rank in range(2):
        of_images, results = torch.load(tmp_path / f"result-{rank}.pt", weights_only=True)
        assert float(of_images) == pytest.approx(float(expected["psnr"]))
        for metrics, windows in results:
            assert set(metrics) == set(windows) == set(expected)
            for name, value in expected.items():
                assert torch.equal(metrics[name], value), name
                assert windows[name][1].tolist() == [0, 1, 2, 3, 4]
                assert torch.equal(windows[name][0], expected_windows[name][0]), name
