"""With arcs, motion runs through the keyframes of a sequence."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import inbetween
from inbetween import Interpolator, UserError
from inbetween.__main__ import main
from inbetween.interpolation.arcs import Neighbours
from inbetween.methods.spacing_flow.arcs import _turn, keyframe_motion
from inbetween.methods.spacing_flow.composition import Intermediate
from inbetween.methods.spacing_flow.network import IntermediateFlow
from tests.interpolation.guides.scenes import SPRITES, centre, paper, placed


@pytest.fixture(scope="module")
def flow() -> Interpolator:
    return inbetween.load("spacing_flow", device="cpu", precision="32-true")


def place(angle: float) -> np.ndarray:
    """Where a ball is on its circle, the angle in degrees."""
    turned = math.radians(angle)
    return np.array([64 - 34 * math.cos(turned), 76 - 34 * math.sin(turned)])


def ball(angle: float) -> np.ndarray:
    return placed(paper(0), SPRITES["ball"], place(angle))


CIRCLE = np.stack([ball(angle) for angle in (0, 45, 90, 135, 180)])


def test_a_ball_on_a_circle_keeps_to_it(flow: Interpolator) -> None:
    bent, straight = (
        inbetween.interpolate(CIRCLE, t=[0.25, 0.5, 0.75], method=flow, arcs=arcs) for arcs in (True, False)
    )
    assert (bent[::4] == CIRCLE).all()

    def error(frames: np.ndarray) -> float:
        angles = np.arange(len(frames)) * 45 / 4
        found = [centre(frame, paper(0))[0] for frame in frames]
        return float(np.mean([math.dist(at, place(angle)) for at, angle in zip(found, angles, strict=True)]))

    assert error(bent) < 0.6 * error(straight)


def test_speed_does_not_jump_at_a_keyframe(flow: Interpolator) -> None:
    """A ball that slows down from 20 pixels for each keyframe to 8: its speed falls evenly."""
    places = [20, 40, 56, 66, 74]
    images = np.stack([placed(paper(0), SPRITES["ball"], np.array([x, 50])) for x in places])
    steps = []
    for arcs in (True, False):
        frames = inbetween.interpolate(images, 3, method=flow, arcs=arcs)
        steps.append(np.diff([centre(frame, paper(0))[0][0] for frame in frames]))
    jumps = [np.abs(np.diff(step))[3:-3:4].max() for step in steps]
    assert jumps[0] < 0.6 * jumps[1]


def test_cuts_and_ends_break_the_chain(flow: Interpolator) -> None:
    two = inbetween.interpolate(CIRCLE[:2], method=flow, arcs=True)
    assert (two == inbetween.interpolate(CIRCLE[:2], method=flow)).all()
    other = np.stack(
        [
            placed(np.full((96, 128, 3), (20, 60, 120), np.uint8), SPRITES["card"], place(angle))
            for angle in (90, 100)
        ]
    )
    both = np.concatenate([CIRCLE[:2], other])
    frames = inbetween.interpolate(both, method=flow, arcs=True)
    assert (frames[1] == two[1]).all()
    assert (frames[3] == both[1]).all()
    assert (frames[5] == inbetween.interpolate(other, method=flow)[1]).all()


def test_each_pair_is_encoded_once(flow: Interpolator, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, encode = [], IntermediateFlow.encode_pair

    def counted(*args: object) -> object:
        calls.append(1)
        return encode(*args)

    monkeypatch.setattr(IntermediateFlow, "encode_pair", counted)
    inbetween.interpolate(CIRCLE, method=flow, arcs=True)
    assert len(calls) == len(CIRCLE) - 1


@pytest.mark.slow  # draws a circle twice
def test_another_look_at_a_pair_meanwhile_changes_nothing(flow: Interpolator) -> None:
    """As two users of one model do: the second wants the same pair without its neighbours."""
    before, first, last, after = (torch.from_numpy(image).permute(2, 0, 1) / 255 for image in CIRCLE[:4])
    opaque = torch.ones_like(first[:1])
    before, first, last, after = (torch.cat([image, opaque]) for image in (before, first, last, after))

    def frames(look: bool) -> list[torch.Tensor]:
        near = Neighbours(before, after)
        parts = flow.in_betweens(first, last, 90, lambda part: torch.full((1, len(part)), 0.25), near=near)
        found = [next(parts)[0]]
        if look:
            flow.trails(first, last, [0.5])
        return [*found, *(part for part, _ in parts)]

    alone, disturbed = frames(False), frames(True)
    assert len(alone) > 1
    for one, other in zip(alone, disturbed, strict=True):
        assert torch.equal(one, other)


def test_what_touches_the_edge_has_trails(flow: Interpolator) -> None:
    first, last = torch.ones(2, 4, 572, 572)
    for image, x in ((first, 100), (last, 140)):
        image[:3, 480:, x : x + 90] = 0
    assert flow.trails(first, last, [0.5]).shape[1] > 0


@pytest.mark.parametrize(
    ("neighbour", "velocity"),
    [
        ((4.0, 0.0), (4.0, 0.0)),
        ((8.0, 0.0), (6.0, 0.0)),
        ((0.0, 0.0), (0.0, 0.0)),  # a hold
        ((-4.0, 0.0), (0.0, 0.0)),  # it turns back
        ((99.0, 0.0), (8.0, 0.0)),
        ((4.0, 2.0), (4.0, 1.0)),
    ],
)
def test_velocities_are_means_that_do_not_overshoot(
    neighbour: tuple[float, float], velocity: tuple[float, float]
) -> None:
    own = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1)
    turn = _turn(torch.tensor(neighbour).view(1, 2, 1, 1), own)
    assert (own + turn).flatten().tolist() == pytest.approx(velocity, abs=0.15)


def test_other_methods_refuse(
    model: Interpolator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="arcs bend the paths of spacing flow, and CrossFade has none: take "):
        inbetween.interpolate(CIRCLE, method=model, arcs=True)
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path, image in zip(paths, CIRCLE, strict=False):
        Image.fromarray(image).save(path)
    args = ["interpolate", "--keyframes", *map(str, paths), "--arcs", "true", "--accelerator", "cpu"]
    output = tmp_path / "out"
    assert main([*args, "--output", str(output), "--method", "dis"]) == 2
    assert "OpticalFlow has none" in capsys.readouterr().err
    assert not output.exists()
    assert main([*args, "--output", str(output), "--method", "spacing_flow", "--precision", "32-true"]) == 0
    expected = inbetween.interpolate(
        CIRCLE[:3], method=inbetween.load("spacing_flow", precision="32-true"), arcs=True
    )
    assert (np.asarray(Image.open(output / "0001.png")) == expected[1]).all()


class Near:
    """A network that finds a square's displacement between the keyframes, and nonsense next to them."""

    reliable_from = 0.25

    def between(self, pair: object, spacing: torch.Tensor) -> Intermediate:
        motion = torch.zeros(2, 4, 32, 48)
        for number, s in enumerate(spacing[0, :, 0, 0, 0].tolist()):
            left = 8 + round(16 * s)
            motion[number, 0, 8:20, left : left + 12] = 16 if 0.2 < s < 0.8 else -7
        blank = torch.zeros(2, 1, 32, 48)
        return Intermediate(motion, blank, None, blank, [])


def test_displacement_is_taken_from_where_it_is_reliable() -> None:
    images = torch.zeros(2, 1, 3, 32, 48)
    images[0, ..., 8:20, 8:20] = images[1, ..., 8:20, 24:36] = 1
    found = keyframe_motion(Near(), None, (images[0], images[1]))
    for maps, left in ((found.first, 8), (found.last, 24)):
        square = maps[0, :, 9:19, left + 1 : left + 11]
        assert (square[0] - 16).abs().max() < 0.01
        assert square[2].min() == 1
