"""Spacing flow with RIFE's network: published weights and a trained difference."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inbetween.errors import UserError, check_at_least
from inbetween.functional.warp import WarpMode
from inbetween.methods.rife.flow import MARGINS, RifeFlow
from inbetween.methods.rife.weights import RIFE_SHA256, read_rife
from inbetween.methods.spacing_flow import SpacingFlow
from inbetween.methods.spacing_flow.composition import Composition
from inbetween.methods.spacing_flow.crops import FullFrame, RandomCrop
from inbetween.methods.spacing_flow.prior import Prior
from inbetween.types import Preparation

MAX_ENLARGED = 1.2  # of `flow_resolution`: side of the square whose pixels an enlarged image may have


class SpacingRife(SpacingFlow):
    """`SpacingFlow` with the network of RIFE 4.26: frozen published weights, trained difference.

    It starts from the published weights, which `python -m inbetween fetch-weights rife` downloads.
    Checkpoints hold only the difference and the error head. RIFE's input channel for t takes the spacing. In
    interpolation, a spacing map is divided into levels, since RIFE was trained on constant ones.

    Args:
        prior: The classical flow that corrects the motion of images larger than `flow_resolution`; `none`
            does not correct it. The network itself and training do not use it.
        mask_sharpness: Factor of the mask's logits in interpolation: 1 blends as RIFE does, 10 takes each
            region from one keyframe, as spacing flow does.
        warp_mode: How keyframes are interpolated between their pixels; RIFE itself uses `bilinear`.
        base: A file of RIFE's weights; None takes the fetched one.
        base_sha256: SHA-256 of that file.
        flow_resolution: Images of more pixels than a square of this side has are shrunk to that number before
            motion is estimated, and warped at their own size.
        enlargement: Smaller images are enlarged for that, by this factor at most, and to 1.2 times that side;
            1 estimates motion at their own size, as `Rife` does.
        scales: Number of resolutions that motion is estimated at, 1 to 3: the enlarged one, their own
            and half of it; interpolation chooses one for each pair of keyframes.
        **options: See `SpacingFlow`.
    """

    begins_trained = True
    architecture = ("base_sha256",)
    network_class = RifeFlow

    def __init__(
        self,
        prior: Prior = "dis",
        mask_sharpness: float = 1.0,
        warp_mode: WarpMode = "bicubic",
        flow_resolution: int = 640,
        enlargement: float = 2.0,
        scales: int = 3,
        base: Path | None = None,
        base_sha256: str = RIFE_SHA256,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(
            prior=prior, prior_dropout=0.0, matching_weight=0.0, flow_resolution=flow_resolution, **options
        )
        check_at_least(1, enlargement=enlargement, scales=scales)
        if scales > len(MARGINS):
            raise UserError(f"scales is {scales}: give {len(MARGINS)} or less.")
        self.composition = Composition(mask_sharpness, warp_mode)
        self.network.enlargement = enlargement
        self.network.resolution = round(MAX_ENLARGED * flow_resolution)
        self.network.scales = scales
        self.network.load_base(read_rife(base, base_sha256))

    def preparation(self, training: bool) -> Preparation:
        """See `SpacingFlow.preparation`: no classical flow is computed."""
        if not training:
            return FullFrame("none")
        return RandomCrop(self.crop, "none", 0.0, self.perceptual_crop, self.crops_per_window)
