"""RIFE made ours: what it is before training, what its checkpoints hold, and what it owes beyond RIFE."""

import hashlib
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from torch.utils.data import default_collate

from inbetween.__main__ import main
from inbetween.data import SyntheticAnimation
from inbetween.data.source import WindowSpec
from inbetween.errors import UserError
from inbetween.methods import Rife, SpacingRife
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.methods.rife import flow
from inbetween.methods.rife.flow import NEAREST, RifeFlow, RifePair, Scaled
from inbetween.methods.spaced import even_spacing
from inbetween.methods.spacing_flow.composition import end_flows
from tests.methods.rife.test_rife import random_rife
from tests.tiny import random_batch


@pytest.fixture(scope="module")
def rife() -> Rife:
    return random_rife()


@pytest.fixture(scope="module")
def base(rife: Rife, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The arguments that name RIFE's weights as a base."""
    path = tmp_path_factory.mktemp("base") / "rife.pkl"
    torch.save(rife.network.state_dict(), path)
    return {"base": path, "base_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def build(base: dict[str, object], **options: object) -> SpacingRife:
    return SpacingRife(**{"perceptual_weight": 0.0, "prior": "none", **base, **options}).eval()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 70)])
def test_before_training_it_is_rife(rife: Rife, base: dict[str, object], height: int, width: int) -> None:
    method = build(base, warp_mode="bilinear", enlargement=1, scales=1)
    batch = random_batch(2, 3, height, width)
    ours = method.interpolate(batch["first"], batch["last"], batch["t"])
    theirs = rife.interpolate(batch["first"], batch["last"], batch["t"])
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(method.flows(batch), rife.flows(batch), atol=1e-3, rtol=0)
    spacing = even_spacing(batch["first"], batch["t"])
    errors = [m.interpolate_spaced(batch["first"], batch["last"], spacing)[1] for m in (method, rife)]
    torch.testing.assert_close(errors[0], errors[1] + 1e-3, atol=1e-5, rtol=0)
    sharp = build(base, mask_sharpness=10.0).interpolate(batch["first"], batch["last"], batch["t"])
    assert (sharp - theirs).abs().mean() > 1e-3


def test_flows_become_displacement_and_curvature(rife: Rife, base: dict[str, object]) -> None:
    """Exactly, but for places next to a keyframe, which is reached."""
    network = build(base, enlargement=1, scales=1).network
    batch = random_batch(1, 1, 64, 64)
    zeros = torch.zeros(1, 2, 64, 64)
    pair = network.encode_pair(batch["first"], batch["last"], zeros, zeros)
    for t in (NEAREST, 0.3, 1 - NEAREST):
        spacing = torch.full((1, 1, 1, 64, 64), t)
        found = network.between(pair, spacing)
        theirs = rife.network(
            batch["first"], batch["last"], rife.network.features(batch["first"], batch["last"]), spacing[:, 0]
        )
        flows = torch.cat(end_flows(found.motion, spacing[:, 0]), dim=1)
        torch.testing.assert_close(flows, theirs.flows, atol=1e-4, rtol=1e-4)
        assert found.levels == []
        assert found.residual is None
    # for the loss in training
    levels = network.train().between(pair, spacing).levels
    assert [level.shape for level in levels] == [(1, 4, 64, 64)] * 3
    network.eval()
    near = torch.full((1, 1), 1e-4)
    torch.testing.assert_close(
        flows_at(network, batch, 1e-4)[:, :2].abs().max(), torch.zeros(()), atol=0.1, rtol=0
    )
    frame = build(base, enlargement=1, scales=1).interpolate(batch["first"], batch["last"], near)[:, 0]
    torch.testing.assert_close(frame, batch["first"], atol=1e-2, rtol=0)


def flows_at(network: RifeFlow, batch: dict[str, torch.Tensor], t: float) -> torch.Tensor:
    spacing = torch.full((1, 1, 1, 64, 64), t)
    zeros = torch.zeros(1, 2, 64, 64)
    found = network(batch["first"], batch["last"], spacing, zeros, zeros)
    return torch.cat(end_flows(found.motion, spacing[:, 0]), dim=1)


