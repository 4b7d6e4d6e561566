"""Still content stays as it is, and what moves over it is still drawn."""

import pytest
import torch
from torch import Tensor

from inbetween.methods.loading import load_method
from inbetween.methods.spacing_flow.composition import Intermediate, compose
from inbetween.methods.spacing_flow.still import StillContent, compose_still, dilate, hold_still
from inbetween.paths import find_checkpoint, find_config

SIDE = 160
RADIUS = 22
RED = torch.tensor([0.85, 0.2, 0.15]).view(3, 1, 1)


def disc(center: float) -> Tensor:
    """Opacity (1, SIDE, SIDE) of an antialiased disc."""
    y, x = torch.meshgrid(torch.arange(SIDE) - SIDE / 2, torch.arange(SIDE) - float(center), indexing="ij")
    return (RADIUS - torch.hypot(x, y) + 0.5).clamp(0, 1)[None]


def scene(center: float, background: Tensor) -> Tensor:
    """A flat disc over a background (3, SIDE, SIDE), (1, 3, SIDE, SIDE)."""
    opacity = disc(center)
    return (background * (1 - opacity) + RED * opacity)[None]


def bars() -> Tensor:
    """Two of eight pixels are dark."""
    return torch.where(torch.arange(SIDE) % 8 < 2, 0.1, 1.0).expand(3, SIDE, SIDE)


def prediction(motion: Tensor) -> Intermediate:
    mask = torch.zeros(1, 1, SIDE, SIDE)
    return Intermediate(motion, mask, mask.expand(-1, 3, -1, -1), mask - 1, [])


def leaking(distance: float) -> Tensor:
    """The disc's motion, everywhere."""
    motion = torch.zeros(1, 4, SIDE, SIDE)
    motion[:, 0] = distance
    return motion


def interpolated(first: Tensor, last: Tensor, motion: Tensor, spacing: float = 0.5) -> tuple[Tensor, Tensor]:
    """The frame at a spacing with and without held pixels."""
    maps = torch.full((1, 1, SIDE, SIDE), spacing)
    held = StillContent(first, last).held(motion, maps)
    found = hold_still(prediction(motion), held)
    plain = compose(first, last, maps, prediction(motion))
    return compose_still(compose(first, last, maps, found), first, last, held), plain


@pytest.mark.parametrize("spacing", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("distance", [20, 45, 60])
def test_bars_do_not_move_with_a_disc_before_them(distance: int, spacing: float) -> None:
    """Nor where the disc covers them in one keyframe; the disc itself is drawn over them, without holes."""
    begin = (SIDE - distance) / 2
    first, last = scene(begin, bars()), scene(begin + distance, bars())
    center = begin + spacing * distance
    truth = scene(center, bars())
    frame, plain = interpolated(first, last, leaking(distance), spacing)
    covered = torch.cat([disc(begin + distance * t / 100) for t in range(101)]).amax(0) > 0
    assert (plain - truth)[..., ~covered].abs().amax() > 0.5
    assert torch.equal(frame[..., ~covered], first[..., ~covered])
    # its outline is read between pixels
    inside = disc(center + 0.0)[0] == 1
    assert (frame - truth)[..., inside].abs().amax() < 0.15
    # uncovered bars, but for the outline
    beside = covered & ~dilate(disc(center)[None] > 0, 4)[0, 0]
    wrong = ((frame - truth)[0].abs().amax(0) > 16 / 255)[beside].float().mean()
    assert wrong < 0.3 * ((plain - truth)[0].abs().amax(0) > 16 / 255)[beside].float().mean()


def test_a_flat_thing_that_overlaps_itself_has_no_holes() -> None:
    paper = torch.ones(3, SIDE, SIDE)
    first, last = scene(70, paper), scene(90, paper)
    frame, plain = interpolated(first, last, leaking(20))
    torch.testing.assert_close(frame, plain, atol=1e-4, rtol=0)
    torch.testing.assert_close(frame, scene(80, paper), atol=1e-3, rtol=0)


def test_a_thing_that_covers_bars_only_in_between_is_drawn() -> None:
    first, last = scene(40, bars()), scene(120, bars())
    only_between = (disc(80) == 1) & (disc(40) + disc(120) == 0)
    assert only_between.sum() > 500
    frame = interpolated(first, last, leaking(80))[0]
    assert (frame[0] - RED).abs().amax(0)[only_between[0]].amax() < 1e-3


def test_every_channel_counts_and_what_differs_slightly_is_blended() -> None:
    first = torch.cat([bars(), torch.ones(1, SIDE, SIDE)])[None]
    maps = torch.full((1, 1, SIDE, SIDE), 0.25)
    last = first.clone()
    last[:, 3, 40:80] = 0.5
    where = StillContent(first, last).held(torch.zeros(1, 4, SIDE, SIDE), maps).where
    assert not where[..., 40:80, :].any()
    assert where[..., :40, :].all()
    close = first - 1 / 255
    held = StillContent(first, close).held(leaking(5), maps)
    assert held.where.all()
    assert torch.equal(held.share, 1 - maps)
    frame = compose_still(torch.zeros_like(first), first, close, held)
    torch.testing.assert_close(frame, first - 0.25 / 255)


def test_small_images_and_motion_out_of_the_image() -> None:
    for height, width in ((1, 1), (3, 2), (1, 9)):
        image = torch.rand(2, 3, height, width)
        motion = torch.full((6, 4, height, width), 50.0)
        assert StillContent(image, image).held(motion, torch.full((6, 1, height, width), 0.4)).where.all()


@pytest.mark.parametrize("radius", [1, 5])
def test_dilation_is_a_maximum(radius: int) -> None:
    mask = torch.rand(2, 1, 23, 31) > 0.98
    pooled = torch.nn.functional.max_pool2d(mask.float(), 2 * radius + 1, 1, radius) > 0
    assert torch.equal(dilate(mask, radius), pooled)


def test_shipped_spacing_flow_keeps_bars_beside_a_disc() -> None:
    method = load_method(
        find_config("spacing_flow.yaml"), find_checkpoint("spacing_flow/weights.safetensors")
    )
    background = bars().clone()
    background[:, : SIDE // 2 + RADIUS + 3] = 1
    first, last = scene(50, background), scene(110, background)
    t = torch.tensor([[0.25, 0.5, 0.75]])
    below = slice(SIDE // 2 + RADIUS + 4, None)
    frames = method.interpolate(first, last, t)
    assert torch.equal(frames[..., below, :], first[:, None, :, below].expand(-1, 3, -1, -1, -1))
    flows = method.flows({"first": first, "last": last, "t": t})  # type: ignore[typeddict-item]
    assert not flows[..., below, :].any()
    spacing = t.view(1, 3, 1, 1, 1).expand(-1, -1, 1, SIDE, SIDE)
    assert method.interpolate_spaced(first, last, spacing)[1][..., below, :].amax() < 0.005
    ends = method.interpolate(first, last, torch.tensor([[0.0, 1.0]]))
    torch.testing.assert_close(ends[0], torch.cat([first, last]), atol=1e-4, rtol=0)
