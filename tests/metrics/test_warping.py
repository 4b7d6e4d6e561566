"""Warping error on pictures whose motion is known."""

import pytest
import torch

from inbetween.metrics import WarpingError, WindowMetric
from inbetween.metrics.warping import dis_flows, visible_after
from inbetween.types import WindowBatch


@pytest.fixture
def sliding() -> WindowBatch:
    """A textured picture that slides 3 pixels to the right from frame to frame."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 18, 34, generator=generator)
    wide = torch.nn.functional.interpolate(noise, size=(72, 136), mode="bicubic").clamp(0, 1)[0]
    clip = torch.stack([wide[:, :64, 40 - 3 * k : 120 - 3 * k] for k in range(5)])
    return {
        "first": clip[None, 0],
        "last": clip[None, 4],
        "targets": clip[None, 1:4],
        "t": torch.tensor([[0.25, 0.5, 0.75]]),
        "box": torch.tensor([[0, 0, 64, 80]]),
        "index": torch.tensor([0]),
        "seed": torch.tensor([0]),
        "name": ["a/b/c"],
    }


def test_flows_have_the_right_sign_and_order(sliding: WindowBatch) -> None:
    forward, backward = dis_flows(sliding["targets"][0])
    assert forward.shape == (2, 2, 64, 80)
    centre = (..., slice(16, 48), slice(16, 64))
    assert forward[:, 0][centre].median() == pytest.approx(3, abs=0.1)
    assert backward[:, 0][centre].median() == pytest.approx(-3, abs=0.1)
    assert forward[:, 1][centre].median() == pytest.approx(0, abs=0.1)


def test_true_motion_scores_near_zero_and_still_or_reversed_motion_does_not(sliding: WindowBatch) -> None:
    def error(frames: torch.Tensor) -> float:
        metric = WindowMetric(WarpingError())
        metric.update(frames, sliding)
        return float(metric.compute())

    true = error(sliding["targets"])
    frozen = error(sliding["first"][:, None].expand(-1, 3, -1, -1, -1))
    reverse = error(sliding["targets"].flip(1))
    assert true < 0.004
    assert frozen > 10 * true
    assert reverse > frozen


def test_an_offset_of_one_frame_gives_its_size(sliding: WindowBatch) -> None:
    frames = sliding["targets"].clone()
    frames[:, 1] += 0.2
    metric, plain = WindowMetric(WarpingError()), WindowMetric(WarpingError())
    metric.update(frames, sliding)
    plain.update(sliding["targets"], sliding)
    # two of the four pairs of neighbours differ by 0.2
    assert float(metric.compute()) == pytest.approx(0.1, abs=float(plain.compute()))


def test_pixels_that_are_covered_or_leave_are_not_visible() -> None:
    forward = torch.zeros(1, 2, 12, 12)
    backward = torch.zeros(1, 2, 12, 12)
    forward[:, 0, :, 8:] = 4  # columns 8 to 11 leave the picture
    forward[:, 0, :, 2:4] = 3  # columns 2 and 3 move under what stays at 5 and 6
    visible = visible_after(forward, backward)[0, 0]
    assert visible.all(dim=0).tolist() == [column not in (2, 3, 8, 9, 10, 11) for column in range(12)]


def test_defined_for_a_single_frame_but_not_for_a_tiny_picture(sliding: WindowBatch) -> None:
    metric = WindowMetric(WarpingError())
    single = {**sliding, "targets": sliding["targets"][:, 1:2], "t": sliding["t"][:, 1:2]}
    metric.update(single["targets"], single)
    tiny = {**sliding, "box": torch.tensor([[0, 0, 11, 80]]), "index": torch.tensor([7])}
    metric.update(tiny["targets"], tiny)
    assert metric.per_window()[1].tolist() == [0]
