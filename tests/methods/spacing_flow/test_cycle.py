"""Cycle consistency as a loss: frames are found again from in-betweens alone."""

import pytest
import torch
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation, WindowSpec
from inbetween.errors import UserError
from inbetween.methods import SpacingFlow
from inbetween.methods.spacing_flow.crops import CroppedSample
from inbetween.methods.spacing_flow.cycle import cycle_estimate
from tests.contract.cases import NoWaiting, windows

NO_OTHER = dict.fromkeys(
    ("l1_weight", "flow_weight", "line_weight", "matching_weight", "error_weight", "perceptual_weight"), 0.0
)


@pytest.mark.parametrize("s", [0.5, 0.2])
def test_steady_motion_comes_back_at_any_spacing(s: float) -> None:
    """With positions for images: first at 0, target at s, last at 1."""
    position = torch.zeros(2, 3, 8, 8)
    spacing = torch.full((2, 1, 8, 8), s)
    unused = torch.empty(2, 0, 8, 8)
    sample = CroppedSample(position, position + 1, position + s, spacing, *[unused] * 4)
    found = cycle_estimate(lambda first, last, spacing: torch.lerp(first, last, spacing), sample)
    torch.testing.assert_close(found, sample.target)


def test_it_trains_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    monkeypatch.setattr(SpacingFlow, "progress", 0.0)
    method = SpacingFlow(crop=32, cycle_weight=2.0, **NO_OTHER).train()
    source = SyntheticAnimation(kinds=["color"], motion=0.3)
    dataset = source.dataset("train", WindowSpec(between=1, size=(48, 48)))
    batch = default_collate([dataset[0, index] for index in range(4)])
    batch["sample"] = method.sample_of(batch)
    optimizer = torch.optim.Adam(method.parameters(), 1e-4)
    losses = []
    for _ in range(16):
        optimizer.zero_grad()
        loss = method.training_loss(batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) / 3 < 0.94 * losses[0]


def test_it_is_part_of_the_loss_and_stays_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SpacingFlow, "progress", 0.0)
    torch.manual_seed(0)
    method = SpacingFlow(crop=48, perceptual_weight=0.0, cycle_weight=2.0).train()
    batch = windows()
    batch["sample"] = method.sample_of(batch)
    with torch.no_grad():
        whole = method.training_loss(batch)  # also what is kept from step to step
        method.cycle_weight = 0.0
        rest = method.training_loss(batch)["loss"]
        method.cycle_weight = 2.0
        with NoWaiting():
            method.training_loss(batch)
    assert float(whole["loss"] - rest) == pytest.approx(2 * float(whole["logs"]["cycle"]), rel=1e-3)


def test_it_is_off_by_default_and_no_loss_of_the_error_head() -> None:
    method = SpacingFlow(crop=48, perceptual_weight=0.0).eval()
    with torch.no_grad():
        assert "cycle" not in method.training_loss(windows())["logs"]
    with pytest.raises(UserError, match=r"cycle_weight is 0.1, and cycle consistency does not train"):
        SpacingFlow(trained="error_head", cycle_weight=0.1)
    with pytest.raises(UserError, match=r"cycle_weight is -1"):
        SpacingFlow(cycle_weight=-1)
