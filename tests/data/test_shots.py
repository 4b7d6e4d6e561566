"""Holds and cuts, with the noise and the motion that must not be taken for them."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from inbetween.data.shots import find_cuts, find_shots
from tests.data.cut_sequences import all_together, score, sequences

RANDOM = np.random.default_rng(0)


def find_drawings(frames: list[np.ndarray]) -> list[int]:
    return find_shots(frames)[0]


def face(pupil: int = 0, mouth: int = 0, blink: bool = False) -> np.ndarray:
    """A face of 256x256 with features a few pixels large."""
    image = np.full((256, 256, 3), 255, np.uint8)
    cv2.circle(image, (128, 128), 60, (250, 220, 200), -1)
    cv2.circle(image, (128, 128), 60, (40, 30, 30), 2)
    image[110 + 2 * blink : 113, 110:114] = 30
    image[110:113, 146 + pupil : 149 + pupil] = 30
    image[160 + mouth, 125:131] = 90
    return image


def exposed(image: np.ndarray) -> np.ndarray:
    """Grain and JPEG, different each time."""
    grain = np.clip(image + RANDOM.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", grain, [cv2.IMWRITE_JPEG_QUALITY, 85])[1], cv2.IMREAD_COLOR)


def test_repeated_drawings_are_holds_through_noise() -> None:
    open_, shut = face(), face(blink=True)
    assert find_drawings([open_, open_, shut, shut, shut, open_]) == [0, 0, 2, 2, 2, 5]
    assert find_drawings([exposed(open_) for _ in range(6)]) == [0] * 6


@pytest.mark.parametrize("other", [face(pupil=1), face(mouth=1), face(blink=True)])
def test_the_smallest_drawn_changes_are_not_holds(other: np.ndarray) -> None:
    assert find_drawings([face(), other]) == [0, 1]
    assert find_drawings([exposed(face()), exposed(other)]) == [0, 1]


def test_a_change_of_colour_alone_is_not_a_hold() -> None:
    red, green = face(), face()
    red[140:170, 60:200] = (200, 60, 60)
    green[140:170, 60:200] = (60, 131, 62)  # the same luma
    assert find_drawings([red, green]) == [0, 1]


def test_a_slow_drift_is_not_one_long_hold() -> None:
    frames = [np.full((64, 64, 3), 100 + number, np.uint8) for number in range(12)]
    assert find_drawings(frames) == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8]


def shot(seed: int, length: int = 8, step: int = 4) -> list[np.ndarray]:
    """A painted background, panned, and a figure that walks across it."""
    random = np.random.default_rng(seed)
    wide = cv2.resize(random.integers(0, 256, (8, 24, 3)).astype(np.uint8), (400, 160))
    frames = [wide[:, step * k : step * k + 256].copy() for k in range(length)]
    for k, frame in enumerate(frames):
        cv2.circle(frame, (40 + 12 * k, 100), 25, (20, 20, 20), -1)
    return frames


def cuts(frames: list[np.ndarray]) -> list[int]:
    return find_shots(frames)[1]


def test_cuts_are_found_where_shots_meet() -> None:
    assert cuts(shot(1) + shot(2, 11) + shot(3)) == [8, 19]
    held = [frame for frame in shot(1) + shot(2) for _ in range(2)]
    assert cuts(held) == [16]


@pytest.mark.parametrize("step", [0, 4, 16])
def test_pans_and_motion_are_no_cuts(step: int) -> None:
    assert cuts(shot(1, step=step)) == []


def test_what_pops_up_in_an_unchanged_picture_is_no_cut() -> None:
    frames = shot(1, step=0)
    for frame in frames[4:]:
        frame[20:140, 90:220] = (250, 240, 90)
    assert cuts(frames) == []


def test_a_single_frame_is_one_drawing_without_cuts(tmp_path: Path) -> None:
    assert find_drawings([face()]) == [0]
    assert cuts([face()]) == []


def test_keyframes_are_judged_pair_by_pair() -> None:
    """Three unrelated pictures, two keyframes each; in a scene only the strongest of such cuts is found."""
    keyframes = [frame for seed in (1, 2, 3) for frame in shot(seed, 2)]
    assert find_cuts(keyframes) == [2, 4]
    assert len(cuts(keyframes)) < 2
    assert find_cuts([keyframes[0]]) == []


@pytest.mark.parametrize("color", [0, 255])
def test_a_blank_keyframe_is_cut_from_both_sides_and_hides_no_cut(color: int) -> None:
    a, other = shot(1, 2), shot(2, 2)
    blank = np.full_like(a[0], color)
    assert find_cuts([a[0], blank, a[1]]) == [1, 2]
    assert find_cuts([*a, blank, *a, *other]) == [2, 3, 5]


def test_fades_pans_and_what_pops_up_are_no_cuts_between_keyframes() -> None:
    frame = shot(1, 1)[0]
    assert find_cuts([(frame * share).astype(np.uint8) for share in (1, 0.6, 0.2)]) == []
    assert find_cuts(shot(1, 3, step=40)) == []
    popped = frame.copy()
    popped[20:140, 90:220] = (250, 240, 90)
    assert find_cuts([frame, popped]) == []


def test_cuts_of_synthetic_animation_are_found() -> None:
    """The benchmark, small: half a minute long it is `python -m tests.data.cut_sequences 30`."""
    found = all_together(score(find_cuts, list(sequences(4))))
    assert found.hits >= 0.9 * found.cuts
    assert found.false <= 0.05 * found.others
