import pytest
import torch

from inbetween.methods.spacing_flow.composition import (
    MASK_SHARPNESS,
    Intermediate,
    compose,
    end_flows,
)
from inbetween.methods.spacing_flow.masks import sharpen_mask, smooth_mask
from tests.tiny import blobs


def found(motion: torch.Tensor, mask: float = 0.0, residual: float = 0.0) -> Intermediate:
    count, _, height, width = motion.shape
    return Intermediate(
        motion,
        torch.full((count, 1, height, width), mask),
        torch.full((count, 3, height, width), residual),
        torch.zeros(count, 1, height, width),
        [],
    )


def test_end_flows_meet_the_keyframes_and_keep_the_spacing():
    motion, spacing = torch.randn(2, 4, 5, 6), torch.rand(2, 1, 5, 6)
    flow_t0, flow_t1 = end_flows(motion, spacing)
    torch.testing.assert_close(flow_t1 - flow_t0, motion[:, :2])
    at_first, _ = end_flows(motion, torch.zeros(2, 1, 5, 6))
    _, at_last = end_flows(motion, torch.ones(2, 1, 5, 6))
    assert at_first.abs().max() == 0
    assert at_last.abs().max() == 0


def test_no_residual_is_a_residual_of_zero_and_a_number_is_a_map():
    first, last, prediction = blobs(), blobs(9), found(torch.randn(1, 4, 64, 64) * 20, mask=1.0)
    expected = compose(first, last, torch.full((1, 1, 64, 64), 0.3), prediction)
    number = torch.full((1, 1, 1, 1), 0.3)
    assert torch.equal(compose(first, last, number, prediction._replace(residual=None)), expected)
    assert torch.equal(compose(first, last, number, prediction), expected)


def test_compose_reaches_the_keyframes_whatever_the_network_predicts():
    first, last = blobs(), blobs(9)
    wild = found(torch.randn(1, 4, 64, 64) * 20, mask=3.0, residual=0.7)
    at_first = compose(first, last, torch.zeros(1, 1, 64, 64), wild)
    at_last = compose(first, last, torch.ones(1, 1, 64, 64), wild)
    torch.testing.assert_close(at_first, first, atol=1e-4, rtol=0)
    torch.testing.assert_close(at_last, last, atol=1e-4, rtol=0)


def test_compose_moves_opacity_with_colour_and_leaves_the_residual_out_of_it():
    motion = torch.zeros(1, 4, 64, 64)
    motion[:, 0] = 8
    first, last = (torch.cat([blobs(shift), blobs(shift)[:, :1]], dim=1) for shift in (0, 8))
    frame = compose(first, last, torch.full((1, 1, 64, 64), 0.5), found(motion, residual=0.1))
    expected = blobs(4)[:, :1]
    torch.testing.assert_close(frame[..., 8:-8][:, 3:], expected[..., 8:-8], atol=1e-4, rtol=0)
    torch.testing.assert_close(frame[..., 8:-8][:, :1], expected[..., 8:-8] + 0.1, atol=1e-4, rtol=0)


def test_sharp_masks_take_one_keyframe_where_they_differ():
    first, last = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)
    half = torch.full((1, 1, 64, 64), 0.5)

    def composed(spacing: torch.Tensor, mask: float = 0.0) -> torch.Tensor:
        what = found(torch.zeros(1, 4, 64, 64), mask=mask)
        return compose(first, last, spacing, sharpen_mask(first, last, spacing, what), MASK_SHARPNESS)

    assert composed(half, 0.4).max() < 0.02
    assert composed(half, -0.4).min() > 0.98
    # the nearer keyframe if the mask is undecided
    assert composed(half / 2).max() < 0.02
    # training blends by the mask as it is
    blend = compose(first, last, half, found(torch.zeros(1, 4, 64, 64)))
    torch.testing.assert_close(blend, torch.full_like(blend, 0.5))


@pytest.mark.parametrize(
    ("size", "line", "between", "still", "confidence"),
    [
        # first shows a line on the left, last one on the right: the whole image
        (64, (slice(8, 56), 12, 50), 32, None, 0.4),
        # a short line moves, and a static one has most line pixels: the short line's surroundings
        (192, (slice(40, 48), slice(40, 43), slice(68, 71)), 56, (slice(10, 180), 150), 0.6),
    ],
)
def test_objects_without_motion_do_not_vanish(size, line, between, still, confidence):
    """Even if the mask chooses the background at both positions."""
    rows, here, there = line
    first, last = torch.ones(2, 1, 3, size, size)
    first[..., rows, here], last[..., rows, there] = 0, 0
    if still:
        first[..., still[0], still[1]], last[..., still[0], still[1]] = 0, 0
    lost = found(torch.zeros(1, 4, size, size))
    lost.mask[..., :between], lost.mask[..., between:] = -confidence, confidence
    for s, shown in ((0.2, first), (0.45, first), (0.55, last), (0.8, last)):
        spacing = torch.full((1, 1, size, size), s)
        frame = compose(first, last, spacing, sharpen_mask(first, last, spacing, lost), MASK_SHARPNESS)
        torch.testing.assert_close(frame, shown, atol=0.02, rtol=0)


def test_swapped_keyframes_give_the_same_frame():
    """Also if both lose equally many lines."""
    first, last = torch.ones(2, 1, 3, 64, 64)
    first[..., 8:56, 12], last[..., 8:56, 50] = 0, 0
    lost = found(torch.zeros(1, 4, 64, 64))
    lost.mask[..., :32], lost.mask[..., 32:] = -0.4, 0.4
    frames = []
    for pair, s, sign in (((first, last), 0.4, 1), ((last, first), 0.6, -1)):
        spacing = torch.full((1, 1, 64, 64), s)
        what = sharpen_mask(*pair, spacing, lost._replace(mask=sign * lost.mask))
        frames.append(compose(*pair, spacing, what, MASK_SHARPNESS))
    torch.testing.assert_close(frames[0], frames[1], atol=1e-4, rtol=0)


def test_mask_smoothing_is_weighted_by_difference():
    mask = torch.full((1, 1, 40, 40), -0.5)
    difference = torch.zeros(1, 1, 40, 40)
    mask[..., 18:22, 18:22], difference[..., 18:22, 18:22] = 1.0, 0.5
    one = smooth_mask(mask, difference)
    assert one[..., 12:28, 12:28].min() > 0.8
    torch.testing.assert_close(one[..., :4, :4], mask[..., :4, :4])
    torch.testing.assert_close(smooth_mask(mask * 0 + 0.3, difference), mask * 0 + 0.3)
