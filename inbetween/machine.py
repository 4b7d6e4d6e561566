"""The resources that this process may use."""

import os

import torch


def cores() -> int:
    """How many cores this process may use, which a cluster or a container may limit."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machines() -> int:
    """How many machines the training processes run on, as torchrun and SLURM say; 1 where neither does."""
    if not torch.distributed.is_initialized():
        return 1
    told = os.environ.get("GROUP_WORLD_SIZE") or os.environ.get("SLURM_NNODES") or "1"
    return min(int(told), torch.distributed.get_world_size())
