"""SSIM and PSNR against plain numpy and against torchmetrics."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torchmetrics.functional.image import (
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from inbetween.metrics import PSNR, SSIM, WindowMetric
from inbetween.types import WindowBatch


def ssim_by_hand(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM of (H, W) pictures from its definition, one position at a time."""
    offset = np.arange(11) - 5
    weight = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    values = []
    x, y = np.pad(x, 5, mode="reflect"), np.pad(y, 5, mode="reflect")
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            mu_a, mu_b = (weight * a).sum(), (weight * b).sum()
            var_a, var_b = (weight * (a - mu_a) ** 2).sum(), (weight * (b - mu_b) ** 2).sum()
            cov = (weight * (a - mu_a) * (b - mu_b)).sum()
            values.append(
                (2 * mu_a * mu_b + 1e-4)
                * (2 * cov + 9e-4)
                / ((mu_a**2 + mu_b**2 + 1e-4) * (var_a + var_b + 9e-4))
            )
    return float(np.mean(values))


def test_ssim_is_its_definition(make_batch: Callable[..., WindowBatch]) -> None:
    batch = make_batch(1, between=2, height=17, width=19)
    frames = (batch["targets"] + 0.1 * torch.rand_like(batch["targets"])).clamp(0, 1)
    metric = WindowMetric(SSIM())
    metric.update(frames, batch)
    x, y = frames[0].double().numpy(), batch["targets"][0].double().numpy()
    expected = np.mean([ssim_by_hand(x[n, c], y[n, c]) for n in range(2) for c in range(3)])
    assert float(metric.compute()) == pytest.approx(expected, abs=1e-5)


def test_fidelity_agrees_with_torchmetrics(make_batch: Callable[..., WindowBatch]) -> None:
    batch = make_batch(3)
    frames = batch["targets"].flip(1) * 0.8
    ssim, psnr = WindowMetric(SSIM()), WindowMetric(PSNR())
    ssim.update(frames, batch)
    psnr.update(frames, batch)
    x, y = frames.flatten(0, 1), batch["targets"].flatten(0, 1)
    assert ssim.compute() == pytest.approx(
        float(structural_similarity_index_measure(x, y, data_range=1.0)), abs=1e-5
    )
    assert psnr.compute() == pytest.approx(
        float(peak_signal_noise_ratio(x, y, data_range=1.0, dim=(1, 2, 3))), abs=1e-4
    )


def test_an_exact_frame_counts_sixty_decibels(make_batch: Callable[..., WindowBatch]) -> None:
    batch = make_batch(1, between=2)
    frames = batch["targets"].clone()
    frames[:, 1] += 0.1
    metric = WindowMetric(PSNR())
    metric.update(frames, batch)
    assert float(metric.compute()) == pytest.approx((60 + 20) / 2, abs=1e-3)


def test_padding_does_not_flatter(make_batch: Callable[..., WindowBatch]) -> None:
    whole = make_batch(2)
    frames = whole["targets"] * 0.7
    expected_ssim, expected_psnr = WindowMetric(SSIM()), WindowMetric(PSNR())
    expected_ssim.update(frames, whole)
    expected_psnr.update(frames, whole)

    def pad(images: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(images, (7, 9, 5, 11), value=1.0)

    padded = {**whole, **{key: pad(whole[key]) for key in ("first", "last", "targets")}}
    padded["box"] = torch.tensor([[5, 7, 40, 48]] * 2)
    for metric, expected in ((WindowMetric(SSIM()), expected_ssim), (WindowMetric(PSNR()), expected_psnr)):
        metric.update(pad(frames), padded)
        assert torch.equal(metric.compute(), expected.compute())


def test_bfloat16_frames_are_measured_in_float32(make_batch: Callable[..., WindowBatch]) -> None:
    batch = make_batch(1)
    frames = (batch["targets"] * 0.9).bfloat16()
    narrow, wide = WindowMetric(PSNR()), WindowMetric(PSNR())
    narrow.update(frames, batch)
    wide.update(frames.float(), batch)
    assert torch.equal(narrow.compute(), wide.compute())
    assert narrow.compute().dtype == torch.float32


def test_a_picture_smaller_than_the_window_has_no_ssim(make_batch: Callable[..., WindowBatch]) -> None:
    metric = WindowMetric(SSIM())
    small, large = make_batch(1, height=10), make_batch(1, start=1)
    metric.update(small["targets"], small)
    metric.update(large["targets"] * 0.5, large)
    scores, index = metric.per_window()
    assert index.tolist() == [1]
    assert scores.shape == (1,)
