import torch
from torch.nn import functional as F

from inbetween.methods.spacing_flow import matching
from inbetween.methods.spacing_flow.flow_candidates import splatted_matches
from inbetween.methods.spacing_flow.matching import Matcher, Matches, match
from inbetween.methods.spacing_flow.matching_loss import matching_loss


def descriptors(height: int = 12, width: int = 14) -> torch.Tensor:
    features = torch.randn(1, 64, height, width, generator=torch.Generator().manual_seed(0))
    return F.normalize(features, dim=1)


def sharp_matcher() -> Matcher:
    matcher = Matcher(8, 8)
    torch.nn.init.constant_(matcher.log_scale, 4.0)
    return matcher


def test_matches_of_large_motion_in_both_directions():
    first = descriptors()
    last = first.roll((2, 5), dims=(2, 3))
    flow_01, flow_10, confidence_01, _ = match(sharp_matcher(), first, last)
    assert flow_01.shape == (1, 2, 12, 14)
    assert confidence_01.shape == (1, 1, 12, 14)
    torch.testing.assert_close(
        flow_01[..., :10, :9], torch.tensor([5.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 10, 9)
    )
    torch.testing.assert_close(
        flow_10[..., 2:, 5:], torch.tensor([-5.0, -2.0]).view(1, 2, 1, 1).expand(1, 2, 10, 9)
    )
    assert confidence_01[..., :10, :9].min() > 0.9


def test_uniform_descriptors_match_in_place():
    first = F.normalize(torch.ones(1, 64, 6, 7), dim=1)
    matcher = Matcher(8, 8)
    torch.nn.init.constant_(matcher.log_penalty, 1.5)
    flow_01, _, confidence_01, _ = match(matcher, first, first)
    assert flow_01[..., 1:-1, 1:-1].abs().max() < 1e-4
    assert confidence_01.max() < 0.9


def test_large_images_are_matched_by_larger_cells(monkeypatch):
    monkeypatch.setattr(matching, "MAX_CELLS", 60)
    coarse = descriptors(5, 7)
    first = F.interpolate(coarse, scale_factor=2, mode="nearest")[..., :9, :13]
    last = F.interpolate(coarse.roll(2, dims=3), scale_factor=2, mode="nearest")[..., :9, :13]
    flow_01, *_ = match(sharp_matcher(), first, last)
    assert flow_01.shape == (1, 2, 9, 13)
    torch.testing.assert_close(flow_01[:, 0, :, :8], torch.full((1, 9, 8), 4.0))


def test_matches_are_splatted_by_spacing_and_foreground_occludes():
    flow_01, confidence = torch.zeros(1, 2, 8, 16), torch.ones(1, 1, 8, 16)
    flow_01[:, 0, 3, 2] = 8
    flow_10 = torch.zeros(1, 2, 8, 16)
    flow_10[:, 0, 3, 10] = -8
    for spacing, column in ((0.5, 6), (0.25, 4)):
        found = splatted_matches(
            Matches(flow_01, flow_10, confidence, confidence), torch.full((1, 1, 8, 16), spacing)
        )
        displacements = found[0, [0, 2], 3]
        assert displacements[:, column].min() > 7
        assert displacements[:, column - 2].abs().max() < 0.1
        assert found[0, 4:, 3, column].min() > 0.9
    # nothing lands at the object's first position: displacement 0
    assert found[0, 0, 3, 2] == 0
    assert found[0, 4, 3, 2] < 0.1


def test_the_true_match_costs_least_and_what_is_hidden_counts_for_nothing():
    first = descriptors()
    last = first.roll(4, dims=3)
    flows = torch.zeros(1, 4, 96, 112)
    flows[:, 0], flows[:, 2] = -16, 16
    everywhere = torch.ones(1, 1, 96, 112)
    true = matching_loss(sharp_matcher(), first, last, flows, everywhere)
    wrong = matching_loss(sharp_matcher(), first, last, -flows, everywhere)
    assert float(true.detach()) < 0.5 < 5 < float(wrong.detach())
    mixed = flows.clone()
    mixed[..., :48, :] *= -1
    lower = everywhere.clone()
    lower[..., :48, :] = 0
    assert float(matching_loss(sharp_matcher(), first, last, mixed, lower).detach()) < 0.5
    assert float(matching_loss(sharp_matcher(), first, last, flows, 0 * everywhere).detach()) == 0


def test_matching_is_learned():
    """Gradients of the loss lead features of what corresponds together."""
    torch.manual_seed(0)
    matcher = Matcher(8, 8)
    fine, coarse = torch.randn(1, 8, 12, 14), torch.randn(1, 8, 6, 7)
    flows = torch.zeros(1, 4, 96, 112)
    flows[:, 0], flows[:, 2] = -16, 16
    optimizer = torch.optim.Adam(matcher.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        first, last = matcher(fine, coarse), matcher(fine.roll(4, dims=3), coarse.roll(2, dims=3))
        loss = matching_loss(matcher, first, last, flows, torch.ones(1, 1, 96, 112))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    assert all(weight.grad is not None for weight in matcher.parameters())
