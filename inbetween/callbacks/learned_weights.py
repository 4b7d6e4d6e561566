"""Charts of learned keyframe weights."""

from typing import Protocol, runtime_checkable

import lightning as L
import torch
from torch import Tensor

from inbetween.callbacks.first_validation import is_check_alone
from inbetween.callbacks.run_folder import log_image
from inbetween.callbacks.whole_weights import need_whole_weights
from inbetween.errors import UserError
from inbetween.functional.chart import line_chart
from inbetween.functional.grid import stacked, text_strip, text_width

COLUMNS = 4
POINTS = 101
TITLE = "weight of the last keyframe against t, a line for each head; grey: t itself"


@runtime_checkable
class WeightsKeyframes(Protocol):
    """A method that weights its keyframes."""

    def learned_weights(self, t: Tensor) -> dict[str, Tensor]:
        """Weights of last (heads, T) in [0, 1] at t (T,) in [0, 1], for each layer by name."""


def weight_charts(weights: dict[str, Tensor]) -> Tensor:
    """A chart for each layer, in rows of four.

    Args:
        weights: Of each layer, (heads, T) in [0, 1] at T equally spaced t from 0 to 1.

    Returns:
        (3, H, W) float32 in [0, 1].
    """
    charts = [
        line_chart(heads, torch.linspace(0, 1, heads.shape[-1]), layer) for layer, heads in weights.items()
    ]
    rows = [torch.cat(charts[start : start + COLUMNS], dim=-1) for start in range(0, len(charts), COLUMNS)]
    return stacked([text_strip(TITLE, text_width(TITLE) + 4), *rows])


class LearnedWeights(L.Callback):
    """Shows at each validation how `WeightedCrossAttention` weights the keyframes, as `weights/last`.

    A chart for each layer of the denoiser, with the weight of the last keyframe against t for each head.
    Learned weights are initialised to the grey diagonal, which is linear weighting; linear ones stay there.
    Shown by every logger that takes images, and written as PNG files to the run's folder: see `log_image`.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check that there are weights.

        Raises:
            UserError: The method has none, or they are sharded.
        """
        if not isinstance(pl_module, WeightsKeyframes):
            raise UserError(
                f"{type(pl_module).__name__} does not weight its keyframes: leave out the callback"
                " LearnedWeights."
            )
        need_whole_weights(trainer, self)

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the charts."""
        if is_check_alone(trainer) or not trainer.is_global_zero:
            return
        assert isinstance(pl_module, WeightsKeyframes)
        weights = pl_module.learned_weights(torch.linspace(0, 1, POINTS, device=pl_module.device))
        log_image(trainer, "weights/last", weight_charts(weights))
