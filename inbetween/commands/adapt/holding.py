"""Which drawings are held out of training, to test on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inbetween.commands.adapt.drawings import Drawings
from inbetween.data.windows import SceneWindows
from inbetween.errors import UserError

GAP = 2  # drawings left out of both sides where one scene is divided by time
FEWEST_WINDOWS = 16  # to test on, where there are that many
BLOCK = 2  # neighbouring drawings that count as one in the interval
_LAST = 5  # drawings held out of a single scene, at least
_SHARE = 4  # one in so many windows or drawings is held out


@dataclass(frozen=True)
class HeldOut:
    """What is held out.

    Args:
        spans: Folders with the numbers of the first and the last drawing held out; see `HeldOutScenes`.
        text: The same in words.
    """

    spans: dict[str, tuple[int, int]]
    text: str


def hold_out(drawings: Drawings, windows: Mapping[str, int], holds: Mapping[str, Sequence[int]]) -> HeldOut:
    """Choose scenes, or of a single one the last drawings.

    About a quarter of the windows is held out: the scene nearest to it, and further ones until there are
    enough, but never more than half. All kinds of a scene are on one side.

    Args:
        drawings: With at least one sequence.
        windows: Number of windows of each folder.
        holds: For each frame of a folder, the number of the first frame of its hold.

    Raises:
        UserError: There are too few drawings.
    """
    counts: Counter[str] = Counter()
    for sequence in drawings.sequences:
        counts[sequence.scene] += windows.get(sequence.folder, 0)
    usable = [scene for scene in drawings.scenes if counts[scene]]
    if len(usable) == 1:
        return _by_time(drawings, usable[0], holds)
    total = sum(counts.values())
    held: list[str] = []
    for scene in sorted(usable, key=lambda name: abs(counts[name] - total / _SHARE)):
        taken = sum(counts[name] for name in held)
        if not held or (taken < FEWEST_WINDOWS and 2 * (taken + counts[scene]) <= total):
            held.append(scene)
    spans = {
        sequence.folder: (0, len(sequence.frames) - 1)
        for sequence in drawings.sequences
        if sequence.scene in held
    }
    text = f"{'the scene' if len(held) == 1 else 'the scenes'} {', '.join(held)} of {len(usable)}"
    return HeldOut(spans, text)


def _by_time(drawings: Drawings, scene: str, holds: Mapping[str, Sequence[int]]) -> HeldOut:
    """The end of a single scene, in all its kinds; held drawings count once."""
    firsts: dict[int, int] = {}  # by the number of frames: kinds of one length are divided at one place
    shown = 0
    for sequence in drawings.sequences:
        if sequence.scene != scene:
            continue
        begins = sorted({*holds[sequence.folder]})
        count = len(begins)
        last = max(count // _SHARE, _LAST)
        if count < last + GAP + 3:
            raise UserError(
                f"{drawings.root} has {count} drawings in its only scene, too few to keep some for the test:"
                f" give {_LAST + GAP + 3} or more, not counting repeated ones, or a second scene."
            )
        frames, first = len(sequence.frames), begins[-last]
        firsts[frames] = min(firsts.get(frames, first), first)
        shown = max(shown, last)
    spans = {
        sequence.folder: (firsts[len(sequence.frames)], len(sequence.frames) - 1)
        for sequence in drawings.sequences
        if sequence.scene == scene
    }
    where = "" if scene == "." else f" of {scene}"
    text = f"the last {shown} drawings{where}, the only scene, after a gap of {GAP}"
    return HeldOut(spans, text)


def blocks(windows: SceneWindows, scene_of: Mapping[str, str]) -> dict[int, str]:
    """The group of each window in the interval: few neighbouring drawings of one scene, in all its kinds.

    Windows that share drawings are not independent. With eight scenes or more, a scene is a group.

    Args:
        windows: What is held out.
        scene_of: The scene of each folder.
    """
    places = [scene_of[stored.scene.animation] for stored in windows.scenes]
    middle = [(places[place], numbers[len(numbers) // 2]) for place, numbers in windows.windows]
    if len({scene for scene, _ in middle}) >= 8:
        return {index: scene for index, (scene, _) in enumerate(middle)}
    rank: dict[tuple[str, int], int] = {}
    seen: Counter[str] = Counter()
    for scene, number in sorted(set(middle)):
        rank[scene, number] = seen[scene]
        seen[scene] += 1
    return {index: f"{key[0]}/{rank[key] // BLOCK}" for index, key in enumerate(middle)}
