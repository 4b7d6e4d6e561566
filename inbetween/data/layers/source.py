"""Windows of layered images for the data module."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch

from inbetween.data.layers.compose import Casting, Composer, Style
from inbetween.data.layers.scene import Frame, LayerScene, spacing
from inbetween.data.layers.store import find_images, open_store
from inbetween.data.layers.textures import degraded
from inbetween.data.rendered import rendered_window
from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.paths import cache_folder
from inbetween.types import KEY_TRUTH, TARGET_TRUTH, TARGET_VISIBILITY, Split, Window

log = logging.getLogger(__name__)

STYLES: tuple[Style, ...] = get_args(Style)

# Evaluation does not depend on the user's seed, and training shares no stream with it.
_STREAM: dict[Split, int] = {"train": 11, "val": 12, "test": 13}
_EDGE = 0.02  # smallest distance of a random position from the keyframes
_WINDOW_STREAM, _COLOR_STREAM, _DEGRADATION_STREAM = 7, 8, 9


class LayeredImages(WindowSource):
    """Endless moving scenes made of still images, whose motion is known exactly.

    Images with transparency (clip art, model sheets, a character's parts) become layers that slide, turn,
    grow, bend, carry and occlude each other, enter and leave, along arcs with their own spacing, before a
    background under a moving camera. Some stand still, few have motion blur; some windows are shrunk and
    enlarged, or compressed like video.

    The same (seed, epoch, index) gives the same window on any machine. Training has new scenes each epoch;
    validation and test are fixed and show other images. Of the window's specification `between`, `size`,
    `seed`, `cache_dir` and `augment.color` apply; a window always spans one motion.

    Images are decoded once, into the cache of decoded frames: about 0.4 MB a sprite at a side of 384.

    Args:
        sprites: Folder of images with transparency, at any depth. Folders train, val and test right below
            are the splits; else images are split by a hash of their name, about 80 : 10 : 10. Opaque
            ones among them become backgrounds.
        backgrounds: Folder of opaque images, split alike; None generates plain colours, gradients,
            noise and patterns.
        styles: finished, flat or sketch, in equal shares; one that is named twice gets two shares.
        length: Windows of an epoch for each split; splits left out keep their default of 10000 for
            train, 48 for val and 48 for test.
        truth: Also give the true motion: `targets` gives that of the in-betweens (`flow_t0`,
            `flow_t1`, `spacing`), True also the keyframes' flow and everything's visibility.
        random_t: In training, place the in-betweens at random instead of evenly.
        motion: Largest displacement as a share of the shorter side, in (0, 1]; None mixes all sizes up to
            a third, mostly small.
        side: Pixels of the longer side that sprites are stored at; backgrounds are stored at twice as many.

    Raises:
        UserError: An unknown style, no style, a length below 1, a motion or a side out of range.
    """

    def __init__(
        self,
        sprites: Path,
        backgrounds: Path | None = None,
        styles: Sequence[Style] = ("finished", "flat", "finished", "sketch"),
        length: Mapping[Split, int] | None = None,
        truth: bool | Literal["targets"] = False,
        random_t: bool = False,
        motion: float | None = None,
        side: int = 384,
    ) -> None:
        if not styles or any(style not in STYLES for style in styles):
            raise UserError(f"styles of layers must be some of {', '.join(STYLES)}; got {list(styles)}.")
        if motion is not None and not 0 < motion <= 1:
            raise UserError(f"motion of layers must lie in (0, 1], not {motion}.")
        if not 16 <= side <= 4096:
            raise UserError(f"side of layers is {side}: give 16 to 4096 pixels.")
        sizes: dict[Split, int] = {"train": 10_000, "val": 48, "test": 48, **(length or {})}
        for split, count in sizes.items():
            if split not in _STREAM or count < 1:
                raise UserError(
                    f"length of layers must be at least 1 for train, val, test; got {split}: {count}."
                )
        self.sprites = Path(sprites)
        self.backgrounds = None if backgrounds is None else Path(backgrounds)
        self.styles, self.length, self.truth = tuple(styles), sizes, truth
        self.random_t, self.motion, self.side = random_t, motion, side

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split, rendered on demand; images that are not in the store yet are decoded.

        Raises:
            UserError: A folder is missing or empty, an image cannot be read, or no sprite is transparent.
        """
        return _LayerWindows(self, split, spec, self._casting(split, spec))

    def _casting(self, split: Split, spec: WindowSpec) -> Casting:
        folder = cache_folder(spec.cache_dir, "frames")
        paths = find_images(self.sprites, split)
        sprites = open_store(folder, self.sprites, paths, self.side, whole=False)
        behind = []
        if self.backgrounds is not None:
            paths = find_images(self.backgrounds, split)
            behind.append(open_store(folder, self.backgrounds, paths, 2 * self.side, whole=True))
        cast = Casting.of(sprites, behind)
        if not cast.sprites:
            raise UserError(
                f"{self.sprites} has no image with transparency for the {split} split: save sprites"
                " as PNG or WebP with an alpha channel; opaque images belong in the backgrounds."
            )
        opaque = len(sprites.entries) - len(cast.sprites)
        if opaque:
            log.warning(
                "%s: %d opaque images of the %s split are used as backgrounds.", self.sprites, opaque, split
            )
        return cast


class _LayerWindows(WindowDataset):
    def __init__(self, source: LayeredImages, split: Split, spec: WindowSpec, casting: Casting) -> None:
        self.source, self.split, self.spec, self.casting = source, split, spec, casting
        of_keys = (*KEY_TRUTH, *TARGET_VISIBILITY) if source.truth is True else ()
        self.truth = (*of_keys, *TARGET_TRUTH) if source.truth else ()

    def __len__(self) -> int:
        return self.source.length[self.split]

    def scene(self, epoch: int, index: int) -> tuple[LayerScene, list[float]]:
        """The scene of a window, and the positions of its in-betweens."""
        source, spec = self.source, self.spec
        base = self._base(epoch)
        rng = np.random.default_rng(sample_seed(base, index, _WINDOW_STREAM))
        n = spec.between
        times = [(k + 1) / (n + 1) for k in range(n)]
        if source.random_t and self.split == "train":
            times = sorted(rng.uniform(_EDGE, 1 - _EDGE, n).astype(np.float32).tolist())
        style = source.styles[index % len(source.styles)]
        return Composer(self.casting, style, spec.size, n, source.motion, rng).scene(), times

    def _base(self, epoch: int) -> int:
        parts = (self.spec.seed, epoch) if self.split == "train" else (0, 0)
        return sample_seed(_STREAM[self.split], *parts)

    def __getitem__(self, key: tuple[int, int]) -> Window:
        epoch, index = key
        if not 0 <= index < len(self):
            raise IndexError(index)
        source, spec, base = self.source, self.spec, self._base(epoch)
        scene, times = self.scene(epoch, index)
        of_keys, of_targets = source.truth is True, bool(source.truth)
        first = scene.render(0.0, (1.0,) if of_keys else ())
        last = scene.render(1.0, (0.0,) if of_keys else ())
        targets = [scene.render(t, (0.0, 1.0) if of_targets else ()) for t in times]
        degradation = np.random.default_rng(sample_seed(base, index, _DEGRADATION_STREAM))
        images = np.stack(degraded([frame.image for frame in (first, *targets, last)], degradation))
        style = source.styles[index % len(source.styles)]
        # each scene is an animation of its own
        animation = f"layers/{style}-{epoch}.{index}" if self.split == "train" else f"layers/{style}-{index}"
        window = rendered_window(images, times, spec, key, animation, sample_seed(base, index, _COLOR_STREAM))
        if of_keys:
            window["flow_01"], window["flow_10"] = _flow(first), _flow(last)
            window["visible_01"] = torch.from_numpy(scene.visible(first, last))
            window["visible_10"] = torch.from_numpy(scene.visible(last, first))
            window["visible_t0"] = torch.from_numpy(np.stack([scene.visible(f, first) for f in targets]))
            to_last = [frame._replace(flows=frame.flows[..., 2:]) for frame in targets]
            window["visible_t1"] = torch.from_numpy(np.stack([scene.visible(f, last) for f in to_last]))
        if of_targets:
            flows = torch.stack([_flow(frame) for frame in targets])
            window["flow_t0"], window["flow_t1"] = flows[:, :2].contiguous(), flows[:, 2:].contiguous()
            window["spacing"] = torch.from_numpy(
                np.stack([spacing(f[:2], f[2:], t) for f, t in zip(flows.numpy(), times, strict=True)])
            )
        return window


def _flow(frame: Frame) -> torch.Tensor:
    """A frame's flows, channels first."""
    return torch.from_numpy(frame.flows).permute(2, 0, 1).contiguous()
