"""The method `SpacingFlow`: its training and inference."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from inbetween.errors import UserError, check_at_least
from inbetween.functional.crops import crops_at
from inbetween.methods.perceptual import PerceptualMethod
from inbetween.methods.spaced import SpacedMethod, even_spacing
from inbetween.methods.spacing_flow.composition import KEYFRAME_BIAS, SHARP, Intermediate, compose
from inbetween.methods.spacing_flow.crops import CroppedSample, FullFrame, RandomCrop
from inbetween.methods.spacing_flow.cycle import cycle_estimate
from inbetween.methods.spacing_flow.interpolation import (
    InferenceOptions,
    SpacedInterpolator,
    build_spaced_interpolator,
    spaced_flows,
)
from inbetween.methods.spacing_flow.loss import SpacingFlowLoss, photometric_loss
from inbetween.methods.spacing_flow.network import IntermediateFlow
from inbetween.methods.spacing_flow.prior import FLOW_RESOLUTION, Prior
from inbetween.types import Preparation, StepOutput, WindowBatch


class SpacingFlow(SpacedMethod, PerceptualMethod):
    """Warps both keyframes along learned intermediate flow, with distance indexing.

    `IntermediateFlow` estimates, coarse to fine, the displacement and curvature of the motion through each
    pixel of the in-between. It starts from a classical flow and from its own global matches. The spacing map
    (constant where only t is given) says how far along its path each pixel is (distance indexing, arXiv
    2311.08007). A mask blends both warped keyframes; a residual adds content that neither shows. Training
    uses the mask as it is; inference sharpens it, one keyframe per region, so that lines stay sharp where
    motion is uncertain.

    Training minimises, for one in-between per window,

        l1_weight (|x - x'| + |grad x - grad x'| / 2) + flow_weight EPE + line_weight lines
        + matching_weight matching + perceptual_weight LPIPS(VGG16)
        + error_weight (Laplace NLL of the predicted error)
        + cycle_weight (|x - x''| + |grad x - grad x''| / 2),

    the predicted error being that of the frame as inference composes it.

    EPE is the end-point error of both flows at every level, where the source has the true ones (synthetic
    animation with `truth`), mostly near edges; its weight falls to a fifth. `lines` penalises false lines by
    their distance to the nearest true one (arXiv 2111.12792), missing lines, and areas with more or fewer
    lines than the target. `matching` is the cross-entropy of each cell's true match among all cells. Without
    truth the spacing map is constant, EPE is left out, and the predicted flow is the label of `matching`
    where it explains the target, window by window: the method trains on any animation and on mixtures.
    x'' is the target again, from in-betweens before and after it (`cycle_estimate`): a loss for sequences of
    keyframes, whose own in-betweens nobody has drawn.

    Args:
        prior: The classical flow to start from; `none` starts from no motion.
        trained: `all`, or `error_head`: only the layer that predicts the error of a frame.
        prior_dropout: Share of training samples in [0, 1] without the classical flow, so that the same
            weights work with any prior and with none.
        crop: Side in pixels of the training crops, taken after shrinking windows by a random factor; smaller
            windows are not cropped.
        crops_per_window: Number of crops of each window, for fast GPUs and slow data: a batch then has
            `crops_per_window` times `batch_size` samples.
        l1_weight: Weight of L1 of colours and gradients, which favours blending where motion is uncertain.
        flow_weight: Weight of the flows' end-point error in pixels.
        line_weight: Weight of the line term.
        matching_weight: Weight of the cross-entropy of the global matches.
        error_weight: Weight of the predicted error's term, which trains the error head alone.
        cycle_weight: Weight of cycle consistency, L1 of colours and gradients, without a classical flow;
            above 0, a training step makes three more in-betweens.
        flow_resolution: Motion is estimated at no more pixels than a square of this side has. Larger images
            are shrunk for that and warped at their own size, along upsampled motion, which the classical
            flow, if there is one, refines.
        perceptual_crop: Side of the random square that the perceptual loss is taken on, as a share in (0, 1]
            of the crop's: on a CPU, VGG16 on all of it would take longer than everything else.
        review_thresholds: Mean expected error of a frame up to which it is `easy`, and up to which it is
            `check`; `compare` prints the median and the 80th percentile of its windows' expected errors.
        **options: See `PerceptualMethod`.
    """

    exact_endpoints = True
    supports_alpha = True
    candidates = 3
    runs_through = True
    saves_frozen = True
    #: The network that estimates motion: a `FlowNetwork` with an `error_head`.
    network_class: ClassVar[type[nn.Module]] = IntermediateFlow
    #: How inference blends the warped keyframes.
    composition = SHARP

    def __init__(
        self,
        prior: Prior = "dis",
        trained: Literal["all", "error_head"] = "all",
        prior_dropout: float = 0.25,
        crop: int = 224,
        crops_per_window: int = 1,
        l1_weight: float = 1.0,
        flow_weight: float = 0.02,
        line_weight: float = 0.3,
        matching_weight: float = 0.02,
        error_weight: float = 0.02,
        cycle_weight: float = 0.0,
        flow_resolution: int = FLOW_RESOLUTION,
        perceptual_crop: float = 0.5,
        review_thresholds: tuple[float, float] | None = None,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        if review_thresholds and not review_thresholds[0] < review_thresholds[1]:
            raise UserError(
                f"review_thresholds is {list(review_thresholds)}: give a smaller number, then a larger one."
            )
        if not 0 <= prior_dropout <= 1:
            raise UserError(f"prior_dropout is {prior_dropout}: give a share between 0 and 1.")
        if not 0 < perceptual_crop <= 1:
            raise UserError(f"perceptual_crop is {perceptual_crop}: give a share above 0, up to 1.")
        check_at_least(1, crop=crop, crops_per_window=crops_per_window, flow_resolution=flow_resolution)
        check_at_least(
            0,
            l1_weight=l1_weight,
            flow_weight=flow_weight,
            line_weight=line_weight,
            matching_weight=matching_weight,
            error_weight=error_weight,
            cycle_weight=cycle_weight,
        )
        if cycle_weight and trained == "error_head":
            raise UserError(
                f"cycle_weight is {cycle_weight}, and cycle consistency does not train the error head: set it"
                " to 0, or trained to all."
            )
        # inference
        self.prior, self.flow_resolution = prior, flow_resolution
        self.review_thresholds = review_thresholds
        # training
        self.crop, self.crops_per_window, self.perceptual_crop = crop, crops_per_window, perceptual_crop
        self.prior_dropout, self.cycle_weight = prior_dropout, cycle_weight
        self.loss = SpacingFlowLoss(l1_weight, flow_weight, line_weight, matching_weight, error_weight)
        self.network: Any = self.network_class()
        if trained == "error_head":
            self.network.requires_grad_(False)
            self.network.error_head.requires_grad_(True)

    def preparation(self, training: bool) -> Preparation:
        """In training a random crop of each window, else its middle in-between, uncropped."""
        if not training:
            return FullFrame(self.prior)
        return RandomCrop(
            self.crop, self.prior, self.prior_dropout, self.perceptual_crop, self.crops_per_window
        )

    def training_loss(self, batch: WindowBatch) -> StepOutput:
        """See the class."""
        sample: CroppedSample = self.sample_of(batch)
        if sample.first.ndim == 5:
            # several crops of each window
            sample = CroppedSample(*(field.flatten(0, 1) for field in sample))
        frame, prediction = self._frame(sample.first, sample.last, sample.spacing, sample.prior)
        loss, logs = self.loss(
            frame,
            prediction,
            sample,
            self.composition,
            getattr(self.network, "matcher", None),
            self.progress if self.training else None,
        )
        if self.cycle_weight:
            again = cycle_estimate(lambda *pair: self._frame(*pair)[0], sample)
            l1, gradients = photometric_loss(again, sample.target)
            logs["cycle"] = l1 + gradients / 2
            loss = loss + self.cycle_weight * logs["cycle"]
        if perceptual := self.perceptual:
            side = round(self.perceptual_crop * frame.shape[-1])
            crops = [crops_at(images, sample.corner, side) for images in (frame, sample.target)]
            logs["perceptual"] = perceptual(*crops)
            loss = loss + self.perceptual_weight * logs["perceptual"]
        return {"loss": loss, "logs": logs}

    def _frame(
        self, first: Tensor, last: Tensor, spacing: Tensor, prior: Tensor | None = None
    ) -> tuple[Tensor, Intermediate]:
        """In-betweens (M, 3, H, W) as training composes them, and the network's prediction."""
        if prior is None:
            prior = torch.zeros_like(first[:, :1]).expand(-1, 4, -1, -1)
        prediction: Intermediate = self.network(first, last, spacing[:, None], prior[:, :2], prior[:, 2:])
        warp_mode = self.composition.warp_mode
        return compose(first, last, spacing, prediction, warp_mode=warp_mode), prediction

    def interpolate_spaced(
        self, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        """See `SpacedMethod.interpolate_spaced`; candidate 1 favours first, candidate 2 last."""
        return self.spaced_interpolator(first, last, candidate)(spacing)

    def spaced_interpolator(self, first: Tensor, last: Tensor, candidate: int = 0) -> SpacedInterpolator:
        """See `SpacedMethod.spaced_interpolator`."""
        options = self.inference_options((0.0, KEYFRAME_BIAS, -KEYFRAME_BIAS)[candidate])
        return build_spaced_interpolator(self.network, first, last, options, clamp=True)

    def flows(self, batch: WindowBatch) -> Tensor:
        """See `Method.flows`."""
        first, spacing = batch["first"], even_spacing(batch["first"], batch["t"])
        return spaced_flows(self.network, first, batch["last"], spacing, self.inference_options())

    def inference_options(self, keyframe_bias: float = 0.0) -> InferenceOptions:
        """This method's options of inference, with a bias of the blend mask towards a keyframe."""
        return InferenceOptions(self.prior, self.flow_resolution, keyframe_bias, self.composition)
