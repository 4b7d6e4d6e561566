import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation
from inbetween.data.source import WindowSpec
from inbetween.errors import UserError
from inbetween.functional.lines import distance_to_lines, line_mask
from inbetween.methods import SpacingFlow
from inbetween.methods.spacing_flow.composition import end_flows
from inbetween.methods.spacing_flow.crops import MAX_LINE_DISTANCE
from inbetween.methods.spacing_flow.loss import error_nll, line_loss
from inbetween.methods.spacing_flow.still import Held, StillContent
from tests.tiny import random_batch


@pytest.fixture(scope="module")
def synthetic():
    source = SyntheticAnimation(kinds=["color"], truth="targets", motion=0.3)
    windows = source.dataset("train", WindowSpec(between=1, size=(96, 128)))
    return [windows[0, index] for index in range(4)]


def test_true_displacement_and_spacing_give_the_true_flows(synthetic):
    batch = default_collate(synthetic)
    to_first, to_last, spacing = (batch[key][:, 0] for key in ("flow_t0", "flow_t1", "spacing"))
    displacement = to_last - to_first
    straight, _ = end_flows(torch.cat([displacement, torch.zeros_like(displacement)], dim=1), spacing)
    # rotation bends the path: within its curvature
    assert (straight - to_first).norm(dim=1).mean() < 0.15 * displacement.norm(dim=1).mean()


def test_loss_names_what_it_is_made_of(synthetic):
    method = SpacingFlow(crop=64, perceptual_weight=0.0)
    method.eval()
    with torch.no_grad():
        known = method.training_loss(default_collate(synthetic))["logs"]
        unknown = method.training_loss(random_batch(2))["logs"]
    assert set(known) == {"l1", "gradient_l1", "lines", "error_nll", "epe", "matching"}
    assert set(unknown) == {"l1", "gradient_l1", "lines", "error_nll", "matching"}


def test_false_and_missing_lines_cost():
    target = torch.ones(1, 3, 64, 64)
    target[..., 38, 8:56] = 0
    shifted, missing = target.roll(8, dims=2), torch.ones(1, 3, 64, 64)
    mask = line_mask(target[0])
    lines = torch.stack(
        [mask.float(), distance_to_lines(mask).clamp(max=MAX_LINE_DISTANCE) / MAX_LINE_DISTANCE]
    )[None]
    assert float(line_loss(target, target, lines)) < 1e-6
    assert float(line_loss(missing, target, lines)) > 1e-3
    near = float(line_loss(target.roll(5, dims=2), target, lines))
    # a line that is nearly right costs less than none
    assert float(line_loss(shifted, target, lines)) > near
    assert float(line_loss(missing, target, lines)) > near > 1e-3


def test_large_images_are_warped_at_their_own_size():
    method = SpacingFlow(flow_resolution=64)
    sizes = []
    encode_pair = method.network.encode_pair
    method.network.encode_pair = lambda *given: sizes.append(tuple(given[0].shape)) or encode_pair(*given)
    batch = random_batch(3, between=2, height=90, width=150)
    frames, errors = method.interpolate_spaced(
        batch["first"], batch["last"], torch.full((3, 2, 1, 90, 150), 0.5)
    )
    assert frames.shape == (3, 2, 3, 90, 150)
    assert errors.shape == (3, 2, 1, 90, 150)
    assert sizes == [(3, 3, 64, 96)]  # 50x83, padded: as many pixels as 64x64
    small = SpacingFlow(flow_resolution=640)
    small.load_state_dict(method.state_dict())
    same = small.interpolate(batch["first"], batch["last"], torch.full((3, 2), 0.5))
    assert 0 < (same - frames).abs().mean() < 0.1


def test_each_half_is_where_the_spacing_map_says():
    """All moves by 8 pixels; the map is 1/4 in the upper half and 1/2 in the lower."""
    torch.manual_seed(0)
    method = SpacingFlow()
    first = F.interpolate(torch.rand(1, 3, 12, 12), size=(96, 96), mode="bicubic").clamp(0, 1)
    last = first.roll(8, dims=-1)
    spacing = torch.full((1, 1, 1, 96, 96), 0.25)
    spacing[..., 48:, :] = 0.5
    frame = method.interpolate_spaced(first, last, spacing)[0][:, 0]
    for rows, share in ((slice(8, 40), 0.25), (slice(56, 88), 0.5)):
        part = (..., rows, slice(16, -16))
        off = [
            float((frame - first.roll(shift, dims=-1))[part].abs().mean()) for shift in (0, int(8 * share), 8)
        ]
        assert off[1] < 0.3 * min(off[0], off[2])


