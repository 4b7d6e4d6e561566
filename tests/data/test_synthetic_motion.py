"""Easing, joints, bending limbs and outlines of synthetic animation."""

import numpy as np
import pytest

from inbetween.data.synthetic import curves
from inbetween.data.synthetic.motion import Bend, Ease, Feature, Joint, Tip, Track, inverse


@pytest.mark.parametrize(
    "ease", [Ease(), Ease(2.0, 1.0), Ease(1.0, 2.0, 0.3), Ease(1.8, 1.8), Ease(1, 1.5, 0, 0.1)]
)
def test_an_ease_goes_from_none_to_all_without_jumps(ease: Ease) -> None:
    steps = np.array([ease(t) for t in np.linspace(0, 1, 201)])
    assert steps[0] == 0
    assert steps[-1] == pytest.approx(1)
    assert np.abs(np.diff(steps)).max() < 0.03
    if ease.overshoot == 0:
        assert np.diff(steps).min() >= 0
    assert Ease()(0.37) == pytest.approx(0.37)


def test_a_track_bulges_halfway_by_its_arc_and_keeps_its_ends() -> None:
    track = Track(2.0, 6.0, Ease(), arc=1.5)
    assert [track(t) for t in (0.0, 0.5, 1.0)] == pytest.approx([2.0, 5.5, 6.0])
    assert [inverse(Track(0.5, 2.0, Ease()))(t) for t in (0.0, 1.0)] == pytest.approx([2.0, 0.5])


def test_joints_compose_turn_scale_and_place() -> None:
    parent = Joint(None, (10.0, 0.0), turn=90.0, size=(2.0, 2.0))
    child = Joint(parent, (1.0, 0.0), shift=(0.5, 0.0))
    # 90 degrees clockwise on screen: +x of the parent points down
    np.testing.assert_allclose(child.world(0.0, {})[:2, 2], [10.0, 3.0], atol=1e-9)
    lean = Joint(lean=0.5).local(0.0)
    np.testing.assert_allclose(lean @ [0, 2, 1], [1, 2, 1])


def test_a_feature_moves_towards_the_side_a_head_turns_to_and_narrows() -> None:
    matrix = Feature(Joint(), (0.4, 0.0), 1.0, yaw=30.0, nod=0.0).local(0.0)
    around = np.arcsin(0.4)
    assert matrix[0, 2] == pytest.approx(np.sin(around + np.pi / 6))
    assert matrix[0, 0] == pytest.approx(np.cos(around + np.pi / 6) / np.cos(around))
    assert matrix[1, 1] == pytest.approx(1.0)


def test_a_straight_limb_is_the_identity_and_a_bent_one_keeps_its_length() -> None:
    straight = Bend(Joint(), 2.0, 0.3, [(0.5, 0.4, 0.0)])
    np.testing.assert_allclose(
        straight.affines(0.0, {}), np.tile(np.eye(3)[:2], (straight.pieces, 1, 1)), atol=1e-9
    )
    bent = Bend(Joint(), 2.0, 0.3, [(0.5, 0.4, 80.0)])
    line, theta = bent.centre(0.0)
    assert np.hypot(*np.diff(line[1:-1], axis=0).T).sum() == pytest.approx(2.0)
    assert np.degrees(theta[-1]) == pytest.approx(80.0)
    tip = Tip(bent).world(0.0, {})
    np.testing.assert_allclose(tip[:2, 2], line[-2])
    np.testing.assert_allclose(tip[:2, 1], [np.sin(theta[-2]), np.cos(theta[-2])], atol=1e-9)


def test_neighbouring_triangles_of_a_limb_agree_on_their_edges() -> None:
    bend = Bend(Joint(turn=20.0, size=(1.5, 0.8)), 2.0, 0.3, [(0.3, 0.3, 60.0), (0.8, 0.4, -70.0)])
    affines = bend.affines(0.0, {})
    places: dict[int, list[np.ndarray]] = {}
    for piece, corners in enumerate(bend.corners):
        for corner in corners:
            places.setdefault(int(corner), []).append(affines[piece] @ [*bend.rest[corner], 1.0])
    assert max(len(seen) for seen in places.values()) > 1
    for seen in places.values():
        np.testing.assert_allclose(seen, np.broadcast_to(seen[0], (len(seen), 2)), atol=1e-9)
    inside = np.array([[0.1, 0.77]])
    piece = int(bend.triangle(inside)[0])
    weights = bend.unrest[piece] @ [*inside[0], 1.0]
    assert (weights >= 0).all()


def test_outlines_have_the_sizes_asked_for() -> None:
    square = curves.box(2.0, 4.0)
    assert abs(curves.area(square)) == pytest.approx(8.0)
    grown = square + 0.5 * curves.normals(square)
    assert abs(curves.area(grown)) == pytest.approx(15.0)
    assert abs(curves.area(square[::-1] + 0.5 * curves.normals(square[::-1]))) == pytest.approx(15.0)
    assert abs(curves.area(curves.ellipse(2.0, 1.0, n=200))) == pytest.approx(2 * np.pi, rel=1e-3)
    bar = curves.stroke(np.array([(0.0, 0.0), (1.0, 0.0), (3.0, 0.0)]), 0.5)
    assert abs(curves.area(bar)) == pytest.approx(1.5)


def test_smooth_curves_pass_through_their_knots_and_mirrored_ones_are_symmetric() -> None:
    knots = np.array([(0.0, 0.0), (2.0, 1.0), (1.0, 3.0), (-1.0, 2.0)])
    np.testing.assert_allclose(curves.smooth(knots, 5)[::5], knots)
    np.testing.assert_allclose(curves.smooth(knots, 5, closed=False)[::5], knots)
    shape = curves.mirrored([(0, -1), (1, 0), (0, 1)], 6)
    mirror = shape * [-1, 1]
    nearest = np.abs(shape[:, None] - mirror[None]).max(2).min(1)
    assert nearest.max() < 1e-9
