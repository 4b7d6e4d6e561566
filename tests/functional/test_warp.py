from typing import Literal

import pytest
import torch

from inbetween.functional.warp import backward_warp, pixel_grid


def test_pulls_from_where_the_flow_points():
    image = torch.zeros(1, 1, 5, 7)
    image[0, 0, 2, 4] = 1
    flow = torch.zeros(1, 2, 5, 7)
    flow[:, 0], flow[:, 1] = 3, 1  # x, then y
    warped = backward_warp(image, flow)
    assert warped[0, 0, 1, 1] == 1
    assert warped.sum() == 1


def test_half_a_pixel_is_the_mean_of_two():
    image = torch.tensor([0.0, 1.0, 4.0]).view(1, 1, 1, 3)
    flow = torch.zeros(1, 2, 1, 3)
    flow[:, 0] = 0.5
    torch.testing.assert_close(backward_warp(image, flow).flatten(), torch.tensor([0.5, 2.5, 4.0]))


def test_bicubic_keeps_a_line_sharper():
    line = torch.zeros(1, 1, 8, 9)
    line[..., 4] = 1
    half = torch.zeros(1, 2, 8, 9)
    half[:, 0] = 0.5
    assert backward_warp(line, half, "bicubic").max() > 1.1 * backward_warp(line, half).max()
    torch.testing.assert_close(backward_warp(line, half * 0, "bicubic"), line, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_splitting_a_large_image_among_threads_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, mode: Literal["bilinear", "bicubic"]
) -> None:
    stream = torch.Generator().manual_seed(0)
    image = torch.rand(1, 4, 30, 21, generator=stream)
    flow = 20 * torch.randn(1, 2, 30, 21, generator=stream)
    whole = backward_warp(image, flow, mode)
    monkeypatch.setattr("inbetween.functional.warp.LARGE", 30 * 21)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)  # of which 6 can share 30 rows evenly
    calls = []
    sample = torch.nn.functional.grid_sample
    monkeypatch.setattr(
        torch.nn.functional,
        "grid_sample",
        lambda image, grid, **options: calls.append(grid.shape) or sample(image, grid, **options),
    )
    shared = backward_warp(image.requires_grad_(), flow, mode)
    assert calls == [(6, 5, 21, 2)]
    assert torch.equal(shared, whole)
    shared.sum().backward()
    assert image.grad is not None


def test_no_flow_changes_nothing_in_any_dtype():
    image = torch.rand(2, 3, 6, 4).bfloat16()
    warped = backward_warp(image, torch.zeros(2, 2, 6, 4))
    assert warped.dtype == torch.bfloat16
    assert torch.equal(warped, image)


def test_grid_is_x_then_y():
    grid = pixel_grid(2, 3)
    assert grid[0, :, 1, 2].tolist() == [2, 1]
