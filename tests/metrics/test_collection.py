"""The collection as a whole."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from inbetween.metrics import frame_metrics, window_scores
from inbetween.types import WindowBatch

BETTER = {
    "ssim": True,
    "psnr": True,
    "lpips": False,
    "temporal_coherence": False,
    "temporal_coherence_gap": False,
    "warping_error": False,
    "line_chamfer_distance": False,
}


def test_names_and_directions(network: nn.Module) -> None:
    assert {name: metric.metric.higher_is_better for name, metric in frame_metrics(network).items()} == BETTER
    assert set(frame_metrics(None)) == {"ssim", "psnr", "warping_error", "line_chamfer_distance"}


def test_a_perfect_first_batch_does_not_merge_metrics(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    perfect, other = make_batch(1), make_batch(1, start=1)
    metrics = frame_metrics(network)
    metrics.update(perfect["targets"], perfect)
    metrics.update(other["targets"] * 0.5, other)
    scores = {name: float(values[1]) for name, (values, _) in window_scores(metrics).items()}
    assert len(set(scores.values())) == len(BETTER)


def test_what_one_frame_leaves_undefined_is_not_reported(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    single = make_batch(2, between=1)
    metrics = frame_metrics(network)
    metrics.update(single["targets"] * 0.9, single)
    assert set(window_scores(metrics)) == set(BETTER) - {"temporal_coherence", "temporal_coherence_gap"}


def test_number_of_frames_may_change_between_batches(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    metrics = frame_metrics(network)
    for between, start in ((1, 0), (5, 1), (2, 2)):
        batch = make_batch(1, between=between, start=start)
        metrics.update(batch["targets"] * 0.9, batch)
    found = window_scores(metrics)
    assert found["ssim"][1].tolist() == [0, 1, 2]
    assert found["temporal_coherence"][1].tolist() == [1, 2]


def test_windows_come_out_in_order_and_once(make_batch: Callable[..., WindowBatch]) -> None:
    metrics = frame_metrics(None)
    for start in (4, 1, 4, 0):
        batch = make_batch(1, start=start)
        metrics.update(batch["targets"] * (1 - start / 10), batch)
    scores, index = metrics["psnr"].per_window()
    assert index.tolist() == [0, 1, 4]
    assert scores[0] == 60 > scores[1] > scores[2]
    assert float(metrics["psnr"].compute()) == pytest.approx(float(scores.mean()))


def test_measuring_leaves_torchs_random_stream_alone(random_alexnet: dict[str, torch.Tensor]) -> None:
    from inbetween.metrics.feature_network import lpips_network

    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    lpips_network(random_alexnet)
    assert torch.equal(torch.rand(3), expected)