def test_motion_is_estimated_on_enlarged_keyframes(rife: Rife, base: dict[str, object]) -> None:
    """As RIFE would on keyframes twice as large, up to the resolution; and learned there."""
    network = RifeFlow(enlargement=2.0, resolution=128)
    network.load_base(rife.network.state_dict())
    network.eval()
    first, last = torch.rand(2, 1, 3, 64, 64)
    zeros, spacing = torch.zeros(1, 2, 64, 64), torch.full((1, 1, 1, 64, 64), 0.3)
    large = [
        torch.nn.functional.interpolate(image, scale_factor=2, mode="bicubic").clamp(0, 1)
        for image in (first, last)
    ]
    theirs = rife.network(*large, rife.network.features(*large), torch.full((1, 1, 128, 128), 0.3))
    found = network(first, last, spacing, zeros, zeros)
    flows = torch.cat(end_flows(found.motion, spacing[:, 0]), dim=1)
    expected = torch.nn.functional.avg_pool2d(theirs.flows, 2) / 2
    torch.testing.assert_close(flows, expected, atol=1e-4, rtol=1e-4)
    assert [level.shape for level in network.train()(first, last, spacing, zeros, zeros).levels] == [
        (1, 4, 64, 64)
    ] * 3
    # the factor for 96x96 pixels is 4 / 3, for larger ones than the resolution 1
    for side, expected_side in ((50, 100), (96, 128), (128, 128), (200, 200)):
        images, none = torch.zeros(1, 3, side, side), torch.zeros(1, 2, side, side)
        [scaled] = network.encode_pair(images, images, none, none).scaled
        assert scaled.size == (expected_side, expected_side)
    method = build(base, flow_resolution=128)
    assert method.interpolate(first, last, torch.tensor([[0.3]])).shape == (1, 1, 3, 64, 64)
    with pytest.raises(UserError, match=r"enlargement is 0\.5: give 1 or more"):
        build(base, enlargement=0.5)
    with pytest.raises(UserError, match="scales is 4: give 3 or less"):
        build(base, scales=4)


