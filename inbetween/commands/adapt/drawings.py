"""What a folder of drawings holds: sequences, and static drawings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from inbetween.data.shots import find_cuts, thumbnail
from inbetween.errors import UserError
from inbetween.io.images import READABLE, image_size, read_image
from inbetween.io.listing import frames_in, walk

SHORTEST = 3  # drawings of a sequence: two keyframes and one between
SMALLEST = 32  # pixels of the shorter side of a sequence's drawings
_SMALLEST_STATIC = 16  # pixels of the longer side of the largest static drawing
PAPER = (255, 255, 255)  # that transparent drawings are composited over
# Names of folders that hold the same scene in another state, in small letters.
KINDS = frozenset(
    {"sketch", "sketches", "rough", "roughs", "line", "lines", "lineart", "ink", "inks", "clean", "cleanup"}
    | {"color", "colors", "colour", "colours", "colored", "coloured", "composition", "comp", "paint", "flat"}
)
_PAIRS_READ = 12  # of a folder, to tell a sequence from drawings that have nothing to do with each other


@dataclass(frozen=True)
class DrawnSequence:
    """Successive drawings of one size in one folder.

    Args:
        folder: Its path below the root; `.` is the root.
        frames: Its drawings, in order.
        size: Height and width in pixels.
    """

    folder: str
    frames: tuple[Path, ...]
    size: tuple[int, int]

    @property
    def scene(self) -> str:
        """The folder without the names of kinds: `walk` of `walk/sketch` and of `color/walk`."""
        parts = [part for part in self.folder.split("/") if part.casefold() not in KINDS]
        return "/".join(parts) or "."


@dataclass(frozen=True)
class Drawings:
    """The drawings of a folder.

    Args:
        root: The folder.
        sequences: In natural order.
        static: Drawings that are in no sequence.
        largest: Pixels of the longer side of the largest static drawing.
    """

    root: Path
    sequences: tuple[DrawnSequence, ...]
    static: tuple[Path, ...]
    largest: int = 0

    @property
    def scenes(self) -> tuple[str, ...]:
        """Names of the sequences' scenes, each once."""
        return tuple(dict.fromkeys(sequence.scene for sequence in self.sequences))

    @property
    def count(self) -> int:
        """Number of drawings in sequences."""
        return sum(len(sequence.frames) for sequence in self.sequences)


def read_drawings(root: Path, keyframes: bool) -> Drawings:
    """Look at a folder: three drawings or more of one size in a folder are a sequence, others are static.

    Drawings of one size are static as well where most neighbours have nothing in common.

    Args:
        root: The folder; folders in it are searched, too.
        keyframes: Neighbours are keyframes, far apart: what they have in common is not looked at.

    Raises:
        UserError: The folder is missing or holds fewer than two drawings, or a drawing cannot be used.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root}: give the folder of your drawings with --drawings.")
    sequences, static, largest = list[DrawnSequence](), list[Path](), 0
    for folder in walk(root):
        frames = frames_in(folder)
        sizes = [image_size(path) for path in frames]
        if _is_sequence(frames, sizes, keyframes):
            if min(sizes[0]) < SMALLEST:
                raise _too_small(frames[0], sizes[0])
            sequences.append(DrawnSequence(folder.relative_to(root).as_posix(), frames, sizes[0]))
        else:
            static += frames
            largest = max([largest, *map(max, sizes)])
    found = sum(len(sequence.frames) for sequence in sequences) + len(static)
    if found == 0:
        raise UserError(f"{root} has no drawings: put images into it ({READABLE}).")
    if found == 1:
        raise UserError(
            f"{root} has one drawing only, {static[0].name}: one is needed to learn from and another one to"
            " test on; add more."
        )
    if static and not sequences and largest < _SMALLEST_STATIC:
        raise _too_small(static[0], image_size(static[0]))
    if keyframes and static and not sequences:
        raise UserError(
            f"{root} has no sequence of {SHORTEST} keyframes of one size in a folder: add some, or leave out"
            " --keyframes."
        )
    return Drawings(root, tuple(sequences), tuple(static), largest)


def _too_small(path: Path, size: tuple[int, int]) -> UserError:
    return UserError(
        f"{path} has {size[1]}x{size[0]} pixels, too few to learn from: give drawings of"
        f" {SMALLEST}x{SMALLEST} or more, or remove it."
    )


def _is_sequence(frames: tuple[Path, ...], sizes: list[tuple[int, int]], keyframes: bool) -> bool:
    """Whether the drawings of a folder follow each other.

    Raises:
        UserError: All but a few have one size.
    """
    if len(frames) < SHORTEST:
        return False
    (size, count), *others = Counter(sizes).most_common()
    if others:
        if 2 * count <= len(frames):
            return False
        odd = next(path for path, own in zip(frames, sizes, strict=True) if own != size)
        height, width = sizes[frames.index(odd)]
        raise UserError(
            f"{odd} has {width}x{height} pixels, most drawings beside it {size[1]}x{size[0]}: make it the"
            " same size, or put it into a folder of its own."
        )
    return keyframes or not _unrelated(frames)


def _unrelated(frames: tuple[Path, ...]) -> bool:
    """Whether most neighbours show different things; a few pairs, evenly spaced, tell."""
    pairs = len(frames) - 1
    count = min(pairs, _PAIRS_READ)
    cuts = 0
    for number in range(count):
        start = number * pairs // count
        neighbours = [thumbnail(read_image(path, PAPER)) for path in frames[start : start + 2]]
        cuts += len(find_cuts(neighbours))
    return 2 * cuts > count
