"""Compositing and its inverse, with warps between them."""

import pytest
import torch

from inbetween.functional.opacity import composite, contrasting_background, uncomposite
from inbetween.functional.warp import backward_warp


def drawing() -> tuple[torch.Tensor, torch.Tensor]:
    stream = torch.Generator().manual_seed(0)
    color = torch.rand(1, 3, 9, 11, generator=stream, dtype=torch.float64)
    opacity = torch.rand(1, 1, 9, 11, generator=stream, dtype=torch.float64) * 0.9 + 0.1
    return color, opacity


@pytest.mark.parametrize("background", [0.0, 0.5, 1.0])
def test_uncomposite_inverts_composite(background: float) -> None:
    color, opacity = drawing()
    torch.testing.assert_close(uncomposite(composite(color, opacity, background), opacity, background), color)


def test_transparent_pixels_have_no_color() -> None:
    color, opacity = drawing()
    opacity[..., :4] = 0
    lifted = uncomposite(composite(color, opacity, 1.0), opacity, 1.0)
    assert lifted[..., :4].abs().max() == 0
    torch.testing.assert_close(lifted[..., 4:], color[..., 4:])


def test_a_warp_mixes_colors_by_opacity_and_never_with_the_background() -> None:
    color, opacity = drawing()
    flow = torch.full((1, 2, 9, 11), 0.5)  # warps calculate in float32
    moved = [backward_warp(x, flow) for x in (composite(color, opacity, 1.0), opacity, color * opacity)]
    torch.testing.assert_close(uncomposite(moved[0], moved[1], 1.0), moved[2] / moved[1], atol=1e-6, rtol=0)


@pytest.mark.parametrize(("ink", "inside", "background"), [(0.1, 0.9, 1.0), (0.9, 0.1, 0.0), (0.5, 0.5, 1.0)])
def test_background_contrasts_with_the_outline(ink: float, inside: float, background: float) -> None:
    color, opacity = torch.zeros(1, 3, 40, 40), torch.zeros(1, 1, 40, 40)
    color[..., 5:35, 5:35], opacity[..., 5:35, 5:35] = ink, 1.0
    color[..., 8:32, 8:32] = inside
    assert contrasting_background(color, opacity) == background
    assert contrasting_background(color, torch.ones_like(opacity)) == 1.0
