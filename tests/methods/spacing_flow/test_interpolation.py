import pytest
import torch
from torch.nn import functional as F

from inbetween.methods.spacing_flow.interpolation import (
    InferenceOptions,
    PairInterpolator,
    build_spaced_interpolator,
    spaced_flows,
)
from inbetween.methods.spacing_flow.network import IntermediateFlow
from inbetween.methods.spacing_flow.prior import Prior, area_resize
from inbetween.methods.spacing_flow.refinement import refine_flow
from tests.tiny import blobs, random_batch


@pytest.mark.parametrize("size", [(24, 40), (12, 20), (17, 28), (6, 10), (48, 80)])
def test_resized_images_are_means_over_areas(size):
    images = torch.rand(2, 3, 48, 80)
    torch.testing.assert_close(area_resize(images, size), F.interpolate(images, size=size, mode="area"))


@pytest.mark.parametrize("side", [512, 64])
def test_small_errors_of_motion_are_refined(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inbetween.methods.spacing_flow.refinement.REFINE_RESOLUTION", side)
    spacing = torch.tensor([0.25, 0.5]).view(2, 1, 1, 1).expand(-1, 1, 96, 96)
    motion = torch.zeros(2, 4, 96, 96)
    motion[:, 0] = 17  # of 20
    found = refine_flow(blobs(0, 96), blobs(20, 96), spacing, motion, "dis")
    inner = found[..., 16:-16, 32:-32]
    assert (inner[:, 0] - 20).abs().mean() < 0.7
    assert inner[:, 1].abs().mean() < 0.7
    assert torch.equal(found[:, 2:], motion[:, 2:])


def test_large_residuals_are_left() -> None:
    spacing = torch.full((1, 1, 96, 96), 0.5)
    motion = torch.zeros(1, 4, 96, 96)
    motion[:, 0] = 10  # of 20: ten pixels apart, perhaps two objects
    motion[:, 3] = 3
    found = refine_flow(blobs(0, 96), blobs(20, 96), spacing, motion, "dis")
    assert (found - motion)[..., 16:-16, 32:-32].abs().mean() < 0.1


def test_only_upsampled_motion_is_refined_and_only_with_a_prior(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    monkeypatch.setattr(
        "inbetween.methods.spacing_flow.interpolation.refine_flow",
        lambda first, last, spacing, motion, algorithm: calls.append(algorithm) or motion,
    )
    network = IntermediateFlow().eval()
    spacing = torch.full((1, 1, 1, 96, 96), 0.5)
    for prior, side in (("dis", 128), ("none", 64), ("farneback", 64)):
        build_spaced_interpolator(network, blobs(0, 96), blobs(20, 96), InferenceOptions(prior, side))(
            spacing
        )
    assert calls == ["farneback"]


@pytest.mark.parametrize(("prior", "side", "refined"), [("dis", 48, 48), ("dis", 40, 56), ("none", 256, 56)])
def test_constant_maps_are_maps_like_others(
    prior: Prior, side: int, refined: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A number that is expanded to a map, and the same number at every pixel."""
    for module in ("interpolation", "refinement"):
        monkeypatch.setattr(f"inbetween.methods.spacing_flow.{module}.REFINE_RESOLUTION", refined)
    torch.manual_seed(0)
    network = IntermediateFlow().eval()
    batch = random_batch(2, between=3, height=70, width=90)
    expanded = torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1, 1).expand(2, -1, -1, 70, 90)
    pair, options = (network, batch["first"], batch["last"]), InferenceOptions(prior, side)
    frames, errors = build_spaced_interpolator(*pair, options)(expanded)
    others = build_spaced_interpolator(*pair, options)(expanded.contiguous())
    torch.testing.assert_close(frames, others[0], atol=1e-5, rtol=0)
    torch.testing.assert_close(errors, others[1], atol=1e-5, rtol=0)
    flows = [spaced_flows(*pair, maps, options) for maps in (expanded, expanded.contiguous())]
    torch.testing.assert_close(flows[0], flows[1], atol=1e-3, rtol=0)


def test_images_are_resized_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the motion, and for its refinement at the same size."""
    resized = []
    path = "inbetween.methods.spacing_flow.interpolation.area_resize"
    monkeypatch.setattr(path, lambda images, size: resized.append(size) or area_resize(images, size))
    monkeypatch.setattr("inbetween.methods.spacing_flow.interpolation.REFINE_RESOLUTION", 48)
    network, batch = IntermediateFlow().eval(), random_batch(1, between=1, height=96, width=96)
    for side, sizes in ((48, [(48, 48)] * 2), (32, [(32, 32)] * 2 + [(48, 48)] * 2)):
        PairInterpolator(network, batch["first"], batch["last"], InferenceOptions("dis", side))
        assert resized == sizes
        resized.clear()


@pytest.mark.parametrize("pixels", [1, 3 * 64 * 96, 5 * 64 * 96])
def test_frames_do_not_depend_on_the_size_of_a_pass(pixels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = IntermediateFlow().eval()
    encoded = []
    encode_pair = network.encode_pair
    network.encode_pair = lambda *given: encoded.append(len(given[0])) or encode_pair(*given)
    batch = random_batch(3, between=4, height=64, width=96)
    spacing = torch.linspace(0.1, 0.9, 12).view(3, 4, 1, 1, 1).expand(-1, -1, -1, 64, 96)
    pair, options = (network, batch["first"], batch["last"]), InferenceOptions("dis", 48)

    def frames_and_flows() -> tuple[torch.Tensor, ...]:
        return *build_spaced_interpolator(*pair, options)(spacing), spaced_flows(*pair, spacing, options)

    together = frames_and_flows()
    assert encoded == [3, 3]
    monkeypatch.setattr("inbetween.methods.spacing_flow.interpolation.MAX_PIXELS", pixels)
    for actual, expected in zip(frames_and_flows(), together, strict=True):
        # convolutions round differently at another batch size
        torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)
    assert sum(encoded[2:]) == 6  # each window is encoded once, whatever the number of passes
