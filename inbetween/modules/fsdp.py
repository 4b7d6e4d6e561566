"""FSDP2: weights, gradients and optimiser states are shared out to all processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import lightning as L
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from inbetween.errors import UserError


class FSDP2Strategy(ModelParallelStrategy):
    """Lightning's `ModelParallelStrategy` over all processes, with the checkpoints of a single process.

    For methods whose `configure_model` calls `shard`. A checkpoint is one file that any number of processes
    resumes from, with this strategy, with DDP or alone. Lightning's own numbers the optimiser's states by
    all parameters, so that it cannot resume a single process's checkpoint where some are frozen.

    Args:
        process_group_backend: Of torch.distributed; None is nccl on GPUs and gloo on CPUs.
        timeout_s: Seconds that a process waits for the others.
    """

    def __init__(self, process_group_backend: str | None = None, timeout_s: float = 1800) -> None:
        super().__init__(
            save_distributed_checkpoint=False,
            process_group_backend=process_group_backend,
            timeout=timedelta(seconds=timeout_s),
        )

    @property
    def lightning_restore_optimizer(self) -> bool:
        """Lightning passes the optimisers' states to `load_optimizer_state_dict`."""
        return True

    @property
    def restore_checkpoint_after_setup(self) -> bool:
        """As for DDP: `configure_model` has sharded the weights before it."""
        return False

    @property
    def _method(self) -> L.LightningModule:
        assert self.lightning_module is not None  # a trainer sets it before it calls anything here
        return self.lightning_module

    def setup(self, trainer: L.Trainer) -> None:
        """Check that the weights are sharded, and set up.

        Raises:
            UserError: They are not.
        """
        model = self._method
        if not any(isinstance(module, FSDPModule) for module in model.modules()):
            raise shards_nothing(model)
        super().setup(trainer)

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """The whole weights on the CPU of the first process, which writes them; none on the others."""
        weights: dict[str, Any] = _whole_on_first(self._method.state_dict())
        return weights

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """The same of an optimiser's state."""
        saved = optimizer.state_dict()
        return {**saved, "state": _whole_on_first(saved["state"])}

    def load_checkpoint(
        self,
        checkpoint_path: Any,  # noqa: ANN401 - Lightning's
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """All of a checkpoint, on the CPU; memory is mapped, so that processes of a machine share it."""
        return self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Take this process's part of the weights."""
        load_whole(self._method, checkpoint["state_dict"], strict)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this process's part of the optimisers' states."""
        for optimizer, saved in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            # of any numbers, in the order of the weights, as torch's own optimisers have it
            numbers = [number for group in saved["param_groups"] for number in group["params"]]
            own = dict(zip(numbers, weights, strict=True))
            state = {
                number: {name: sharded_like(value, own[number]) for name, value in values.items()}
                for number, values in saved["state"].items()
            }
            optimizer.load_state_dict({**saved, "state": state})


def shards_nothing(module: nn.Module) -> UserError:
    """The error for a module without a `configure_model` that shards it."""
    return UserError(f"{type(module).__name__} does not shard its weights: use the strategy ddp.")


def shard(module: L.LightningModule, parts: Iterable[nn.Module]) -> None:
    """Shard modules over all processes, in `configure_model`; does nothing without a sharding strategy.

    Args:
        module: The method that is trained.
        parts: Its modules, children before their parents. The weights of each are gathered together when it
            runs.
    """
    if not isinstance(module.trainer.strategy, ModelParallelStrategy):
        return
    mesh = init_device_mesh(module.trainer.strategy.root_device.type, (module.trainer.world_size,))
    for part in parts:
        if not isinstance(part, FSDPModule):  # of an earlier stage
            # by default whole copies of the outermost part stay after a pass without gradients
            fully_shard(part, mesh=mesh, reshard_after_forward=True)


def equal_rows(module: L.LightningModule, count: int) -> list[int]:
    """Rows of a batch, the first one again and again where another process has more than this one.

    All processes gather weights at once where they are sharded, so that a network which runs for one sample
    at a time must run equally often.

    Args:
        module: The method; nothing is repeated unless its weights are sharded.
        count: Rows of the batch, at least one.
    """
    if not any(isinstance(part, FSDPModule) for part in module.modules()):
        return list(range(count))
    # not where the first weight is: encoders may rest on the CPU
    most = torch.tensor(count, device=module.device)
    distributed.all_reduce(most, distributed.ReduceOp.MAX)
    return [*range(count), *[0] * (int(most) - count)]


def own_part(weight: Tensor) -> Tensor:
    """What this process has of a weight, with its gradient."""
    return weight.to_local() if isinstance(weight, DTensor) else weight


def whole(value: Tensor) -> Tensor:
    """A tensor without sharding; all processes take part."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def sharded_like(value: Any, weight: Tensor) -> Any:  # noqa: ANN401 - an optimiser's states are of any type
    """This process's part of a whole tensor, sharded as a weight of the same shape is; others stay."""
    if isinstance(weight, DTensor) and isinstance(value, Tensor) and value.shape == weight.shape:
        # every process has read the whole: nothing is sent
        return distribute_tensor(
            value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None
        )
    return value


def load_whole(module: nn.Module, weights: Mapping[str, Tensor], strict: bool) -> None:
    """`load_state_dict` of whole weights into a module whose weights may be sharded."""
    own = dict(module.named_parameters(remove_duplicate=False))
    module.load_state_dict(
        {name: sharded_like(value, own[name]) if name in own else value for name, value in weights.items()},
        strict=strict,
    )


def _whole_on_first(values: Any) -> Any:  # noqa: ANN401 - nested dictionaries
    """Nested dictionaries with whole tensors on the CPU; empty on all processes but the first."""
    if isinstance(values, dict):
        found = {name: _whole_on_first(value) for name, value in values.items()}
        return found if distributed.get_rank() == 0 else {}
    return whole(values.detach()).cpu() if isinstance(values, torch.Tensor) else values
