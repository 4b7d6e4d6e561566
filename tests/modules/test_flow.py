import torch
from torch.nn import functional as F

from inbetween.modules.composition import DECISION, Intermediate, agreed, compose, decided, end_flows
from inbetween.modules.flow import IntermediateFlow
from inbetween.modules.guesses import Evidence, Guesses
from inbetween.modules.matching import matching_loss


def blobs(shift: int = 0, size: int = 64) -> torch.Tensor:
    """Dark smooth blobs on white, moved right by `shift` pixels."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, size // 8, size // 8, generator=generator)
    picture = F.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)
    return picture.roll(shift, dims=-1)


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


def test_compose_reaches_the_keyframes_whatever_the_network_says():
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


def test_compose_takes_one_drawing_whole_where_they_differ():
    first, last = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)
    half = torch.full((1, 1, 64, 64), 0.5)

    def drawn(spacing: torch.Tensor, mask: float = 0.0) -> torch.Tensor:
        what = found(torch.zeros(1, 4, 64, 64), mask=mask)
        return compose(first, last, spacing, decided(first, last, spacing, what), DECISION)

    assert drawn(half, 0.4).max() < 0.02
    assert drawn(half, -0.4).min() > 0.98
    # the nearer keyframe where nothing is known
    assert drawn(half / 2).max() < 0.02
    # training blends by the odds
    blend = compose(first, last, half, found(torch.zeros(1, 4, 64, 64)))
    torch.testing.assert_close(blend, torch.full_like(blend, 0.5))


def test_a_drawing_is_never_empty():
    """First shows a line on the left, last one on the right, and the mask takes paper at both places."""
    first, last = torch.ones(2, 1, 3, 64, 64)
    first[..., 8:56, 12], last[..., 8:56, 50] = 0, 0
    lost = found(torch.zeros(1, 4, 64, 64))
    lost.mask[..., :32], lost.mask[..., 32:] = -0.4, 0.4
    for s, shown in ((0.45, first), (0.2, first), (0.8, last)):
        spacing = torch.full((1, 1, 64, 64), s)
        frame = compose(first, last, spacing, decided(first, last, spacing, lost), DECISION)
        torch.testing.assert_close(frame, shown, atol=0.02, rtol=0)


def test_neighbours_choose_together_by_what_is_at_stake():
    mask = torch.full((1, 1, 40, 40), -0.5)
    stake = torch.zeros(1, 1, 40, 40)
    mask[..., 18:22, 18:22], stake[..., 18:22, 18:22] = 1.0, 0.5
    one = agreed(mask, stake)
    assert one[..., 12:28, 12:28].min() > 0.8
    torch.testing.assert_close(one[..., :4, :4], mask[..., :4, :4])
    torch.testing.assert_close(agreed(mask * 0 + 0.3, stake), mask * 0 + 0.3)


def test_a_new_network_believes_the_classical_flow():
    torch.manual_seed(0)
    network = IntermediateFlow()
    first, last = blobs(), blobs(8)
    flow_01, flow_10 = torch.zeros(2, 1, 2, 64, 64)
    flow_01[:, 0], flow_10[:, 0] = 8, -8
    spacing = torch.full((1, 1, 1, 64, 64), 0.5)
    with torch.no_grad():
        frame = compose(first, last, spacing[:, 0], network(first, last, spacing, flow_01, flow_10))
        blind = compose(
            first, last, spacing[:, 0], network(first, last, spacing, *torch.zeros(2, 1, 2, 64, 64))
        )
    inner = (..., slice(16, -16))
    error = (frame - blobs(4))[inner].abs().mean()
    assert error < 0.02
    assert error < 0.2 * (blind - blobs(4))[inner].abs().mean()


def test_gradients_reach_every_weight():
    network = IntermediateFlow()
    spacing = torch.full((1, 2, 1, 64, 64), 0.4)
    flow = torch.ones(1, 2, 64, 64)
    result = network(blobs(), blobs(3), spacing, flow, -flow)
    frame = compose(blobs().expand(2, -1, -1, -1), blobs(3).expand(2, -1, -1, -1), spacing[0], result)
    matched = matching_loss(
        network.matcher, *result.marks, torch.ones(1, 4, 64, 64), torch.ones(1, 1, 64, 64)
    )
    (frame.mean() + result.error.mean() + sum(level.mean() for level in result.levels) + matched).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_evidence_tells_a_passer_by_from_what_it_covers():
    """Last shows a thing, come from the left by 8 pixels, where first shows the ground that it covers."""
    first, last = torch.zeros(2, 1, 5, 16, 16)
    last[:, [0, 2], 4:8, 8:12] = 8
    first[:, 4], last[:, 4] = 1, 0.25
    still = torch.zeros(1, 2, 16, 16)
    seen = Evidence(first, last).seen(still, still, still)
    assert seen.shape == (1, 10, 16, 16)
    assert seen[:, :4].abs().max() < 1e-5
    torch.testing.assert_close(seen[0, [5, 7], 4:8, 8:12], torch.full((2, 4, 4), 0.5))
    assert seen[0, 5:9, :, :8].abs().max() < 1e-5
    torch.testing.assert_close(seen[0, 4], torch.ones(16, 16))
    torch.testing.assert_close(seen[0, 9], torch.full((16, 16), 0.25))
    # a pixel half-way that goes along with the thing finds it in last, and other ways in first
    way = torch.zeros(1, 2, 16, 16)
    way[:, 0] = 8
    seen = Evidence(first, last).seen(-way / 2, way / 2, way)
    assert seen[0, 5, 4:8, 4:8].abs().max() < 1e-5
    torch.testing.assert_close(seen[0, 0, 4:8, 4:8], torch.full((4, 4), -0.5))


def test_pooling_halves_ways_and_lets_surer_guesses_count_more():
    ways, sure = torch.zeros(1, 4, 2, 2, 2), torch.zeros(1, 4, 2, 2)
    ways[:, :, 0, 0, 0], sure[:, :, 0, 0] = 6, 1
    small = Guesses(ways, sure).pooled()
    torch.testing.assert_close(
        small.ways[0, :, :, 0, 0], torch.tensor([3.0, 0]).expand(4, 2), atol=0.02, rtol=0
    )
    torch.testing.assert_close(small.sure, torch.full((1, 4, 1, 1), 0.25))
    known = torch.ones(1, 5, 2, 2)
    assert [x.flatten().tolist() for x in Evidence(known, known).pooled()] == [[0.5, 0.5, 0.5, 0.5, 1]] * 2
