import torch

from inbetween.methods.spacing_flow.composition import compose
from inbetween.methods.spacing_flow.flow_candidates import ConsistencyFeatures, FlowCandidates
from inbetween.methods.spacing_flow.matching_loss import matching_loss
from inbetween.methods.spacing_flow.network import IntermediateFlow
from tests.tiny import blobs


def test_a_new_network_follows_the_classical_flow():
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


def test_consistency_features_distinguish_an_occluder_from_the_background():
    """Last shows an object that moved right by 8 pixels, where first shows the background it occludes."""
    first, last = torch.zeros(2, 1, 5, 16, 16)
    last[:, [0, 2], 4:8, 8:12] = 8
    first[:, 4], last[:, 4] = 1, 0.25
    still = torch.zeros(1, 2, 16, 16)
    features = ConsistencyFeatures(first, last).at(still, still, still)
    assert features.shape == (1, 10, 16, 16)
    assert features[:, :4].abs().max() < 1e-5
    torch.testing.assert_close(features[0, [5, 7], 4:8, 8:12], torch.full((2, 4, 4), 0.5))
    assert features[0, 5:9, :, :8].abs().max() < 1e-5
    torch.testing.assert_close(features[0, 4], torch.ones(16, 16))
    torch.testing.assert_close(features[0, 9], torch.full((16, 16), 0.25))
    # an in-between's pixel that moves with the object is consistent with last and not with first
    displacement = torch.zeros(1, 2, 16, 16)
    displacement[:, 0] = 8
    features = ConsistencyFeatures(first, last).at(-displacement / 2, displacement / 2, displacement)
    assert features[0, 5, 4:8, 4:8].abs().max() < 1e-5
    torch.testing.assert_close(features[0, 0, 4:8, 4:8], torch.full((4, 4), -0.5))


def test_pooling_halves_displacements_and_weights_by_confidence():
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
