"""Frames of a clip at t."""

import pytest

from inbetween.errors import UserError
from inbetween.methods.diffusion.video.timing import clip_length, fits, frames_at


def even(between: int) -> list[float]:
    return [k / (between + 1) for k in range(1, between + 1)]


def test_in_betweens_are_the_nearest_frames() -> None:
    assert frames_at([0.25, 0.5, 0.75], 5) == [1, 2, 3]
    assert frames_at([0.01, 0.99], 9) == [1, 7]  # never a keyframe
    assert frames_at([0.25, 0.3], 5) is None
    assert fits([0.5], 5)
    assert not fits([0.3], 5)


def test_uneven_t_take_the_longest_clip() -> None:
    assert clip_length([0.1237, 0.5, 0.8911], 4, 81, None) == 81
    assert clip_length([0.1237, 0.5, 0.8911], 4, 33, None) == 33
    assert clip_length([0.3], 4, 81, 9) == 9


def test_seventy_nine_fit_and_eighty_do_not() -> None:
    assert clip_length(even(79), 4, 81, None) == 81
    with pytest.raises(UserError, match="81 frames has no frame of its own for each of the 80 in-betweens"):
        clip_length(even(80), 4, 81, None)
    with pytest.raises(UserError, match="or give more num_frames"):
        clip_length(even(8), 4, 81, 5)
    with pytest.raises(UserError, match="closer than 1/80"):
        clip_length([0.5, 0.501], 4, 81, None)
