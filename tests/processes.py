"""Functions that run in several processes, which torch.distributed joins, without importing all anew."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch


def in_processes(count: int, function: Callable[..., Any], *given: Any) -> None:
    """Call a function in forked processes that Lightning takes for its own; `devices` must be `count`.

    Args:
        count: Number of processes.
        function: Called with `given` in each.
        *given: Anything.

    Raises:
        AssertionError: It failed in one of them, which tells why on stderr.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_run, args=(rank, port, function, given)) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0] * count


def _run(rank: int, port: str, function: Callable[..., Any], given: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)  # the parent's pool of threads is not in a fork
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": port, "LOCAL_RANK": str(rank)}
    function(*given)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
