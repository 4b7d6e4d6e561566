"""The truth of synthetic animation, checked against what is drawn."""

import dataclasses

import cv2
import numpy as np
import pytest

from inbetween.data.synthetic import SyntheticScene
from inbetween.data.synthetic.curves import box
from inbetween.data.synthetic.motion import Joint
from inbetween.data.synthetic.parts import Part
from inbetween.data.synthetic.pen import Kind
from inbetween.data.synthetic.stage import Stage, View

SIZE = (128, 160)
KINDS = ("sketch", "color", "composition")


def grid(size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    return x, y


def pull(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    x, y = grid(image.shape[:2])
    return cv2.remap(image, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [(0.0, 1.0), (0.4, 0.0)])
def test_pulling_a_frame_by_the_flow_gives_the_other_frame(kind: Kind, times: tuple[float, float]) -> None:
    moved, still = [], []
    for index in range(8):
        scene = SyntheticScene(5, index, kind)
        here, there = (scene.draw(t, SIZE).astype(np.float32) for t in times)
        flow, visible = scene.flow(*times, SIZE), scene.visible(*times, SIZE)[0] > 0
        steep = cv2.morphologyEx(here, cv2.MORPH_GRADIENT, np.ones((3, 3))).max(2)
        flat = visible & (steep < 24)  # an edge half a pixel off is no error of the flow
        assert flat.mean() > 0.25
        error = np.abs(pull(there, flow) - here).max(2)
        assert np.median(error[flat]) <= 3
        assert (error[flat] > 32).mean() < 0.02
        changed = visible & (np.hypot(*flow) > 1)
        if changed.sum() > 200:
            moved.append(error[changed].mean())
            still.append(np.abs(there - here).max(2)[changed].mean())
    assert np.mean(moved) < 0.5 * np.mean(still)


@pytest.mark.parametrize("kind", KINDS)
def test_flow_there_and_back_is_nothing_where_visible(kind: Kind) -> None:
    scene = SyntheticScene(5, 3, kind)
    there, back = scene.flow(0.0, 0.7, SIZE), scene.flow(0.7, 0.0, SIZE)
    x, y = grid(SIZE)
    column, row = np.rint(x + there[0]).astype(int), np.rint(y + there[1]).astype(int)
    seen = scene.visible(0.0, 0.7, SIZE)[0] > 0
    # compare at the nearest pixel: it moved as its surface did, up to the rounding times the stretch
    off = there[:, seen] + back[:, row[seen], column[seen]]
    assert np.median(np.abs(off)) < 0.25
    assert np.percentile(np.abs(off), 95) < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_labels_name_the_part_that_is_drawn_on_top(kind: Kind) -> None:
    for index in range(4):
        scene = SyntheticScene(6, index, kind)
        stage = scene.stage
        labels = stage.owner[scene.labels(0.3, SIZE)]
        # every part in a colour of its own, drawn by the same drawing code
        for part in stage.first:
            owner = int(stage.owner[stage.first[part]])
            code = (owner % 16 * 16, owner // 16 * 16, 255)
            part.fill = part.line = code
            part.marks = [dataclasses.replace(mark, color=code) for mark in part.marks]
        canvas = np.zeros((*SIZE, 3), np.uint8)
        scene.stage.groups = [[p for p in group if not p.ghost] for group in stage.groups]
        stage.draw(canvas, 0.3, View(128.0, 79.5, 63.5))
        sure = (cv2.erode(canvas, np.ones((3, 3))) == cv2.dilate(canvas, np.ones((3, 3)))).all(2)
        drawn = np.rint(canvas[..., 0] / 16) + 16 * np.rint(canvas[..., 1] / 16)
        drawn[canvas[..., 2] < 128] = 0
        assert len(np.unique(labels)) > 1
        np.testing.assert_array_equal(labels[sure], drawn[sure])


def test_outlines_of_a_group_lie_below_its_fills_and_insides_are_cut_by_their_frame() -> None:
    def square(x: float, half: float) -> np.ndarray:
        return box(2 * half, 2 * half, (x, 0.0))

    joint = Joint()
    left = Part(joint, square(-0.1, 0.2), (200, 0, 0), square(-0.1, 0.3))
    right = Part(joint, square(0.2, 0.2), (0, 200, 0), square(0.2, 0.3))
    iris = Part(joint, square(0.0, 0.5), (0, 0, 200), inside=left)
    shadow = Part(joint, square(0.0, 0.5), (0, 0, 0), ghost=True, opacity=0.5)
    stage = Stage([[left, right], [iris], [shadow]], joint)
    view = View(100.0, 49.5, 49.5)
    labels = stage.label((100, 100), 0.0, view)[50]
    # right's outline from -0.1 to 0.0 is covered by left's fill; the iris ends where left's fill does
    assert labels[[5, 15, 25, 45, 58, 62, 75, 95]].tolist() == [0, 1, 3, 3, 3, 2, 2, 2]
    bare = Stage([[left, right]], joint).label((100, 100), 0.0, view)[50]
    assert bare[[5, 15, 25, 45, 62, 95]].tolist() == [0, 1, 1, 1, 2, 2]
    canvas = np.full((100, 100, 3), 255, np.uint8)
    Stage([[left, right]], joint).draw(canvas, 0.0, view)
    assert canvas[50, 45].tolist() == [200, 0, 0]
    assert canvas[50, 75].tolist() == [0, 200, 0]
    assert canvas[50, 15].tolist() == [0, 0, 0]
    assert canvas[50, 5].tolist() == [255, 255, 255]
    stage.draw(canvas, 0.0, view)
    assert np.abs(canvas[50, 25].astype(int) - [0, 0, 100]).max() <= 1
    assert np.abs(canvas[50, 75].astype(int) - [0, 100, 0]).max() <= 1


def test_nothing_moves_from_a_time_to_itself() -> None:
    scene = SyntheticScene(5, 0, "color")
    np.testing.assert_allclose(scene.flow(0.5, 0.5, SIZE), 0, atol=1e-3)
    assert scene.visible(0.5, 0.5, SIZE).all()


@pytest.mark.parametrize("t", [0.0, 0.35, 1.0])
def test_spacing_is_the_share_of_the_way_and_t_where_nothing_moves(t: float) -> None:
    moving = resting = 0
    for index in range(6):
        scene = SyntheticScene(5, index, "color")
        spacing = scene.spacing(t, SIZE)[0]
        to_first, to_last = (scene.flow(t, end, SIZE).astype(np.float64) for end in (0.0, 1.0))
        way = to_last - to_first
        length = np.hypot(*way)
        rest, far = length < 0.4, length > 2
        np.testing.assert_array_equal(spacing[rest], np.float32(t))
        # along a unit vector towards the end: gone / (gone + left)
        unit = way[:, far] / length[far]
        gone, left = -(to_first[:, far] * unit).sum(0), (to_last[:, far] * unit).sum(0)
        np.testing.assert_allclose(spacing[far], np.clip(gone / (gone + left), 0, 1), atol=1e-4)
        if t in (0.0, 1.0):
            np.testing.assert_allclose(spacing, t, atol=1e-4)
        moving, resting = moving + far.sum(), resting + rest.sum()
    assert moving > 1000
    assert resting > 1000


def test_hidden_and_departed_points_are_invisible() -> None:
    shares = []
    for index in range(6):
        scene = SyntheticScene(8, index, "color", amount=1.2)
        flow, visible = scene.flow(0.0, 1.0, SIZE), scene.visible(0.0, 1.0, SIZE)[0]
        x, y = grid(SIZE)
        away = (np.rint(x + flow[0]) < 0) | (np.rint(x + flow[0]) >= SIZE[1])
        away |= (np.rint(y + flow[1]) < 0) | (np.rint(y + flow[1]) >= SIZE[0])
        assert not visible[away].any()
        shares.append(visible[~away].mean())
    assert 0.5 < np.mean(shares) < 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_motion_is_continuous_in_t(kind: Kind) -> None:
    for index in range(4):
        scene = SyntheticScene(7, index, kind)
        steps = [scene.flow(t, t + 0.02, SIZE) for t in (0.0, 0.31, 0.5, 0.97)]
        assert max(np.percentile(np.hypot(*step), 99) for step in steps) < 0.08 * SIZE[0]


def test_a_larger_picture_shows_the_same_scene() -> None:
    scene = SyntheticScene(5, 1, "color")
    small = scene.draw(0.5, (64, 80)).astype(float)
    large = cv2.resize(scene.draw(0.5, (128, 160)), (80, 64), interpolation=cv2.INTER_AREA).astype(float)
    assert np.abs(small - large).mean() < 4
    np.testing.assert_allclose(
        scene.flow(0.0, 1.0, (64, 80))[:, 2, 2] * 2, scene.flow(0.0, 1.0, (128, 160))[:, 4, 4], atol=0.5
    )
