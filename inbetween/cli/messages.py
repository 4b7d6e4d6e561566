"""Warnings and log lines of libraries: filtered and shortened."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable

from PIL import Image

from inbetween.io.files import full_disk


def plain_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning as one sentence, without the line of code that raised it."""
    return f"warning: {message}\n"


def quiet() -> None:
    """Silence warnings that users cannot act on, and shorten the others."""
    warnings.formatwarning = plain_warning
    # bf16-mixed keeps its weights in float32, which is what the summary counts
    warnings.filterwarnings("ignore", message=".*Precision bf16-mixed is not supported by the model summary")
    # Lightning 2.6 with torch 2.14
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec")
    # a frozen backbone stays in evaluation mode on purpose
    warnings.filterwarnings("ignore", message=".*module.s. in eval mode at the start of training")
    # of validation, whose few windows load fast enough
    warnings.filterwarnings("ignore", message=".*does not have many workers which may be a bottleneck")
    # jsonargparse 4.5x about LightningCLI 2.6
    warnings.filterwarnings("ignore", category=DeprecationWarning, module="lightning")
    # `__main__` reads the process's arguments and passes them on
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended")
    # a resumed run, or a test of one, writes to a folder of its own
    warnings.filterwarnings("ignore", message="The dirpath has changed")
    # `adapt` goes on in the folder of the training that was interrupted
    warnings.filterwarnings("ignore", message=".*exists and is not empty")
    # `FrameMetrics` has gathered its metrics from all processes
    warnings.filterwarnings("ignore", message=".*It is recommended to use `self.log")
    # `Method.on_save_checkpoint` leaves networks out of the hyperparameters
    warnings.filterwarnings("ignore", message=".*is an instance of `nn.Module` and is already saved")
    # nothing is trained by validate, test and predict
    warnings.filterwarnings("ignore", message=".*`max_epochs` was not set")
    # Pillow's, from 89 megapixels on; our own limit is lower and is an error
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).addFilter(is_informative)


def without_full_disks(
    hook: Callable[[threading.ExceptHookArgs], object],
) -> Callable[[threading.ExceptHookArgs], object]:
    """`threading.excepthook` without full disks, which TensorBoard's thread reports to the main thread."""

    def filtered(args: threading.ExceptHookArgs) -> object:
        return None if args.exc_value and full_disk(args.exc_value) else hook(args)

    return filtered


def is_informative(record: logging.LogRecord) -> bool:
    """Whether a log line of Lightning's is more than the config, missing hardware, or a tip."""
    known = (
        "Seed set to",
        "GPU available: False",
        # `ParameterSummary` is that callback
        "Trainer already configured with model summary callbacks",
        # reads like a failure, and the progress bar shows it
        "`Trainer.fit` stopped: `max_",
        # logged twice
        "Restored all states from the checkpoint",
        "TPU available: False",
        "Using bfloat16 Automatic",
        "💡 Tip",
        "\nDetected Keyboard",
    )
    message = record.getMessage()
    # of a checkpoint saved because of an error, which the command line reports itself
    return not message.startswith(known) and " was raised with message: " not in message
