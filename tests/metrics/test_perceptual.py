"""LPIPS against the `lpips` package, and what is built on it."""

import io
import warnings
from collections.abc import Callable

import lpips
import pytest
import torch
from torch import nn

from inbetween.metrics import (
    LPIPS,
    OracleTimingLPIPS,
    TemporalCoherence,
    TemporalCoherenceGap,
    WindowMetric,
    frame_metrics,
)
from inbetween.types import WindowBatch


@pytest.fixture(scope="module")
def reference(random_alexnet: dict[str, torch.Tensor]) -> Callable[..., torch.Tensor]:
    """The package's own LPIPS with the same backbone, put in by its own order of convolutions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # lpips uses torchvision's deprecated arguments
        model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    convolutions = [module for module in model.net.modules() if isinstance(module, nn.Conv2d)]
    for convolution, number in zip(convolutions, (0, 3, 6, 8, 10), strict=True):
        convolution.weight.data.copy_(random_alexnet[f"features.{number}.weight"])
        convolution.bias.data.copy_(random_alexnet[f"features.{number}.bias"])

    def distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            return model(a, b, normalize=True).flatten()

    return distance


def test_lpips_is_the_packages(
    make_batch: Callable[..., WindowBatch], network: nn.Module, reference: Callable[..., torch.Tensor]
) -> None:
    batch = make_batch(2)
    frames = batch["targets"].flip(0)
    metric = WindowMetric(LPIPS(network))
    metric.update(frames, batch)
    expected = reference(frames.flatten(0, 1), batch["targets"].flatten(0, 1)).unflatten(0, (2, 3))
    assert expected.min() > 0.001
    torch.testing.assert_close(metric.per_window()[0], expected.mean(dim=1), rtol=1e-4, atol=1e-6)


def test_told_the_spacing_the_nearest_drawing_counts(
    make_batch: Callable[..., WindowBatch], network: nn.Module, reference: Callable[..., torch.Tensor]
) -> None:
    batch = make_batch(2)
    drawings = torch.cat([batch["first"][:, None], batch["targets"].flip(0)[:, :2] * 0.9], dim=1)
    metric = WindowMetric(OracleTimingLPIPS(network))
    metric.update(drawings, batch)
    expected = [
        min(float(reference(drawing[None], target[None])) for drawing in drawings[row])
        for row in range(2)
        for target in batch["targets"][row]
    ]
    assert min(expected) > 0.001
    found = metric.per_window()[0].tolist()
    assert found == pytest.approx([sum(expected[:3]) / 3, sum(expected[3:]) / 3], rel=1e-4)
    # of more drawings than there are targets, in any order, the true ones are found
    metric.reset()
    metric.update(torch.cat([drawings, batch["targets"].flip(1)], dim=1), batch)
    assert metric.compute() == 0


def test_told_lpips_is_undefined_for_tiny_pictures(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    metric = WindowMetric(OracleTimingLPIPS(network))
    batch = make_batch(1, height=24)
    metric.update(batch["targets"], batch)
    assert len(metric.per_window()[0]) == 0


def test_coherence_and_its_gap_are_built_on_lpips(
    make_batch: Callable[..., WindowBatch], network: nn.Module, reference: Callable[..., torch.Tensor]
) -> None:
    batch = make_batch(1, between=4)
    frames = batch["targets"] * torch.tensor([1.0, 0.5, 0.6, 0.2]).view(1, 4, 1, 1, 1)
    coherence, gap = WindowMetric(TemporalCoherence(network)), WindowMetric(TemporalCoherenceGap(network))
    coherence.update(frames, batch)
    gap.update(frames, batch)
    drawn = reference(frames[0, :-1], frames[0, 1:]).mean()
    true = reference(batch["targets"][0, :-1], batch["targets"][0, 1:]).mean()
    assert float(coherence.compute()) == pytest.approx(float(drawn), rel=1e-4)
    assert float(gap.compute()) == pytest.approx(abs(float(drawn - true)), rel=1e-3)


def test_a_frozen_clip_scores_best_in_coherence_and_badly_in_the_gap(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    batch = make_batch(1)
    metrics = frame_metrics(network)
    metrics.update(batch["first"][:, None].expand(-1, 3, -1, -1, -1), batch)
    frozen = metrics.compute()
    metrics.reset()
    metrics.update(batch["targets"], batch)
    true = metrics.compute()
    assert frozen["temporal_coherence"] == 0 < true["temporal_coherence"]
    assert frozen["temporal_coherence_gap"] == true["temporal_coherence"]
    assert true["temporal_coherence_gap"] == 0


def test_each_frame_passes_the_network_once(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    seen = []
    handle = network.net.register_forward_hook(lambda module, given, made: seen.append(len(given[0])))
    batch = make_batch(2)
    metrics = frame_metrics(network)
    metrics.update(batch["targets"] * 0.5, batch)
    metrics.update(batch["targets"] * 0.9, batch)
    handle.remove()
    # two windows: their true frames once, then the drawn ones; in the second update the drawn ones alone
    assert seen == [3, 3, 3, 3, 3, 3]


def test_autocast_does_not_reach_the_network(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    batch = make_batch(1)
    plain, mixed = WindowMetric(LPIPS(network)), WindowMetric(LPIPS(network))
    plain.update(batch["targets"] * 0.5, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed.update(batch["targets"] * 0.5, batch)
    assert torch.equal(plain.compute(), mixed.compute())


def test_state_and_pickle_leave_the_network_out(network: nn.Module) -> None:
    metrics = frame_metrics(network)
    assert metrics.state_dict() == {}
    assert list(metrics.parameters()) == []
    content = io.BytesIO()
    torch.save(metrics.state_dict(), content)
    assert content.tell() < 2000


def test_pictures_too_small_for_alexnet_have_no_lpips(
    make_batch: Callable[..., WindowBatch], network: nn.Module
) -> None:
    metric = WindowMetric(LPIPS(network))
    for height, index in ((30, 0), (31, 1)):
        batch = make_batch(1, height=height, start=index)
        metric.update(batch["targets"] * 0.5, batch)
    assert metric.per_window()[1].tolist() == [1]
