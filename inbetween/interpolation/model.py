"""A method with its weights, on its device: images in, images of the same kind out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from inbetween.data.transitions import Transition, Transitions
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.functional.spacing import Chart
from inbetween.interpolation.arcs import Neighbours, check_arcs, neighbours
from inbetween.interpolation.drawer import PairDrawer
from inbetween.interpolation.guides import (
    Guides,
    GuidesLike,
    PairGuides,
    as_guides,
    check_guides,
)
from inbetween.interpolation.keep_palette import pair_palette
from inbetween.interpolation.kinds import ImageOrArray, Images, of_one_kind
from inbetween.interpolation.palette import FlatColours, PaletteMode
from inbetween.interpolation.timing import chosen_chart, positions, whole_number

Cuts = Literal["repeat", "interpolate"]


class Interpolator(PairDrawer):
    """A method with its weights, ready to interpolate; `inbetween.load` makes one.

    Args:
        method: Any method of `inbetween.methods`, or your own; it is put into evaluation mode and moved.
        device: Where it computes.
        precision: `bf16-mixed` runs networks in bfloat16 where the device has fast instructions for it, else
            in float32, as `32-true` always does.

    Attributes:
        method: The LightningModule itself: `interpolate` on batches of tensors, `training_step` and so on.
        device: Where it computes.
        precision: What its networks compute in.
    """

    def __repr__(self) -> str:
        return f"Interpolator({type(self.method).__name__}, device={str(self.device)!r})"

    @cached_property
    def stochastic(self) -> bool:
        """Whether the method samples at random, and so has any number of candidates.

        Found by running it on a small image, unless it samples clips, which takes long and is at random.
        """
        if self.method.samples_clips:
            return True
        generator = torch.Generator().manual_seed(0)
        before = generator.get_state()
        blank = torch.ones(1, 3, 64, 64, device=self.device)
        with self.inference():
            self.method.interpolate(blank, blank, torch.full((1, 1), 0.5, device=self.device), [generator])
        return not torch.equal(before, generator.get_state())

    def interpolate(
        self,
        first: ImageOrArray,
        last: ImageOrArray,
        t: float | Sequence[float] = 0.5,
        *,
        candidate: int = 0,
        seed: int = 0,
        palette: PaletteMode = "none",
        guides: GuidesLike = None,
    ) -> Any:  # noqa: ANN401 - the kind that was given
        """Interpolate between two images.

        Args:
            first: The first keyframe, of any height and width: a PIL image, a numpy array (H, W, 3 or 4)
                uint8 or uint16, or a tensor (3 or 4, H, W) or (B, 3 or 4, H, W) of floats in [0, 1]. A
                fourth channel is opacity, by which colours are not multiplied.
            last: The last keyframe, of the same kind and size.
            t: Where the frames lie, numbers between 0 (first) and 1 (last), in any order; or one such number.
            candidate: Index of the candidate; 0 is the most likely. Spacing flow and spacing RIFE have
                three: where the keyframes disagree, 1 takes more of the first and 2 more of the last. In a
                method that samples at random every number is another sample.
            seed: Seed of a method that samples at random. The same seed always gives the same frames.
            palette: See `inbetween.interpolate`.
            guides: See `inbetween.interpolate`; of pair 0, or of a tensor's pairs of images.

        Returns:
            One frame per number in `t`, of the kind that was given: a list of PIL images, an array
            (N, H, W, C), or a tensor (N, C, H, W) or (B, N, C, H, W), with the channels, dtype and
            device of `first`.

        Raises:
            UserError: The images differ in kind or size, or are no images; or a number is out of range.
        """
        chart, seed = positions(t), whole_number("seed", seed)
        self._check_candidate(candidate)
        if isinstance(first, Tensor) and isinstance(last, Tensor) and first.ndim == last.ndim == 4:
            if len(first) != len(last) or not len(first):
                raise UserError(f"first has {len(first)} images and last {len(last)}: give equally many.")
            pairs = [of_one_kind([a, b], ("first", "last")) for a, b in zip(first, last, strict=True)]
            steered = self._checked(guides, pairs[0], len(pairs))
            palettes = [images.palettes(palette, ("first", "last")) for images in pairs]
            made = [
                images.joined(
                    self._frames(
                        images,
                        0,
                        chart,
                        candidate,
                        sample_seed(seed, candidate, number),
                        own,
                        guides=steered.of_pair(number),
                    )
                )
                for number, (images, own) in enumerate(zip(pairs, palettes, strict=True))
            ]
            return torch.stack(made)
        images = of_one_kind([first, last], ("first", "last"))
        own, steered = images.palettes(palette, ("first", "last")), self._checked(guides, images, 1)
        return images.joined(
            self._frames(
                images, 0, chart, candidate, sample_seed(seed, candidate, 0), own, guides=steered.of_pair(0)
            )
        )

    def interpolate_sequence(
        self,
        images: Iterable[ImageOrArray] | ImageOrArray,
        between: int | None = None,
        spacing: Chart | None = None,
        t: float | Sequence[float] | None = None,
        *,
        cuts: Cuts = "repeat",
        candidate: int = 0,
        seed: int = 0,
        palette: PaletteMode = "none",
        guides: GuidesLike = None,
        arcs: bool = False,
    ) -> Any:  # noqa: ANN401 - the kind that was given
        """Interpolate a whole sequence of keyframes; see `inbetween.interpolate`."""
        keyframes = of_one_kind(images)
        chart, seed = chosen_chart(between, spacing, t), whole_number("seed", seed)
        self._check_candidate(candidate)
        if cuts not in get_args(Cuts):
            raise UserError(f"cuts is {cuts}: give one of {', '.join(get_args(Cuts))}.")
        pairs = len(keyframes.layers) - 1
        steered = self._checked(guides, keyframes, pairs)
        if arcs:
            check_arcs(self.method)
        found = keyframes.transitions() if cuts == "repeat" else Transitions()
        found = found.with_motion(steered.guided)
        still = found.without_motion
        palettes = keyframes.palettes(palette, held=still)
        sequence = []
        for pair in range(pairs):
            sequence.append(keyframes.originals[pair])
            transition = found.before(pair + 1)
            if transition in ("repeat_first", "repeat_last"):
                repeated = pair + (transition == "repeat_last")
                sequence += [keyframes.originals[repeated]] * len(chart)
            else:
                own_seed = sample_seed(seed, candidate, pair)
                sequence += self._frames(
                    keyframes,
                    pair,
                    chart,
                    candidate,
                    own_seed,
                    palettes,
                    transition,
                    steered.of_pair(pair),
                    neighbours(keyframes.layers.__getitem__, pairs, pair, still) if arcs else None,
                )
        self._linked.prepared.clear()
        return keyframes.joined([*sequence, keyframes.originals[-1]])

    def _frames(
        self,
        images: Images,
        pair: int,
        chart: Sequence[float],
        candidate: int,
        seed: int,
        palettes: Sequence[FlatColours],
        transition: Transition = "motion",
        guides: PairGuides | None = None,
        near: Neighbours | None = None,
    ) -> list[Any]:
        """The frames between two neighbouring images, each of their kind."""
        first, last = images.layers[pair : pair + 2]
        parts = self.in_betweens(
            first,
            last,
            len(chart),
            lambda part: torch.tensor([chart[part.start : part.stop]]),
            transparent=images.transparent,
            candidate=candidate,
            seed=seed,
            palette=pair_palette(first, last, palettes[pair : pair + 2]) if transition == "motion" else None,
            transition=transition,
            guides=guides,
            near=near,
        )
        return [images.give(frame) for frames, _ in parts for frame in frames]

    def _checked(self, guides: GuidesLike, images: Images, pairs: int) -> Guides:
        """Guides of so many pairs of these images."""
        found, (height, width) = as_guides(guides), images.layers[0].shape[-2:]
        check_guides(found, (height, width), pairs, self.method)
        return found

    def _check_candidate(self, candidate: int) -> None:
        if whole_number("candidate", candidate) < 0 or (candidate >= self.candidates and not self.stochastic):
            name, most = type(self.method).__name__, self.candidates - 1
            raise UserError(
                f"candidate is {candidate}, and {name} has"
                + (f" {self.candidates} candidates: give 0 to {most}." if most else " one only: give 0.")
            )
