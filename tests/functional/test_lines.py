"""Line extraction and chamfer distance."""

import math

import numpy as np
import pytest
import torch

from inbetween.functional.lines import chamfer_distance, distance_to_lines, line_mask


def by_brute_force(a: np.ndarray, b: np.ndarray) -> float:
    """Chamfer distance from all pairs of line pixels, in pixels."""
    p, q = np.argwhere(a).astype(float), np.argwhere(b).astype(float)
    distances = np.sqrt(((p[:, None] - q[None]) ** 2).sum(-1))
    return (distances.min(1).mean() + distances.min(0).mean()) / 2


@pytest.mark.parametrize("seed", range(4))
def test_chamfer_distance_is_that_of_all_pairs(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = torch.rand(13, 21, generator=generator) < 0.05
    b = torch.rand(13, 21, generator=generator) < 0.1
    expected = by_brute_force(a.numpy(), b.numpy()) / math.hypot(13, 21)
    assert chamfer_distance(a, b) == pytest.approx(expected, rel=1e-5)
    assert chamfer_distance(a, b) == chamfer_distance(b, a)


def test_parallel_lines_are_their_spacing_apart() -> None:
    a, b = torch.zeros(30, 40, dtype=torch.bool), torch.zeros(30, 40, dtype=torch.bool)
    a[:, 10], b[:, 15] = True, True
    assert chamfer_distance(a, b) == pytest.approx(5 / 50)
    assert distance_to_lines(a)[3].tolist() == [abs(column - 10) for column in range(40)]


def test_without_lines() -> None:
    none, some = torch.zeros(8, 8, dtype=torch.bool), torch.zeros(8, 8, dtype=torch.bool)
    some[4] = True
    assert chamfer_distance(none, none) == 0
    assert chamfer_distance(none, some) == chamfer_distance(some, none) == 1
    assert chamfer_distance(some, some) == 0


def test_a_dark_line_is_found_where_it_is() -> None:
    image = torch.ones(3, 32, 32)
    image[:, :, 16] = 0.1
    lines = line_mask(image)
    assert lines[:, 16].all()
    assert not lines[:, :14].any()
    assert not lines[:, 19:].any()


def test_flat_paint_bright_lines_and_faint_noise_are_no_lines() -> None:
    assert not line_mask(torch.full((3, 32, 32), 0.4)).any()
    bright = torch.full((3, 32, 32), 0.4)
    bright[:, :, 16] = 0.9
    assert not line_mask(bright)[:, 16].any()
    noise = 0.8 + 0.005 * torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert not line_mask(noise).any()


def test_only_the_dark_side_of_an_edge_counts() -> None:
    edge = torch.ones(3, 32, 32)
    edge[:, :, 16:] = 0.3
    lines = line_mask(edge)
    assert lines[:, 16].all()
    assert not lines[:, :16].any()
