"""Kills a process at every moment that matters, one after the other."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import cv2

LONGEST = 20.0  # seconds
# after each of these the disk looks different
MOMENTS = [
    (Path, "mkdir"),
    (Path, "replace"),
    (Path, "unlink"),
    (Path, "write_bytes"),
    (Path, "write_text"),
    (os, "fsync"),
    (shutil, "rmtree"),
]


def killed_before(moment: int, act: Callable[[], object]) -> bool:
    """Act in a process that is killed before a step of its own; False where it had ended by then.

    Args:
        moment: Which step: the calls of `MOMENTS` are counted, from 0.
        act: Does not need threads that this process has started.
    """
    process = os.fork()
    if not process:
        try:
            cv2.setNumThreads(0)
            with_kill_before(moment, act)
            os._exit(0)
        finally:
            os._exit(1)
    ended, status = 0, 0
    deadline = time.monotonic() + LONGEST
    while not ended:
        ended, status = os.waitpid(process, os.WNOHANG)
        if not ended and time.monotonic() > deadline:
            # it waits for a lock that another thread held when it was forked: one more moment to be killed at
            os.kill(process, signal.SIGKILL)
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def with_kill_before(moment: int, act: Callable[[], object]) -> None:
    """Act, until this process kills itself."""
    left = moment

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **options: object) -> object:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return function(*args, **options)

        return step

    for owner, name in MOMENTS:
        patch.object(owner, name, counted(getattr(owner, name))).start()
    act()