def test_each_pair_gets_the_resolution_at_which_its_keyframes_agree(
    base: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch as alone, at any spacing, and half of what is chosen for means."""
    network = build(base, flow_resolution=128).network
    chosen = iter([0.1, 0.1, 0.3, 0.092, 0.096, 0.5, 0.2, 0.2, 0.079])
    monkeypatch.setattr(
        flow, "_disagreement", lambda first, last, found: torch.tensor([next(chosen) for _ in first])
    )
    keyframes = torch.rand(2, 3, 3, 64, 64)
    none = torch.zeros(3, 2, 64, 64)
    pair = network.encode_pair(*keyframes, none, none)
    # the highest first, of all three windows; then the middle, then the lowest
    assert [scaled.size for scaled in pair.scaled] == [(128, 128), (64, 64), (32, 32)]
    assert pair.chosen == [1, 0, 2]
    spacing = torch.tensor([[0.5, 0.2]] * 3)[..., None, None, None].expand(-1, -1, 1, 64, 64)
    together = network.between(pair, spacing)
    halfway = network.between(pair, spacing[:, :1])
    torch.testing.assert_close(halfway.motion, together.motion[::2], atol=1e-4, rtol=1e-4)
    # a window alone, at the resolution chosen for it
    for window, number in enumerate(pair.chosen):
        rows = slice(window, window + 1)
        scaled = pair.scaled[number]
        one, other = scaled.features
        cut = Scaled(scaled.size, scaled.first[rows], scaled.last[rows], (one[rows], other[rows]))
        alone = RifePair(pair.weights, pair.first[rows], pair.last[rows], [cut], [0], None)
        expected = together.motion[2 * window : 2 * window + 2]
        torch.testing.assert_close(network.between(alone, spacing[:1]).motion, expected, atol=1e-4, rtol=1e-4)


def test_a_pixel_of_a_map_is_where_its_spacing_alone_would_put_it(base: dict[str, object]) -> None:
    network = build(base, flow_resolution=64).network
    first, last = torch.rand(2, 1, 3, 64, 64)
    pair = network.encode_pair(first, last, torch.zeros(1, 2, 64, 64), torch.zeros(1, 2, 64, 64))
    spacing = torch.full((1, 2, 1, 64, 64), 0.2)
    spacing[:, 1, ..., 32:] = 0.8
    of_map = network.between(pair, spacing)
    for half, number in ((slice(32), 0.2), (slice(32, None), 0.8)):
        alone = network.between(pair, torch.full((1, 1, 1, 64, 64), number))
        for field in ("motion", "mask"):
            mixed, expected = getattr(of_map, field)[1:], getattr(alone, field)
            torch.testing.assert_close(mixed[..., half], expected[..., half], atol=1e-4, rtol=1e-4)


def test_checkpoints_hold_the_difference_alone(rife: Rife, base: dict[str, object]) -> None:
    method = build(base)
    state = method.state_dict()
    difference = {name: value for name, value in state.items() if "difference" in name}
    assert sum(value.numel() for value in difference.values()) == 5_664_776
    assert not any(value.any() for value in difference.values())
    assert sum(value.numel() for value in state.values()) * 2 < 12e6  # bytes, in half precision
    for value in state.values():
        assert not any(
            torch.equal(value, weight) for weight in rife.network.state_dict().values() if weight.any()
        )
    assert "base" not in method.hparams
    assert method.hparams["base_sha256"] == base["base_sha256"]


def test_another_base_is_refused(base: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "other.pkl").write_bytes(b"other")
    with pytest.raises(UserError, match=r"other.pkl does not hold the expected weights of RIFE"):
        build({**base, "base": tmp_path / "other.pkl"})
    with pytest.raises(UserError, match="There is no weights file"):
        build({**base, "base": tmp_path / "none.pkl"})


def test_a_step_on_known_motion_learns(base: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside windows whose motion nobody knows; the base stays as it was."""
    source = SyntheticAnimation(kinds=["color"], truth="targets", motion=0.3)
    monkeypatch.setattr(PerceptualMethod, "progress", 0.5)
    windows = source.dataset("train", WindowSpec(between=1, size=(64, 96)))
    batch = default_collate([windows[0, index] for index in range(2)])
    for name in ("flow_t0", "flow_t1", "spacing"):
        batch[name][1:] = torch.nan
    method = build(base, crop=64, flow_weight=0.01).train()
    batch["sample"] = method.sample_of(batch)
    before = {name: value.clone() for name, value in method.network.base.named_buffers()}
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    losses = []
    for _ in range(4):
        output = method.training_loss(batch)
        assert set(output["logs"]) == {"l1", "gradient_l1", "lines", "error_nll", "epe"}
        optimizer.zero_grad()
        output["loss"].backward()
        optimizer.step()
        losses.append(float(output["loss"].detach()))
    assert losses[-1] < losses[0]
    assert all(torch.equal(value, before[name]) for name, value in method.network.base.named_buffers())


def test_interpolate_says_what_is_not_trained(
    base: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A published network that was fetched is trained without a checkpoint; a random one is not."""
    for name in ("a", "b"):
        Image.new("RGB", (16, 16), "white").save(tmp_path / f"{name}.png")
    arguments = {
        "SpacingRife": {"base": str(base["base"]), "base_sha256": base["base_sha256"]},
        "Rife": {"weights": "none"},
    }
    warned = []
    for name, values in arguments.items():
        model = {"class_path": f"inbetween.methods.{name}", "init_args": values}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({"model": model}))
        keyframes = [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
        call = ["interpolate", "--keyframes", *keyframes, "--method", str(tmp_path / f"{name}.yaml")]
        assert main([*call, "--output", str(tmp_path / name), "--accelerator", "cpu"]) == 0
        warned.append("is not trained" in capsys.readouterr().out)
    assert warned == [False, True]


def test_the_error_head_learns_alone(base: dict[str, object]) -> None:
    method = build(base, trained="error_head")
    trainable = {name for name, parameter in method.named_parameters() if parameter.requires_grad}
    assert {name.split(".")[1] for name in trainable} == {"error_head"}
    # a difference of nothing is not stored, and trained further from there
    state = method.state_dict()
    assert {name.split(".")[1] for name in state} == {"error_head"}
    full = build(base)
    for parameter in full.network.difference.parameters():
        torch.nn.init.ones_(parameter)
    assert len(full.state_dict()) > len(state)
    full.load_state_dict(state)
    assert not any(parameter.any() for parameter in full.network.difference.parameters())
    # one that was trained before is
    torch.nn.init.ones_(method.network.difference.encode.cnn0.bias)
    assert set(method.state_dict()) == set(full.state_dict())
