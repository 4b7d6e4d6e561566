"""Line distance of whole windows."""

import math

import pytest
import torch

from inbetween.metrics import LineChamferDistance, WindowMetric
from inbetween.types import WindowBatch


def stripes(*columns: int) -> torch.Tensor:
    """One white frame (3, 40, 60) for each column, with a dark vertical line there; -1 draws none."""
    frames = torch.ones(len(columns), 3, 40, 60)
    for frame, column in zip(frames, columns, strict=True):
        if column >= 0:
            frame[:, :, column] = 0
    return frames


def window(targets: torch.Tensor) -> WindowBatch:
    return {
        "first": targets[None, 0],
        "last": targets[None, -1],
        "targets": targets[None],
        "t": torch.tensor([[0.3, 0.6]]),
        "box": torch.tensor([[0, 0, 40, 60]]),
        "index": torch.tensor([0]),
        "seed": torch.tensor([0]),
        "name": ["a/b/c"],
    }


def test_unit_is_a_ten_thousandth_of_the_diagonal() -> None:
    metric = WindowMetric(LineChamferDistance())
    metric.update(stripes(10, 31)[None], window(stripes(10, 35)))
    # a drawn line is three pixels wide: the nearest of the other are 3, 4 and 5 ... 4 - 1 pixels away
    width = 1e4 / math.hypot(40, 60)
    expected = (0 + width * (4 + 3 + 2) / 3) / 2
    assert float(metric.compute()) == pytest.approx(expected, rel=1e-5)


def test_a_frame_without_lines_costs_a_diagonal_and_two_cost_nothing() -> None:
    one, both = WindowMetric(LineChamferDistance()), WindowMetric(LineChamferDistance())
    one.update(stripes(-1, 20)[None], window(stripes(20, 20)))
    both.update(stripes(-1, 20)[None], window(stripes(-1, 20)))
    assert float(one.compute()) == pytest.approx(5000)
    assert float(both.compute()) == 0
