"""Failed data workers: reported in one sentence, between two steps."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from typing import Any

from torch.utils.data import DataLoader

from inbetween.errors import UserError

STOPPING = {signal.SIGINT, signal.SIGTERM}  # signals that end a run
_FEWER = "give fewer data.num_workers, or a smaller data.batch_size"
_SHARED = (
    "The data workers have too little shared memory (/dev/shm) to hand over batches: enlarge it, such as"
    f" with `docker run --shm-size`, or {_FEWER}."
)


# Windows has none of these
_SIGCHLD: int | None = getattr(signal, "SIGCHLD", None)
_SIGBUS: int = getattr(signal, "SIGBUS", 0)
_SIGKILL: int = getattr(signal, "SIGKILL", 0)


class WorkerWatch:
    """Starts the worker processes of a `DataLoader`, and reports their failures."""

    def __init__(self) -> None:
        self._workers: list[BaseProcess] = []

    def start(self, reader: DataLoader[Any]) -> Iterator[Any]:
        """Start a pass over a loader.

        torch raises in the main thread at the moment a worker dies, which may be in the middle of an
        optimiser step, and `save_on_exception` would save that. Without its signal handler it notices at
        the next batch, five seconds later at most.
        """
        before = active_children()
        with _signals_blocked():  # a worker ignores signals, but only after it has started
            iterator = iter(reader)
        started = [child for child in active_children() if child not in before]
        for worker in started:
            # called by torch five seconds after it has asked a worker to end
            worker.terminate = worker.kill  # type: ignore[method-assign]
        if started and _SIGCHLD is not None and threading.current_thread() is threading.main_thread():
            signal.signal(_SIGCHLD, signal.SIG_DFL)
        self._workers += started
        return iterator

    def end(self) -> None:
        """Kill the workers that are still alive.

        torch ends them when a pass is deleted, which the traceback of an error may put off; and at the exit
        of Python they ignore the signal to end.
        """
        while self._workers:
            worker = self._workers.pop()
            if worker.is_alive():
                worker.kill()
                worker.join()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Report in one sentence why there is no next batch.

        Raises:
            UserError: A worker died or found a mistake.
        """
        try:
            yield
        except UserError as error:
            # torch adds the worker's traceback to the message
            if str(error).startswith("Caught UserError"):
                # its frames refer to the workers, and would delay ending them
                error.with_traceback(None)
                raise UserError(str(error).rstrip().splitlines()[-1].partition(": ")[2]) from None
            raise
        except RuntimeError as error:
            died = [worker.exitcode for worker in self._workers if worker.exitcode]
            if -_SIGBUS in died or "shared memory" in str(error):
                raise UserError(_SHARED) from error
            if not died:
                raise
            if -_SIGKILL in died:
                raise UserError(
                    f"A data worker was killed, as systems do when memory runs out: {_FEWER}."
                ) from error
            raise UserError(
                f"A data worker died (exit code {died[0]}): give data.num_workers 0 to see why."
            ) from error


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block stop signals; processes that are started meanwhile do not get them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
