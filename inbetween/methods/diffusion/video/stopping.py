"""SIGINT and SIGTERM while caches are filled, which may take hours."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stopped_early() -> Iterator[Callable[[], None]]:
    """Let SIGINT and SIGTERM end a run before its first step.

    Python would raise KeyboardInterrupt anywhere, such as where a data worker is forked, which would leave
    locks behind.

    Yields:
        Ends the run, if a signal has come; to be called in a loop.
    """
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    def check() -> None:
        if came:
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGINT, signal.SIGTERM) if main else ()
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
