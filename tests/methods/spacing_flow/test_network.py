import torch

from inbetween.methods.spacing_flow.composition import compose
from inbetween.methods.spacing_flow.flow_candidates import ConsistencyFeatures, FlowCandidates
from inbetween.methods.spacing_flow.matching import matching_loss
from inbetween.methods.spacing_flow.network import IntermediateFlow
from tests.tiny import blobs


def test_a_new_network_believes_the_classical_flow():
    torch.manual_seed(0)
    network = IntermediateFlow()
    first, last = blobs(), blobs(8)
    flow_01, flow_10 = torch.zeros(2, 1, 2, 64, 64)
    flow_01[:, 0], flow_10[:, 0] = 8, -8
    spacing = torch.full((1, 1, 1, 64, 64), 0.5)
    with torch.no_grad():
        frame = compose(first, last, spacing[:, 0], network(first, last, spacing, flow_01, flow_10))
        unconditioned = compose(
            first, last, spacing[:, 0], network(first, last, spacing, *torch.zeros(2, 1, 2, 64, 64))
        )
    inner = (..., slice(16, -16))
    error = (frame - blobs(4))[inner].abs().mean()
    assert error < 0.02
    assert error < 0.2 * (unconditioned - blobs(4))[inner].abs().mean()


def test_gradients_reach_every_weight():
    network = IntermediateFlow()
    spacing = torch.full((1, 2, 1, 64, 64), 0.4)
    flow = torch.ones(1, 2, 64, 64)
    result = network(blobs(), blobs(3), spacing, flow, -flow)
    frame = compose(blobs().expand(2, -1, -1, -1), blobs(3).expand(2, -1, -1, -1), spacing[0], result)
    matched = matching_loss(
        network.matcher, *result.descriptors, torch.ones(1, 4, 64, 64), torch.ones(1, 1, 64, 64)
    )
    (frame.mean() + result.error.mean() + sum(level.mean() for level in result.levels) + matched).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_evidence_tells_a_passer_by_from_what_it_covers():
    """Last shows a thing, come from the left by 8 pixels, where first shows the ground that it covers."""
    first, last = torch.zeros(2, 1, 5, 16, 16)
    last[:, [0, 2], 4:8, 8:12] = 8
    first[:, 4], last[:, 4] = 1, 0.25
    still = torch.zeros(1, 2, 16, 16)
    seen = ConsistencyFeatures(first, last).seen(still, still, still)
    assert seen.shape == (1, 10, 16, 16)
    assert seen[:, :4].abs().max() < 1e-5
    torch.testing.assert_close(seen[0, [5, 7], 4:8, 8:12], torch.full((2, 4, 4), 0.5))
    assert seen[0, 5:9, :, :8].abs().max() < 1e-5
    torch.testing.assert_close(seen[0, 4], torch.ones(16, 16))
    torch.testing.assert_close(seen[0, 9], torch.full((16, 16), 0.25))
    # a pixel half-way that goes along with the thing finds it in last, and other ways in first
    displacement = torch.zeros(1, 2, 16, 16)
    displacement[:, 0] = 8
    seen = ConsistencyFeatures(first, last).seen(-displacement / 2, displacement / 2, displacement)
    assert seen[0, 5, 4:8, 4:8].abs().max() < 1e-5
    torch.testing.assert_close(seen[0, 0, 4:8, 4:8], torch.full((4, 4), -0.5))


def test_pooling_halves_ways_and_lets_surer_guesses_count_more():
    displacements, confidence = torch.zeros(1, 4, 2, 2, 2), torch.zeros(1, 4, 2, 2)
    displacements[:, :, 0, 0, 0], confidence[:, :, 0, 0] = 6, 1
    small = FlowCandidates(displacements, confidence).pooled()
    torch.testing.assert_close(
        small.displacements[0, :, :, 0, 0], torch.tensor([3.0, 0]).expand(4, 2), atol=0.02, rtol=0
    )
    torch.testing.assert_close(small.confidence, torch.full((1, 4, 1, 1), 0.25))
    known = torch.ones(1, 5, 2, 2)
    assert [x.flatten().tolist() for x in ConsistencyFeatures(known, known).pooled()] == [
        [0.5, 0.5, 0.5, 0.5, 1]
    ] * 2