def test_the_same_weights_work_with_any_prior_and_with_none():
    batch, frames = random_batch(2, height=64, width=96), {}
    priors = []
    for prior in ("none", "dis", "farneback"):
        torch.manual_seed(0)
        method = SpacingFlow(prior=prior)
        encode_pair = method.network.encode_pair
        method.network.encode_pair = lambda *given, encode_pair=encode_pair: (
            priors.append(given[2].abs().max()) or encode_pair(*given)
        )
        frames[prior] = method.interpolate_batch(batch)
    assert priors[0] == 0
    assert min(priors[1:]) > 0
    assert (frames["none"] - frames["dis"]).abs().max() > 0.01


def test_candidates_favour_either_keyframe():
    """A new network's mask is undecided: where the keyframes differ each candidate shows its own."""
    torch.manual_seed(0)
    method = SpacingFlow(prior="none")
    first, last = torch.rand(2, 1, 3, 48, 64).round()  # nothing to follow
    spacing = torch.full((1, 1, 1, 48, 64), 0.5)
    frames = [method.interpolate_spaced(first, last, spacing, candidate)[0][0, 0] for candidate in range(3)]
    for frame, own, other in ((frames[1], first[0], last[0]), (frames[2], last[0], first[0])):
        assert (frame - own).abs().mean() < 0.02
        assert (frame - other).abs().mean() > 0.4
    assert len(frames) == method.candidates
    # the most likely one is neither
    assert min((frames[0] - frame).abs().mean() for frame in frames[1:]) > 0.02


def test_prior_dropout(synthetic, monkeypatch):
    priors = []
    method = SpacingFlow(crop=64, prior_dropout=0.5, perceptual_weight=0.0).train()
    monkeypatch.setattr(SpacingFlow, "progress", 0.0)
    method.network.register_forward_pre_hook(lambda _, given: priors.extend(given[3].flatten(1).any(1)))
    for seed in range(8):
        batch = default_collate(synthetic)
        batch["seed"] = torch.arange(4) + 10 * seed
        method.training_loss(batch)
    assert 4 < sum(map(bool, priors)) < 28
    with pytest.raises(UserError, match=r"prior_dropout is 2: give a share"):
        SpacingFlow(prior_dropout=2)


def test_review_thresholds_that_do_not_rise_are_refused():
    with pytest.raises(UserError, match=r"review_thresholds is \[0.3, 0.1\]: give a smaller number"):
        SpacingFlow(review_thresholds=(0.3, 0.1))


def test_windows_without_truth_learn_beside_windows_with_it(synthetic):
    """NaN stands for what a window's source does not know: no part of loss or gradients."""
    method = SpacingFlow(crop=64, perceptual_weight=0.0)
    torch.nn.init.normal_(method.network.synthesis.head.weight, std=0.01)
    batch = default_collate(synthetic)
    whole = method.eval().training_loss(batch)["logs"]["epe"].detach()
    half = default_collate(synthetic[:2])
    alone = method.training_loss(half)["logs"]["epe"].detach()
    for name in ("flow_t0", "flow_t1", "spacing"):
        batch[name][2:] = torch.nan
    output = method.training_loss(batch)
    assert float(output["logs"]["epe"].detach()) == pytest.approx(float(alone), rel=1e-3)
    assert float(whole) != pytest.approx(float(alone), rel=1e-3)
    output["loss"].backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())
    for name in ("flow_t0", "flow_t1", "spacing"):
        batch[name][:] = torch.nan
    assert float(method.training_loss(batch)["logs"]["epe"].detach()) == 0


def test_the_error_head_predicts_the_error_of_inference_and_trains_alone(synthetic, monkeypatch):
    """Not of the blend that training minimises: with a sharp mask, wrong choices cost more."""
    # training does not know what inference holds still
    nothing = lambda self, motion, spacing: Held(torch.zeros_like(spacing, dtype=torch.bool), spacing)  # noqa: E731
    monkeypatch.setattr(StillContent, "held", nothing)
    torch.manual_seed(0)
    method = SpacingFlow(trained="error_head", perceptual_weight=0.0).eval()
    batch = default_collate(synthetic)
    batch["t"] = torch.full((4, 1), 0.5)
    sample = method.sample_of({**batch, "spacing": torch.full_like(batch["spacing"], 0.5)})
    spacing = sample.spacing[:, None]
    frames, _ = method.interpolate_spaced(sample.first, sample.last, spacing)
    off = (frames[:, 0] - sample.target).abs().mean(1, keepdim=True)
    found = method.network(sample.first, sample.last, spacing, sample.prior[:, :2], sample.prior[:, 2:])
    wanted = (off * torch.exp(-found.error) + found.error).mean()
    torch.testing.assert_close(error_nll(found, sample, method.composition), wanted, rtol=1e-3, atol=1e-5)

    before = {name: value.clone() for name, value in method.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], 0.1)
    method.training_loss(batch)["loss"].backward()
    optimizer.step()
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"network.synthesis.error_head.weight", "network.synthesis.error_head.bias"}
    # its checkpoints are complete
    assert len(before) == len(SpacingFlow().state_dict())
