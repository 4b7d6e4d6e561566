"""Fades and flashes between keyframes are told from cuts and from motion."""

import numpy as np
import pytest

from inbetween.data.synthetic.scene import KINDS, SyntheticScene
from inbetween.data.transitions import Transitions, find_transitions

BLACK, WHITE = 0.0, 255.0


def drawn(index: int, count: int = 1, amount: float = 0.3) -> list[np.ndarray]:
    """Keyframes of one scene; each index is an unrelated one."""
    scene = SyntheticScene(1000, index, KINDS[index % len(KINDS)], amount)
    return [scene.draw(float(t), (144, 256)) for t in np.linspace(0, 1, count)]


def faded(image: np.ndarray, share: float, color: float | tuple[int, int, int] = BLACK) -> np.ndarray:
    return (image * share + np.asarray(color) * (1 - share)).round().astype(np.uint8)


def strong(index: int) -> np.ndarray:
    """A drawing that is dark and bright: one on white paper hardly fades to white."""
    image = drawn(index)[0]
    image[20:90, 40:120] = (30, 60, 140)
    image[60:120, 100:200] = (220, 200, 60)
    return image


@pytest.mark.parametrize("color", [BLACK, WHITE, (200, 120, 40)])
@pytest.mark.parametrize("index", range(3))
def test_a_fade_is_found_in_both_directions(index: int, color: float) -> None:
    image = strong(index)
    out = [faded(image, share, color) for share in (1, 0.75, 0.4, 0.1)]
    assert find_transitions(out) == Transitions(fades=frozenset({1, 2, 3}))
    assert find_transitions(out[::-1]) == Transitions(fades=frozenset({1, 2, 3}))


@pytest.mark.parametrize("color", [BLACK, WHITE])
def test_what_a_fade_begins_or_ends_with_belongs_to_it(color: float) -> None:
    image = strong(0)
    steps = [faded(image, share, color) for share in (1, 0.5, 0, 0.5, 1)]
    assert find_transitions(steps) == Transitions(fades=frozenset({1, 2, 3, 4}))
    assert find_transitions(steps[2:]).fades == {1, 2}


def test_a_blank_keyframe_by_itself_is_no_fade() -> None:
    image, other = strong(0), strong(1)
    assert find_transitions([image, faded(image, 0)]).fades == frozenset()
    # the next shot begins at once
    found = find_transitions([image, faded(image, 0.5), faded(image, 0), other])
    assert (found.fades, found.cuts) == ({1, 2}, {3})


@pytest.mark.parametrize("index", range(9))
def test_motion_is_no_fade_and_no_flash(index: int) -> None:
    found = find_transitions(drawn(index, 8, 1.0))
    assert (found.fades, found.flashes) == (frozenset(), frozenset())


def test_a_fade_that_moves_too_is_none() -> None:
    image = strong(0)
    assert find_transitions([image, faded(np.roll(image, 6, 1), 0.6)]).fades == frozenset()


def test_more_contrast_or_another_colour_is_no_fade() -> None:
    grey = faded(strong(0), 0.3, 128.0)
    stronger = ((grey.astype(int) - 128) * 3 + 100).clip(0, 255).astype(np.uint8)
    assert find_transitions([strong(0), strong(0)[..., ::-1].copy()]).fades == frozenset()
    darker = np.clip(strong(0) * 0.6 - 60, 0, 255).astype(np.uint8)
    assert find_transitions([strong(0), darker]).fades == frozenset()
    assert find_transitions([strong(1), stronger]).fades == frozenset()


@pytest.mark.parametrize("flash", ["white", "black", "inverted", "nearly white"])
def test_a_flash_is_shown_once(flash: str) -> None:
    before, after = drawn(4, 2, 0.1)
    made = {
        "white": np.full_like(before, 255),
        "black": np.zeros_like(before),
        "inverted": 255 - before,
        "nearly white": faded(before, 0.08, WHITE),
    }[flash]
    before, after = (faded(image, 0.7, BLACK) for image in (before, after))
    found = find_transitions([before, made, after, after])
    assert found == Transitions(flashes=frozenset({1}))
    assert [found.before(number) for number in (1, 2, 3)] == ["repeat_first", "repeat_last", "motion"]
    assert found.without_motion == {1, 2}


def test_a_blank_keyframe_between_two_shots_is_no_flash() -> None:
    found = find_transitions([strong(0), np.zeros_like(strong(0)), drawn(7)[0] // 2])
    assert found.flashes == frozenset()


def test_cuts_are_found_as_ever_and_a_cycle_ends_with_its_beginning() -> None:
    first, second = drawn(0)[0], strong(5)
    found = find_transitions([first, first, second, second, first])
    assert found == Transitions(cuts=frozenset({2, 4}))
    assert [found.before(number) for number in (1, 2, 3, 4)] == ["motion", "repeat_first"] * 2
