"""The base class of methods with a perceptual loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inbetween.errors import check_at_least
from inbetween.methods.base import TrainableMethod
from inbetween.modules.perceptual import PerceptualLoss


class PerceptualMethod(TrainableMethod):
    """A trainable method that adds LPIPS on VGG16 to its loss in the later part of training.

    Args:
        perceptual_weight: Weight of LPIPS on VGG16; with 0, VGG16 is not loaded.
        perceptual_from: Share of the training in [0, 1] after which LPIPS is added.
        perceptual_network: File of VGG16's weights: safetensors, or torchvision's .pth. None takes the one in
            the cache of inbetween or torchvision, else downloads it (528 MB), after a message.
        **options: See `TrainableMethod`.
    """

    def __init__(
        self,
        perceptual_weight: float = 0.1,
        perceptual_from: float = 0.5,
        perceptual_network: Path | None = None,
        **options: Any,  # noqa: ANN401 - the base's
    ) -> None:
        super().__init__(**options)
        check_at_least(0, perceptual_weight=perceptual_weight, perceptual_from=perceptual_from)
        self.perceptual_weight, self.perceptual_from = perceptual_weight, perceptual_from
        self.perceptual_network = perceptual_network
        self._perceptual: tuple[PerceptualLoss, ...] = ()  # in a tuple, so that it is not in the state dict

    def prepare_fit(self) -> None:
        """Load VGG16 before training starts."""
        if self.perceptual_weight:
            loss = self._perceptual[0] if self._perceptual else PerceptualLoss(self.perceptual_network)
            self._perceptual = (loss.to(self.device),)

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]; 0 if its length is not known."""
        total = float(self.trainer.estimated_stepping_batches)
        return min(self.global_step / total, 1.0) if total > 0 else 0.0

    @property
    def perceptual(self) -> PerceptualLoss | None:
        """The loss, in the part of the training that uses it; else None."""
        if self.training and self._perceptual and self.progress >= self.perceptual_from:
            return self._perceptual[0]
        return None
