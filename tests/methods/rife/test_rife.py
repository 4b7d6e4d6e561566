"""RIFE: our network against the published graph, hand-computed cases, and what a method owes."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.methods import CrossFade, Rife
from inbetween.methods.rife.network import SHRINKS, RifeNetwork
from inbetween.methods.rife.weights import cached_rife
from tests.methods.rife.reference import rife as reference
from tests.tiny import random_batch


def random_rife(seed: int = 0) -> Rife:
    """Random weights, flows of a few pixels, a mask that takes sides."""
    torch.manual_seed(seed)
    method = Rife(weights="none", perceptual_weight=0.0).eval()
    for name, parameter in method.network.named_parameters():
        if "lastconv" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    return method


def constant_rife(to_first: tuple[float, float], to_last: tuple[float, float], mask: float) -> Rife:
    """A network that says the same everywhere, each block its fifth of the flows."""
    method = Rife(weights="none", perceptual_weight=0.0).eval()
    for parameter in method.parameters():
        torch.nn.init.zeros_(parameter)
    for number, shrink in enumerate(SHRINKS):
        bias = getattr(method.network, f"block{number}").lastconv[0].bias
        values = [value / 5 / shrink for value in (*to_first, *to_last)]
        for channel, value in enumerate([*values, mask]):
            torch.nn.init.constant_(bias[4 * channel : 4 * channel + 4], value)
    return method


@pytest.mark.parametrize(("height", "width"), [(64, 128), (50, 70)])
def test_it_is_the_published_graph(height: int, width: int) -> None:
    """At any size, repeated at the right and bottom to multiples of 64, and with a map in t's place."""
    method = random_rife()
    batch = random_batch(1, 2, height, width)
    spacing = torch.rand(1, 2, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    spacing = F.interpolate(spacing[0], (height, width), mode="bilinear")[None]
    frames, _ = method.interpolate_spaced(batch["first"], batch["last"], spacing)
    padding = (0, -width % 64, 0, -height % 64)
    first, last = (F.pad(batch[key], padding, mode="replicate") for key in ("first", "last"))
    weights = method.network.state_dict()
    for number in range(2):
        t = F.pad(spacing[:, number], padding, mode="replicate")
        with torch.no_grad():
            frame = reference(weights, first, last, t)[..., :height, :width]
        torch.testing.assert_close(frames[:, number], frame.clamp(0, 1), atol=1e-5, rtol=0)
    assert (frames[:, 0] - batch["first"]).abs().mean() > 1e-3
    even = method.interpolate(batch["first"], batch["last"], torch.full((1, 1), 0.4))
    t = torch.full((1, 1, *first.shape[-2:]), 0.4)
    with torch.no_grad():
        frame = reference(weights, first, last, t)[..., :height, :width]
    torch.testing.assert_close(even[:, 0], frame.clamp(0, 1), atol=1e-5, rtol=0)


def test_constant_flows_shift_and_blend() -> None:
    """Both keyframes read 3 pixels to the left and 2 below, two thirds of first and a third of last."""
    batch = random_batch(2, 1, 64, 64)
    method = constant_rife((-3.0, 0.0), (0.0, 2.0), float(torch.tensor(2.0).log()))
    frame = method.interpolate(batch["first"], batch["last"], torch.full((2, 1), 0.5))[:, 0]
    wanted = 2 / 3 * batch["first"].roll(3, dims=-1) + 1 / 3 * batch["last"].roll(-2, dims=-2)
    inner = (..., slice(8, -8), slice(8, -8))
    torch.testing.assert_close(frame[inner], wanted[inner], atol=1e-5, rtol=0)
    flows = method.flows(batch)
    torch.testing.assert_close(flows[0, 0, :, 5, 5], torch.tensor([-3.0, 0.0, 0.0, 2.0]))


def test_swapped_keyframes_swap_the_flows_and_turn_the_mask() -> None:
    batch = random_batch(2, 1, 40, 72)
    t = torch.full((2, 1), 0.5)
    one = constant_rife((-3.0, 1.5), (2.5, 0.0), 0.7).interpolate(batch["first"], batch["last"], t)
    other = constant_rife((2.5, 0.0), (-3.0, 1.5), -0.7).interpolate(batch["last"], batch["first"], t)
    torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_alpha_moves_along_and_errors_are_of_what_disagrees() -> None:
    batch = random_batch(1, 1, 64, 64)
    first, last = (torch.cat([batch[key], batch[key][:, :1]], dim=1) for key in ("first", "last"))
    method = random_rife()
    spacing = torch.full((1, 1, 1, 64, 64), 0.5)
    frames, errors = method.interpolate_spaced(first, last, spacing)
    assert frames.shape == (1, 1, 4, 64, 64)
    torch.testing.assert_close(frames[:, :, 3], frames[:, :, 0])
    assert errors.min() >= 0
    # a flat image is the same wherever it is read
    flat = torch.full_like(first, 0.3)
    frames, errors = method.interpolate_spaced(flat, flat, spacing)
    torch.testing.assert_close(frames[:, 0], flat)
    assert errors.max() < 1e-6


def test_large_batches_are_estimated_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    method, batch = random_rife(), random_batch(3, 3, 50, 70)
    whole = method.interpolate(batch["first"], batch["last"], batch["t"])
    sizes: list[int] = []
    method.network.register_forward_hook(lambda _, given, found: sizes.append(len(given[0])))
    monkeypatch.setattr("inbetween.methods.rife.rife.PIXELS_AT_ONCE", 2 * 50 * 70)
    parts = method.interpolate(batch["first"], batch["last"], batch["t"])
    assert sizes == [2, 2, 2, 2, 1]
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)


def test_without_the_weights_one_sentence_names_the_command(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sentence = r"^RIFE's weights are not here: `python -m inbetween fetch-weights rife` gets them\.$"
    with pytest.raises(UserError, match=sentence):
        Rife()


@pytest.mark.slow  # needs weights that have been fetched
def test_the_real_weights_beat_the_cross_fade() -> None:
    if not cached_rife().is_file():
        pytest.skip("RIFE's weights have not been fetched (`fetch-weights rife`)")
    first, target, last = (square(left) for left in (20, 26, 32))
    t = torch.full((1, 1), 0.5)
    off = [(m.interpolate(first, last, t)[:, 0] - target).abs().mean() for m in (Rife().eval(), CrossFade())]
    assert off[0] < 0.1 * off[1]


def square(left: int) -> Tensor:
    """A dark square on white, (1, 3, 64, 96)."""
    image = torch.ones(1, 3, 64, 96)
    image[..., 20:40, left : left + 20] = 0.2
    return image


def test_the_network_has_the_published_number_of_weights() -> None:
    assert sum(parameter.numel() for parameter in RifeNetwork().parameters()) == 5_664_776
