"""The keyframes of one sequence: found, checked, and read one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inbetween.data.shots import find_shots, thumbnail
from inbetween.data.transitions import Transition, Transitions, find_transitions
from inbetween.errors import UserError
from inbetween.io.images import Layers, Pixels, WideLayers, composited, in_8_bits
from inbetween.io.png import Chunks, appearance, differ, fits, without_profile
from inbetween.io.sequences import Clip, SourceImage, SourceImageReader, find_clip

BACKGROUND = (255, 255, 255)  # that transparent images are composited over to detect cuts
LONGEST_HOLD = 6  # frames: a drawing that is held longer rests, and stays as it is

Progress = Callable[[Iterable[SourceImage]], Iterable[SourceImage]]


@dataclass(frozen=True)
class Keyframes:
    """An ordered sequence of images of one size. In a cycle the first one comes again after the last.

    Args:
        source_images: The images' files, two or more.
        size: Height and width in pixels.
        grey: All files are stored without colour.
        transparent: At least one of the files has transparency.
        transitions: Cuts, fades and flashes between them.
        loop: They are a cycle.
        span: Seconds from the first to the last keyframe, where their file has times; else 0.
        uneven: Some are shown longer than others.
        gaps: With `redraw_holds`, how many frames of the clip each drawing is held; else empty.
        resting: Numbers of the pairs whose first drawing is held for so long that it stays as it is.
        depth: Bits a channel: 16 if one of the files has 16.
        chunks: Colour profile and resolution of the first file.
        differing: A file with another colour profile or resolution, if there is one.
        reader: Reads them.
    """

    source_images: tuple[SourceImage, ...]
    size: tuple[int, int]
    grey: bool
    transparent: bool
    transitions: Transitions = field(default_factory=Transitions)
    loop: bool = False
    span: float = 0.0
    uneven: bool = False
    gaps: tuple[int, ...] = ()
    resting: frozenset[int] = frozenset()
    depth: int = 8
    chunks: Chunks = ()
    differing: SourceImage | None = None
    reader: SourceImageReader = field(default_factory=SourceImageReader, repr=False, compare=False)

    def __str__(self) -> str:
        mode = ("grey" if self.grey else "RGB") + (" with transparency" if self.transparent else "")
        deep = " of 16 bits" if self.depth == 16 else ""
        return f"{len(self.source_images)} keyframes of {self.size[1]}x{self.size[0]} in {mode}{deep}"

    @property
    def stops(self) -> tuple[SourceImage, ...]:
        """All keyframes in the order in which they are reached: in a cycle the first one again at the end."""
        return (*self.source_images, *self.source_images[: int(self.loop)])

    @property
    def pairs(self) -> int:
        """Number of neighbours between which frames may lie."""
        return len(self.stops) - 1

    def read(self, number: int) -> Tensor:
        """One of `stops` (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
        return with_opacity(self.reader.read(self.source_images[number % len(self.source_images)]))

    def as_stored(self, image: Tensor) -> Tensor:
        """An image (..., 4, H, W) reduced to the keyframes' channels."""
        return as_stored(image, self.grey, self.transparent)

    def with_motion(self, pairs: frozenset[int]) -> Keyframes:
        """The same, with motion in these pairs, whatever was detected and however long one is held."""
        return replace(self, transitions=self.transitions.with_motion(pairs), resting=self.resting - pairs)

    def transition(self, pair: int, detected: bool) -> Transition:
        """What lies between two neighbours.

        Args:
            pair: Number of the pair.
            detected: Whether cuts, fades and flashes count. A drawing that rests always does.
        """
        if pair in self.resting:
            return "repeat_first"
        return self.transitions.before(pair + 1) if detected else "motion"


def with_opacity(layers: Layers | WideLayers) -> Tensor:
    """A decoded image (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity."""
    kind = layers.color.dtype
    opaque = np.full(layers.color.shape[:2], np.iinfo(kind).max, kind)
    opacity = opaque if layers.opacity is None else layers.opacity
    return in_unit_range(np.dstack([layers.color, opacity])).permute(2, 0, 1)


def as_stored(image: Tensor, grey: bool, transparent: bool) -> Tensor:
    """An image (..., 4, H, W) as L, LA, RGB or RGBA: (..., 1 to 4, H, W)."""
    color, opacity = image[..., :3, :, :], image[..., 3:, :, :]
    if grey:
        color = color.mean(-3, keepdim=True)
    return torch.cat([color, opacity], -3) if transparent else color


def read_keyframes(
    entries: Sequence[str],
    progress: Progress = iter,
    *,
    every: int = 1,
    loop: bool = False,
    redraw_holds: bool = False,
) -> Keyframes:
    """Check every keyframe once, so that errors are found before interpolation starts.

    Args:
        entries: See `find_clip`.
        progress: Wraps the iteration over the images, for a progress bar.
        every: Only every so many images are keyframes, from the first on.
        loop: They are a cycle.
        redraw_holds: Only images at which a new drawing begins are keyframes.

    Raises:
        UserError: There are fewer than two keyframes, one cannot be read, or their sizes differ; or no
            drawing is held.
    """
    if every < 1:
        raise UserError(f"keys_every is {every}: give 1 or more.")
    clip = find_clip(entries, every)
    if len(clip.images) < 2:
        _too_few(clip, entries, every)
    reader = SourceImageReader()
    size = one_size(clip.images, "Keyframes", reader)
    span = clip.starts[-1] - clip.starts[0] if clip.starts else 0.0
    gaps: tuple[int, ...] = ()
    if redraw_holds:
        clip, gaps = _drawings(clip, progress, reader)
    grey, transparent, depth = True, False, 8
    looks: dict[str, tuple[SourceImage, Chunks]] = {}

    def thumbnails() -> Iterator[Pixels]:
        nonlocal grey, transparent, depth
        begin: list[Pixels] = []
        for source_image in progress(clip.images):
            layers = reader.read(source_image)
            grey, transparent = grey and layers.grey, transparent or layers.opacity is not None
            depth = 16 if isinstance(layers, WideLayers) else depth
            if str(source_image.path) not in looks:
                chunks = () if source_image.of_video else appearance(source_image.path)
                looks[str(source_image.path)] = source_image, chunks
            small = thumbnail(composited(in_8_bits(layers), BACKGROUND))
            begin = [*begin, small][:2]
            yield small
        if loop:
            yield from begin

    transitions = find_transitions(thumbnails())
    if len(clip.images) in transitions.flashes:  # the first keyframe, when it is reached again
        transitions = transitions._replace(flashes=transitions.flashes | {0})
    (_, chunks), *others = looks.values()
    differing = next((source_image for source_image, other in others if differ(chunks, other)), None)
    if not fits(chunks, grey):
        chunks, differing = without_profile(chunks), differing or clip.images[0]
    pairs = len(clip.images) - (not loop)
    resting = frozenset(pair for pair, gap in enumerate(gaps[:pairs]) if gap > LONGEST_HOLD)
    return Keyframes(
        clip.images, size, grey, transparent, transitions, loop, span, clip.uneven, gaps, resting, depth,
        chunks, differing, reader,
    )  # fmt: skip


def _too_few(clip: Clip, entries: Sequence[str], every: int) -> None:
    if every > 1 and (whole := len(find_clip(entries).images)) > 1:
        raise UserError(
            f"keys_every {every} leaves 1 keyframe of {whole} images, and two are needed: give"
            f" {whole - 1} or less."
        )
    found = "is 1 keyframe" if clip.images else "are no keyframes"
    raise UserError(f"There {found} and two are needed: give --keyframes a.png b.png, or a folder.")


def _drawings(clip: Clip, progress: Progress, reader: SourceImageReader) -> tuple[Clip, tuple[int, ...]]:
    """The images of a clip at which a new drawing begins, and how many frames each drawing is held.

    Raises:
        UserError: No drawing is held, or there is only one.
    """
    layers = (in_8_bits(reader.read(image)) for image in progress(clip.images))
    hold_starts, _ = find_shots(thumbnail(composited(each, BACKGROUND)) for each in layers)
    begins = sorted(set(hold_starts))
    where = f"the {len(clip.images)} images from {clip.images[0]} on"
    if len(begins) == 1:
        raise UserError(f"All of {where} show one drawing: there is nothing to draw between.")
    if len(begins) == len(clip.images):
        raise UserError(f"None of {where} repeats the one before it: leave out --redraw_holds.")
    gaps = tuple(end - begin for begin, end in pairwise([*begins, len(clip.images)]))
    return Clip(tuple(clip.images[number] for number in begins), uneven=clip.uneven), gaps


def read_spacing_map(source_image: SourceImage, reader: SourceImageReader) -> Tensor:
    """Read a spacing map from a grey image: black is 0, white is 1.

    Returns:
        (1, H, W) in [0, 1].

    Raises:
        UserError: The image cannot be read, or has colour or transparency.
    """
    layers = reader.read(source_image)
    if layers.opacity is not None or np.ptp(layers.color, axis=2).any():
        raise UserError(
            f"The spacing map {source_image} is not grey: save it without colour and transparency."
        )
    return in_unit_range(layers.color[..., 0].copy())[None]


def one_size(source_images: Sequence[SourceImage], what: str, reader: SourceImageReader) -> tuple[int, int]:
    """The common height and width of images in pixels.

    Args:
        source_images: The images.
        what: Their name in the message.
        reader: Reads them.

    Raises:
        UserError: Sizes differ, or a header cannot be read.
    """
    sizes = [reader.size(source_image) for source_image in source_images]
    for source_image, size in zip(source_images, sizes, strict=True):
        if size != sizes[0]:
            raise UserError(
                f"{what} differ in size: {source_images[0]} has {sizes[0][1]}x{sizes[0][0]} pixels,"
                f" {source_image} has {size[1]}x{size[0]}: make them the same size."
            )
    return sizes[0]


def in_unit_range(pixels: Pixels | NDArray[np.uint16]) -> Tensor:
    """Pixels of 8 or 16 bits as float32 in [0, 1]."""
    return torch.from_numpy(pixels).float() / np.iinfo(pixels.dtype).max
