import pytest
import torch
from torch.nn import functional as F

from inbetween.modules.flow import IntermediateFlow
from inbetween.modules.spaced_drawing import _shrunk, aligned, draw_spaced


@pytest.mark.parametrize("size", [(24, 40), (12, 20), (17, 28), (6, 10), (48, 80)])
def test_shrunk_pictures_are_means_over_areas(size):
    images = torch.rand(2, 3, 48, 80)
    torch.testing.assert_close(_shrunk(images, size), F.interpolate(images, size=size, mode="area"))


def blobs(right: float, height: int = 96, width: int = 128) -> torch.Tensor:
    """A drawing (1, 3, H, W) of soft blobs, moved to the right by some pixels."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    sheet = sum(
        torch.exp(-((x - right - left) ** 2 + (y - top) ** 2) / 30.0)
        for left, top in ((30, 20), (52, 60), (75, 30), (40, 84), (64, 44), (85, 70))
    )
    return (1 - sheet).clamp(0, 1).expand(1, 3, -1, -1)


@pytest.mark.parametrize("side", [512, 96])
def test_small_errors_of_motion_are_aligned_away(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbetween.modules.spaced_drawing.ALIGN_SIDE", side)
    first, last = blobs(0), blobs(20)
    spacing = torch.tensor([0.25, 0.5]).view(2, 1, 1, 1).expand(-1, 1, 96, 128)
    motion = torch.zeros(2, 4, 96, 128)
    motion[:, 0] = 17  # of 20
    found = aligned(first, last, spacing, motion, "dis")
    for place, moved in enumerate((5, 10)):
        drawn = (1 - blobs(moved))[0, 0] > 0.3
        assert (found[place, 0][drawn] - 20).abs().mean() < 0.7
        assert found[place, 1][drawn].abs().mean() < 0.7
    assert torch.equal(found[:, 2:], motion[:, 2:])


def test_what_lies_far_apart_keeps_its_motion() -> None:
    first, last = blobs(0), blobs(20)
    spacing = torch.full((1, 1, 96, 128), 0.5)
    motion = torch.zeros(1, 4, 96, 128)
    motion[:, 0] = 10
    motion[:, 3] = 3
    # ten pixels apart: perhaps two things
    drawn = (1 - blobs(10))[0, 0] > 0.3
    found = aligned(first, last, spacing, motion, "dis")
    assert (found - motion)[0, :2, drawn].norm(dim=0).mean() < 1


def test_only_enlarged_motion_is_aligned_and_only_where_there_is_a_prior(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    monkeypatch.setattr(
        "inbetween.modules.spaced_drawing.aligned",
        lambda first, last, spacing, motion, algorithm: calls.append(algorithm) or motion,
    )
    network = IntermediateFlow().eval()
    spacing = torch.full((1, 1, 1, 96, 128), 0.5)
    for prior, side in (("dis", 128), ("none", 64), ("farneback", 64)):
        draw_spaced(network, blobs(0), blobs(20), spacing, prior, side)
    assert calls == ["farneback"]
