"""One precision for all processes of a run."""

import lightning as L
from lightning.pytorch.plugins import MixedPrecision, Precision

from inbetween.callbacks.whole_weights import has_whole_weights


class SamePrecision(L.Callback):
    """Makes all processes use the precision of the first one.

    Each chooses before it can ask the others, by the machine that it runs on (`resolve_precision`),
    and the machines of a run may differ. Weights that some update from gradients in float32 and others from
    those in bfloat16 would drift apart. Strategies that split the weights have plugins of their own, and run
    on GPUs alone, which agree. The command line adds this callback by itself.
    """

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Ask the first process; called before anything is computed."""
        if not has_whole_weights(trainer):
            return
        chosen = trainer.strategy.broadcast(trainer.precision)
        if chosen == trainer.precision:
            return
        device = trainer.strategy.root_device.type
        mixed = chosen == "bf16-mixed"
        trainer.strategy.precision_plugin = MixedPrecision("bf16-mixed", device) if mixed else Precision()
