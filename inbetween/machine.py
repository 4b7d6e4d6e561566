"""The resources that this process may use."""

import os


def cores() -> int:
    """How many cores this process may use, which a cluster or a container may limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
