"""Metrics on (preds, target), as torchmetrics' own are used."""

import doctest
import importlib
import pickle
import pkgutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torchmetrics import MetricCollection

import inbetween.metrics
from inbetween.errors import UserError
from inbetween.metrics import (
    LPIPS,
    PSNR,
    SSIM,
    EndPointError,
    LineChamferDistance,
    OracleTimingLPIPS,
    SampleMetric,
    TemporalCoherence,
    TemporalCoherenceGap,
    WarpingError,
    frame_metrics,
    window_scores,
)
from inbetween.types import WindowBatch

Make = Callable[[nn.Module], SampleMetric]
IMAGES: dict[str, Make] = {
    "ssim": lambda network: SSIM(),
    "psnr": lambda network: PSNR(),
    "lpips": LPIPS,
    "line_chamfer_distance": lambda network: LineChamferDistance(),
}
CLIPS: dict[str, Make] = {
    "temporal_coherence": TemporalCoherence,
    "temporal_coherence_gap": TemporalCoherenceGap,
    "warping_error": lambda network: WarpingError(),
}


@pytest.fixture
def windows(make_batch: Callable[..., WindowBatch]) -> WindowBatch:
    return make_batch(4)


def of_windows(frames: torch.Tensor, windows: WindowBatch, network: nn.Module) -> dict[str, list[float]]:
    """What the metrics of windows say."""
    metrics = frame_metrics(network)
    metrics.update(frames, windows)
    return {name: scores.tolist() for name, (scores, _) in window_scores(metrics).items()}


@pytest.mark.parametrize("name", IMAGES)
def test_images_give_what_windows_do(windows: WindowBatch, network: nn.Module, name: str) -> None:
    frames, targets = windows["targets"].flip(1) * 0.9, windows["targets"]
    expected = of_windows(frames, windows, network)[name]
    metric = IMAGES[name](network)
    for row, score in enumerate(expected):
        assert float(metric(frames[row], targets[row])) == pytest.approx(score, rel=1e-5)
    # `metric(preds, target)` gives the batch's value and counts it, as torchmetrics' do
    assert float(metric.compute()) == pytest.approx(sum(expected) / 4, rel=1e-5)
    assert float(metric.count) == 12
    metric.reset()
    metric.update(frames.flatten(0, 1), targets.flatten(0, 1))
    assert float(metric.compute()) == pytest.approx(sum(expected) / 4, rel=1e-5)


@pytest.mark.parametrize("name", CLIPS)
def test_clips_give_what_windows_do(windows: WindowBatch, network: nn.Module, name: str) -> None:
    frames, targets = windows["targets"].flip(1) * 0.9, windows["targets"]
    expected = of_windows(frames, windows, network)[name]
    if CLIPS[name](network).with_keyframes:
        ends = windows["first"][:, None], windows["last"][:, None]
        frames, targets = (torch.cat([ends[0], clip, ends[1]], dim=1) for clip in (frames, targets))
    metric = CLIPS[name](network)
    assert float(metric(frames, targets)) == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_they_stand_in_a_collection_and_are_copied_and_pickled(network: nn.Module) -> None:
    metrics = MetricCollection({name: make(network) for name, make in IMAGES.items()})
    images = torch.rand(2, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    found = metrics(images * 0.5, images)
    for copied in (metrics.clone(), pickle.loads(pickle.dumps(metrics))):
        copied.reset()
        for name, value in copied(images * 0.5, images).items():
            assert torch.equal(value, found[name])
    assert metrics.state_dict() == {}


def test_changed_in_place_images_are_measured_anew(network: nn.Module) -> None:
    metric, images = LPIPS(network), torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    target = images.clone()
    assert metric(images, target) == 0
    images.mul_(0.3)
    assert metric(images, target) > 0


def test_images_too_small_do_not_count(network: nn.Module) -> None:
    metric = LPIPS(network)
    metric.update(torch.zeros(2, 3, 30, 64), torch.ones(2, 3, 30, 64))
    assert metric.compute().isnan()
    large = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    metric.update(large * 0.5, large)
    assert metric.count == 1
    assert metric.compute() > 0


def test_oracle_timing_takes_any_number_of_frames(network: nn.Module) -> None:
    clip = torch.rand(2, 5, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert OracleTimingLPIPS(network)(clip, clip[:, [3, 1]]) == 0


@pytest.mark.parametrize(
    ("metric", "preds", "target"),
    [
        (SSIM(), (3, 8, 8), (3, 8, 8)),
        (PSNR(), (1, 3, 8, 8), (2, 3, 8, 8)),
        (LineChamferDistance(), (1, 1, 8, 8), (1, 1, 8, 8)),
        (EndPointError(), (1, 3, 8, 8), (1, 3, 8, 8)),
        (WarpingError(), (1, 3, 8, 8), (1, 3, 8, 8)),
    ],
)
def test_wrong_shapes_are_said(metric: SampleMetric, preds: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(UserError) as caught:
        metric.update(torch.zeros(preds), torch.zeros(target))
    shape = ", ".join(metric.shape)
    assert str(caught.value) == (
        f"preds has the shape {preds} and target {target}: {type(metric).__name__} takes both as ({shape})."
    )


def test_lpips_finds_its_weights_or_says_how_to_get_them(
    alexnet_file: Path, network: nn.Module, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images = torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    assert torch.equal(LPIPS(alexnet_file)(images * 0.5, images), LPIPS(network)(images * 0.5, images))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(UserError, match="python -m inbetween fetch-"):
        LPIPS()
    folder = tmp_path / "cache" / "inbetween"
    folder.mkdir(parents=True)
    (folder / "alexnet_features.safetensors").write_bytes(alexnet_file.read_bytes())
    assert LPIPS()(images * 0.5, images) > 0


def test_examples_in_docstrings_are_right() -> None:
    tried = 0
    for module in pkgutil.iter_modules(inbetween.metrics.__path__):
        found = importlib.import_module(f"inbetween.metrics.{module.name}")
        tried += doctest.testmod(found, raise_on_error=True).attempted
    assert tried >= 6
