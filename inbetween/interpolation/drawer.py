"""The frames of one pair of keyframes: guided, linked with the neighbouring pairs, repainted."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from inbetween.data.transitions import Transition
from inbetween.functional.opacity import blended
from inbetween.interpolation.arcs import LinkedPairs, Neighbours
from inbetween.interpolation.guides import (
    GuidedPair,
    PairGuides,
    RegionSpacing,
    guided_pair,
    spacing_maps,
)
from inbetween.interpolation.keep_palette import repainted
from inbetween.interpolation.pair import few_at_once, frames_between
from inbetween.interpolation.repaint import PairPalette
from inbetween.methods import Method
from inbetween.methods.loading import placed
from inbetween.methods.spaced import SpacedMethod
from inbetween.weights.precision import Precision, resolve_precision

CHANGED = 0.05  # of [0, 1]: difference of a pixel's keyframes from which its motion is shown


class PairDrawer:
    """A method on its device; the base of `Interpolator`, where the arguments are documented."""

    def __init__(
        self, method: Method, device: torch.device | str = "cpu", precision: Precision = "bf16-mixed"
    ) -> None:
        self.device = torch.device(device)
        self.precision: Precision = resolve_precision(precision, self.device.type)
        self.method = placed(method.eval(), self.device)
        self._linked = LinkedPairs(self.method)

    @property
    def candidates(self) -> int:
        """How many candidates of a frame the method has without sampling: spacing flow has 3, most have 1."""
        return self.method.candidates if isinstance(self.method, SpacedMethod) else 1

    def in_betweens(
        self,
        first: Tensor,
        last: Tensor,
        count: int,
        place: Callable[[range], Tensor],
        *,
        transparent: bool = False,
        candidate: int = 0,
        seed: int = 0,
        palette: PairPalette | None = None,
        transition: Transition = "motion",
        guides: PairGuides | None = None,
        near: Neighbours | None = None,
    ) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Frames between two keyframes, a few at a time, so that memory does not grow with their number.

        Between equal keyframes the keyframe is repeated, but for what guides move.

        Args:
            first: (4, H, W) in [0, 1]: RGB, not multiplied by opacity, then opacity.
            last: The same.
            count: Number of frames.
            place: Returns `t` (1, n), or the spacing map (1, n, 1, H, W), for a range of frame indices.
            transparent: Whether the keyframes have transparency.
            candidate: See `interpolate`; indices beyond the method's own wrap around.
            seed: Of this pair, in [0, 2**63).
            palette: Colours in which the frames are repainted.
            transition: What lies between the keyframes; see `Transitions`.
            guides: The animator's guides of this pair, checked by `check_guides`; with them, `place` returns
                `t`.
            near: The keyframes around these, for motion that runs through keyframes; see `check_arcs`.

        Yields:
            The next n frames (n, 4, H, W) in [0, 1], and each pixel's expected absolute error (n, 1, H, W)
            if the method predicts it.
        """
        if transition == "fade":
            for part in few_at_once(count, (first.shape[-2], first.shape[-1])):
                yield blended(first, last, place(part)), None
            return
        if transition != "motion":
            first = last = last if transition == "repeat_last" else first
        steered = guided_pair(first, last, guides) if guides else GuidedPair(first, last)
        for text in steered.warnings:
            warnings.warn(text, stacklevel=2)
        for part, frames, errors in self._rest(
            steered, count, place, transparent, candidate, seed, guides.spacing if guides else (), near
        ):
            if steered.layers:
                frames, errors = steered.draw(frames, errors, place(part)[0].tolist())
            yield frames if palette is None else repainted(frames, palette), errors

    def trails(
        self,
        first: Tensor,
        last: Tensor,
        t: Sequence[float],
        *,
        transparent: bool = False,
        guides: PairGuides | None = None,
        near: Neighbours | None = None,
        most: int = 40,
    ) -> Tensor:
        """Where things go between two keyframes, but for what guides move.

        Args:
            first: See `in_betweens`.
            last: See `in_betweens`.
            t: N positions.
            transparent: See `in_betweens`.
            guides: See `in_betweens`.
            near: See `in_betweens`; the method is one that `check_arcs` accepts.
            most: How many points of things that move are followed.

        Returns:
            (N, K, 2): x and y in pixels.
        """
        if guides:
            steered = guided_pair(first, last, guides)
            first, last = steered.first, steered.last
        height, width = first.shape[-2:]
        apart = max(1, round((height * width / 64**2) ** 0.5))
        # what looks the same in both keyframes, as paper beside a moving thing does, need not move
        changed = (first - last).abs().amax(0)[apart // 2 :: apart, apart // 2 :: apart] > CHANGED
        if not changed.any():
            return torch.zeros(len(t), 0, 2)
        points = (changed.nonzero() * apart + apart // 2).flip(1).float().to(self.device)
        at = torch.tensor([*t, 0.0, 1.0]).to(points)
        with self.inference():
            found, confidence = self._linked.paths(
                first, last, near or Neighbours(None, None), transparent, points, at
            )
        far = (found[-1] - found[-2]).norm(dim=1)
        moving = ((far > max(3.0, 0.015 * max(height, width))) & (confidence > 0.5)).nonzero()[:, 0]
        step = max(1, -(-len(moving) // most))
        return found[:-2, moving[::step]].float().cpu()

    def _rest(
        self,
        steered: GuidedPair,
        count: int,
        place: Callable[[range], Tensor],
        transparent: bool,
        candidate: int,
        seed: int,
        spacing: Sequence[RegionSpacing],
        near: Neighbours | None,
    ) -> Iterator[tuple[range, Tensor, Tensor | None]]:
        """What the method makes of a pair without its guided regions, a few frames at a time."""
        first, last = steered.first, steered.last
        size = (first.shape[-2], first.shape[-1])
        together = self.method.samples_clips and count
        parts = [range(count)] if together else few_at_once(count, size)
        if torch.equal(first, last):
            for part in parts:
                yield part, first.expand(len(part), *first.shape), None
            return
        if not parts:
            return
        own = candidate % self.candidates
        # the context must not stay open while the caller works on the frames
        with self.inference():
            if near is not None:
                frames_at = self._linked.frames_between(first, last, near, transparent, own)
            else:
                ends = first.to(self.device), last.to(self.device)
                frames_at = frames_between(self.method, *ends, seed, transparent, own).frames_at
        for part in parts:
            where = place(part)
            if spacing:
                where = spacing_maps(spacing, where[0].tolist(), size)
            with self.inference():
                frames, errors = frames_at(where)
            yield part, frames, errors

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Without gradients, and in the model's precision."""
        mixed = self.precision == "bf16-mixed"
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=mixed):
            yield
