"""SIGINT or SIGTERM ends a run between two steps, so that what is saved then is whole."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

import lightning as L


class Interruption(L.Callback):
    """Lets the step under way finish before SIGINT, or the SIGTERM of a cluster, ends `fit`.

    Python raises KeyboardInterrupt wherever it happens to be, which may be between two weights of one
    optimiser step; a checkpoint saved then (`save_on_exception`) would not go on to the weights of an
    uninterrupted run. A second SIGINT does raise at once; a second SIGTERM changes nothing. With several
    processes all of them stop at the same step, whichever of them got the signal; Lightning alone lets the
    others wait for the first for ever (Lightning's issue 20806). The command line adds this callback by
    itself.
    """

    def __init__(self) -> None:
        self._asked = False
        self._speaks = True
        self._previous: dict[signal.Signals, Any] = {}

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Install the signal handlers; only a main thread can."""
        self._speaks = trainer.is_global_zero
        self._listen(signal.SIGINT)

    def on_sanity_check_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take SIGTERM over from Lightning, which has set its own handler by now."""
        self._listen(signal.SIGTERM)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The same, where there is no sanity check."""
        self._listen(signal.SIGTERM)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Stop here."""
        self._stop_if_asked(trainer)

    def on_validation_batch_start(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stop here."""
        self._stop_if_asked(trainer)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Restore the signal handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _listen(self, number: signal.Signals) -> None:
        main = threading.current_thread() is threading.main_thread()
        if main and number not in self._previous:
            self._previous[number] = signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self._asked and self._speaks:
            again = "; once more stops at once" if number == signal.SIGINT else ""
            print(f"\ninbetween: stopping after this step{again}", file=sys.stderr, flush=True)
        self._asked = True
        if number == signal.SIGINT:
            signal.signal(number, self._previous.pop(signal.SIGINT))

    def _stop_if_asked(self, trainer: L.Trainer) -> None:
        asked = self._asked
        if trainer.world_size > 1:
            asked = trainer.strategy.reduce_boolean_decision(asked, all=False)
        if asked:
            raise KeyboardInterrupt
