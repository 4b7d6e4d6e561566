"""Temporal encoding with its weights, gradients and optimiser state shared out to all processes (FSDP2)."""

import torch
from torch.distributed.fsdp import FSDPModule, fully_shard

from inbetween.methods import TemporalEncodingDiffusion


class ShardedTemporalEncoding(TemporalEncodingDiffusion):
    """Temporal encoding for Lightning's `ModelParallelStrategy`."""

    def configure_model(self) -> None:
        """Shard what is trained: a block of the denoiser at a time, and what the method adds."""
        unet = self.backbone.unet
        if isinstance(unet, FSDPModule):
            return
        self.strict_loading = False  # checkpoints leave out what is frozen
        unet.to(memory_format=torch.contiguous_format)  # others cannot be sharded
        mesh = self.device_mesh["data_parallel"]
        for part in (*unet.down_blocks, unet.mid_block, *unet.up_blocks, unet, self.time_token):
            fully_shard(part, mesh=mesh)
