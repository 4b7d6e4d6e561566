"""In-betweens as frames of sampled clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inbetween.functional.padding import pad_to_multiple
from inbetween.methods.diffusion.video.model import ClipRequest, Tensors, VideoModel, VideoSampling
from inbetween.methods.diffusion.video.timing import clip_length, fits, frames_at


class ClipInterpolator:
    """Samples a clip for each pair of keyframes, and keeps it while it has a frame at each t asked for.

    Args:
        model: Samples.
        sampling: How.
        first: (B, 3, H, W) in [0, 1], any H and W.
        last: As `first`.
        noise: A generator for each; the state that it has at a call is what its clip begins with. None is
            torch's global one.
        conditions: Of each, the embeddings of its prompt and of the negative one.
    """

    def __init__(
        self,
        model: VideoModel,
        sampling: VideoSampling,
        first: Tensor,
        last: Tensor,
        noise: Sequence[torch.Generator | None],
        conditions: Sequence[tuple[Tensors, Tensors]],
    ) -> None:
        self.model, self.sampling = model, sampling
        self.first, self.last = first, last
        self.noise, self.conditions = noise, conditions
        self.clips: list[Tensor] = [first.new_zeros(0)] * len(first)
        step = model.frame_step
        self.longest = sampling.num_frames or (model.max_frames - 1) // step * step + 1

    def __call__(self, t: Tensor) -> Tensor:
        """Frames (B, N, 3, H, W) at t (B, N).

        Raises:
            UserError: Two t have the same frame.
        """
        found = []
        for row, places in enumerate(t.tolist()):
            if not self._shows(len(self.clips[row]), places):
                self.clips[row] = self._sample(row, places)
            clip = self.clips[row]
            found.append(clip[frames_at(places, len(clip))])
        return torch.stack(found).to(self.first.device)

    def _shows(self, num_frames: int, t: Sequence[float]) -> bool:
        """Whether a clip that is there can show t: exactly, or as well as any."""
        return num_frames > 0 and (
            fits(t, num_frames) or (num_frames >= self.longest and frames_at(t, num_frames) is not None)
        )

    def _sample(self, row: int, t: Sequence[float]) -> Tensor:
        """A clip (T, 3, H, W) with a frame at each t; on the CPU, since it is kept."""
        model = self.model
        num_frames = clip_length(t, model.frame_step, model.max_frames, self.sampling.num_frames)
        height, width = self.first.shape[-2:]
        first, last = (
            pad_to_multiple(frames[row].float(), model.multiple) for frames in (self.first, self.last)
        )
        noise = self.noise[row]
        state = None if noise is None else noise.clone_state()
        clip = model.sample(ClipRequest(first, last, num_frames, *self.conditions[row]), self.sampling, state)
        return clip[..., :height, :width].cpu()
