"""Which frames of a sampled clip are the in-betweens at t."""

from __future__ import annotations

from collections.abc import Sequence

from inbetween.errors import UserError

TOLERANCE = 1e-3  # of t: a frame so near counts as being there


def frames_at(t: Sequence[float], num_frames: int) -> list[int] | None:
    """The frames of a clip that show t: those nearest, at k / (num_frames - 1).

    Args:
        t: In (0, 1).
        num_frames: Of the clip, keyframes included.

    Returns:
        Their numbers, none a keyframe; None where one of them would show two t.
    """
    steps = num_frames - 1
    nearest = [min(max(round(place * steps), 1), steps - 1) for place in t]
    return nearest if steps > 1 and len(set(nearest)) == len(nearest) else None


def fits(t: Sequence[float], num_frames: int) -> bool:
    """Whether a clip has a frame of its own at each t, to within `TOLERANCE`."""
    numbers = frames_at(t, num_frames)
    return numbers is not None and all(
        abs(place - number / (num_frames - 1)) <= TOLERANCE for place, number in zip(t, numbers, strict=True)
    )


def clip_length(t: Sequence[float], frame_step: int, max_frames: int, num_frames: int | None) -> int:
    """How many frames a clip has that is sampled to show t.

    Args:
        t: In (0, 1).
        frame_step: A clip has k of it and 1 frames.
        max_frames: The most.
        num_frames: What the user wants; None is the smallest number with a frame at each t, and where there
            is none the largest, whose nearest frames are taken.

    Raises:
        UserError: Two t have the same frame.
    """
    lengths = range(frame_step + 1, max_frames + 1, frame_step)
    if num_frames is None:
        num_frames = next((length for length in lengths if fits(t, length)), lengths[-1])
    if frames_at(t, num_frames) is None:
        raise UserError(
            f"A clip of {num_frames} frames has no frame of its own for each of the {len(t)} in-betweens:"
            f" ask for fewer, or for none that are closer than 1/{num_frames - 1}"
            + ("." if num_frames >= max_frames else ", or give more num_frames.")
        )
    return num_frames


def check_window(between: int, frame_step: int) -> None:
    """Check that a window is a clip that the model takes.

    Raises:
        UserError: It is not.
    """
    if (between + 1) % frame_step:
        known = ", ".join(str(k * frame_step - 1) for k in (1, 2, 3, 4) if k * frame_step > 1)
        raise UserError(
            f"between is {between}, and this video model takes clips of {lengths(frame_step)} frames,"
            f" keyframes included: set between to {known} or so on."
        )


def check_num_frames(num_frames: int | None, frame_step: int, max_frames: int) -> None:
    """Check that a sampled clip may have so many frames; None is any that fits.

    Raises:
        UserError: It may not.
    """
    most = (max_frames - 1) // frame_step * frame_step + 1
    if num_frames is not None and num_frames > most:
        raise UserError(f"num_frames is {num_frames}, and clips of this video model have {most} at most.")
    if num_frames is not None and (num_frames - 1) % frame_step:
        near = max(1, round((num_frames - 1) / frame_step)) * frame_step + 1
        raise UserError(
            f"num_frames is {num_frames}, and clips of this video model have {lengths(frame_step)} frames:"
            f" give {near}."
        )


def lengths(frame_step: int) -> str:
    """The shortest clips of a model, as text."""
    return ", ".join(str(k * frame_step + 1) for k in (1, 2, 3) if k * frame_step > 1) + ", ..."
