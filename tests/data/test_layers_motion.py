"""Scenes of layers: what is drawn lies where the truth about its motion says."""

import cv2
import numpy as np
import pytest

from inbetween.data.layers.motion import Bend, Camera, Hinge, Motion, Pose
from inbetween.data.layers.moves import Mover
from inbetween.data.layers.puppet import cut_limbs
from inbetween.data.layers.scene import Layer, LayerScene, spacing
from inbetween.data.synthetic.motion import Ease
from tests.data.layer_pictures import disc, smooth


def scene_of(bends: bool) -> LayerScene:
    """A background under a camera, and a sprite that turns, grows and bends, with spacings of their own."""
    size = (96, 128)
    opaque = np.dstack([smooth(1, 160, 200), np.full((160, 200), 255, np.uint8)])
    sprite = disc(2, 70, 90)
    sprite[..., :3][sprite[..., 3] == 0] = 0
    waves = np.array([[0.09, 0.04, 2.0, 3.0, 0.3, 0.0, -1.0, 1.0], [0.0, 0.1, 1.0, 0.0, 1.0, 20.0, 1.0, 1.0]])
    bend = Bend(Ease(1.5, 1.0), waves, Hinge(3.0, -2.0, 0.4, 40.0, -0.1, 0.12), 55.0)
    camera = Camera(
        Motion(Pose(-4, 2, -0.03, -0.04), Pose(5, -3, 0.04, 0.06), Ease(1.8, 1.0), shake=0.5, beat=9)
    )
    path = Motion(Pose(-14, -6, -0.2, -0.1, 0.05), Pose(16, 5, 0.2, 0.1, -0.1), Ease(1.0, 2.0), arc=0.2)
    layers = [
        Layer(opaque, 1.3, Motion(Pose(3, 4), Pose(3, 4)), endless=True),
        Layer(sprite, 1.2, path, bend if bends else None, depth=1.4),
    ]
    return LayerScene(layers, camera, size, 0.5)


@pytest.mark.parametrize("bends", [False, True])
def test_keyframes_warped_by_the_flow_give_the_frame_where_its_points_are_seen(bends: bool) -> None:
    scene = scene_of(bends)
    y, x = np.mgrid[:96, :128].astype(np.float32)
    for t in (0.3, 0.5):
        frame = scene.render(t, (0.0, 1.0))
        for k, key in enumerate((0.0, 1.0)):
            there = scene.render(key)
            flow = frame.flows[..., 2 * k : 2 * k + 2]
            assert np.hypot(*np.moveaxis(flow, -1, 0)).max() > 8
            warped = cv2.remap(
                there.image, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
            )
            seen = (
                cv2.erode(scene.visible(frame._replace(flows=flow), there)[0], np.ones((5, 5)))[..., None] > 0
            )
            assert seen.mean() > 0.5
            difference = np.abs(warped.astype(int) - frame.image)[np.broadcast_to(seen, warped.shape)]
            unmoved = np.abs(there.image.astype(int) - frame.image)[np.broadcast_to(seen, warped.shape)]
            assert difference.mean() < 1.5
            assert np.percentile(difference, 99) < 8
            assert difference.mean() < 0.12 * unmoved.mean()


def test_a_bend_is_undone_and_never_folds() -> None:
    rng = np.random.default_rng(0)
    waves = np.column_stack([rng.normal(0, 0.2, (3, 2)), rng.normal(0, 9, (3, 2)), rng.uniform(0, 9, (3, 4))])
    bend = Bend(Ease(), waves, Hinge(5.0, 3.0, 1.0, 20.0, -1.2, 1.2), 60.0)
    points = rng.uniform(-50, 50, (200, 2))
    for s in (0.0, 0.4, 1.0):
        moved = points + bend.offsets(points, s)
        assert np.abs(bend.offsets(points, s)).max() > 0.5
        assert np.hypot(*bend.offsets(points, s).T).max() <= bend.reach
        assert np.abs(bend.inverse(moved, s) - points).max() < 0.1


def test_limbs_that_do_not_swing_leave_a_sprite_as_it_is_and_those_that_do_turn_about_their_joint() -> None:
    pose = Motion(Pose(3.5, -2, 0.3), Pose(3.5, -2, 0.3))
    sprite = Layer(disc(6, 72, 88), 1.2, pose)
    still = Motion(Pose(), Pose())
    paper = Layer(np.full((96, 128, 4), 255, np.uint8), 1.0, still, depth=0.0, endless=True)
    rng = np.random.default_rng(0)

    def drawn(layers: list[Layer]) -> np.ndarray:
        frame = LayerScene([paper, *layers], Camera(still), (96, 128), 0.5).render(0.7)
        return frame.image.astype(int)[cv2.erode(frame.layer, np.ones((5, 5))) > 0]

    whole = drawn([sprite])
    limbs = 0
    for _ in range(6):
        parts = cut_limbs(sprite, Mover((96, 128), 1e-6, 1.0, rng), rng)
        limbs += len(parts) - 1
        assert np.abs(drawn(parts) - whole).max() < 24  # but for its edge, which lies there twice
        for part in cut_limbs(sprite, Mover((96, 128), 0.5, 1.0, rng), rng):
            joint = [[*part.motion.pivot, 1.0]]
            for s in (0.0, 0.6):
                assert part.motion.matrix(s) @ joint[0] == pytest.approx(joint[0]) or part.motion is pose
    assert limbs >= 6


def test_an_in_between_is_where_its_own_spacing_puts_it_and_the_map_says_so() -> None:
    texture = disc(3, 16, 16)
    still = Motion(Pose(), Pose())
    paper = Layer(np.full((40, 60, 4), 255, np.uint8), 1.0, still, depth=0.0, endless=True)
    slow = Layer(texture, 1.0, Motion(Pose(-16, -10), Pose(16, -10), Ease(2.0, 1.0)))
    held = Layer(texture, 1.0, Motion(Pose(0, 10), Pose(0, 10)))
    scene = LayerScene([paper, slow, held], Camera(still), (40, 60), 0.5)
    frame = scene.render(0.5, (0.0, 1.0))
    flows = frame.flows.transpose(2, 0, 1)
    shares = spacing(flows[:2], flows[2:], 0.5)[0]
    share = Ease(2.0, 1.0)(0.5)
    assert share < 0.4
    assert shares[frame.layer == 1] == pytest.approx(share, abs=1e-3)
    assert (shares[frame.layer != 1] == 0.5).all()
    columns = np.nonzero(frame.layer == 1)[1]
    assert columns.mean() == pytest.approx(29.5 - 16 + 32 * share, abs=0.5)
    assert (flows[:, frame.layer != 1] == 0).all()
    assert flows[2][frame.layer == 1] == pytest.approx(32 * (1 - share), abs=1e-3)


def test_a_hidden_point_is_not_visible() -> None:
    still = Motion(Pose(), Pose())
    paper = Layer(np.full((32, 64, 4), 255, np.uint8), 1.0, still, depth=0.0, endless=True)
    disc_over = Layer(disc(4, 20, 20), 1.0, Motion(Pose(-20, 0), Pose(20, 0)))
    scene = LayerScene([paper, disc_over], Camera(still), (32, 64), 0.5)
    first, last = scene.render(0.0, (1.0,)), scene.render(1.0, (0.0,))
    visible = scene.visible(first, last)[0]
    assert visible[first.layer == 1].min() == 1
    assert visible[15, 51] == 0
    assert visible[2, 30] == 1
