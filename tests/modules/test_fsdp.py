"""Sharded weights are those of one process, and any number of processes resumes from any checkpoint."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from inbetween.callbacks import EMA
from inbetween.errors import UserError
from inbetween.modules import fsdp
from inbetween.modules.fsdp import FSDP2Strategy, equal_rows, shard
from inbetween.weights.frozen import leave_frozen_out
from tests.processes import in_processes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
ROWS = 4
LAST = 4  # steps


class Block(nn.Module):
    """A frozen layer in bfloat16 with what is trained in float32: an adapter, as LoRA's, and a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.base = nn.Linear(5, 5).requires_grad_(False).bfloat16()
        self.down, self.up = nn.Linear(5, 3, bias=False), nn.Linear(3, 5, bias=False)
        self.scale = nn.Parameter(torch.ones(1))  # fewer rows than processes

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.base(x.bfloat16()).float() + self.up(self.down(x)) * self.scale)


class Adapted(L.LightningModule):
    """Two blocks and a head that is not sharded by itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(Block(), Block(), nn.Linear(5, 2))
        self.validated: list[float] = []
        leave_frozen_out(self)

    def configure_model(self) -> None:
        shard(self, [*self.net[:2], self.net])

    def loss(self, step: int) -> Tensor:
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(ROWS, 5, generator=generator)[self.global_rank :: self.trainer.world_size]
        return (self.net(x) - x[:, :2]).square().mean()

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.loss(self.global_step)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.validated.append(self.trainer.strategy.reduce(self.loss(99)).item())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW([w for w in self.parameters() if w.requires_grad], lr=0.05)


def run(path: Path, strategy: str, devices: int, steps: int, resumed: Path | None = None) -> None:
    trainer = L.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy=FSDP2Strategy() if strategy == "fsdp2" else strategy,
        max_steps=steps,
        val_check_interval=1,
        gradient_clip_val=0.5,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[EMA(0.5), ModelCheckpoint(path.parent, path.stem, every_n_train_steps=steps)],
    )
    model, data = Adapted(), DataLoader(torch.zeros(LAST))
    trainer.fit(model, data, DataLoader(torch.zeros(1)), ckpt_path=resumed)
    path.with_suffix(".txt").write_text(" ".join(map(str, model.validated[-(steps - 1) :])))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The checkpoint of a run, which is run once."""
    folder = tmp_path_factory.mktemp("runs")

    def get(strategy: str, devices: int, steps: int, resumed: Path | None = None) -> Path:
        path = folder / f"{strategy}{devices}-{steps}-{resumed.stem if resumed else ''}.ckpt"
        if not path.exists():
            in_processes(devices, run, path, strategy, devices, steps, resumed)
        return path

    return get


def close(found: Path, expected: Path) -> None:
    loaded = [torch.load(path, weights_only=True) for path in (found, expected)]
    parts = [
        (dict(saved["state_dict"]), saved["optimizer_states"][0]["state"], saved["callbacks"]["EMA"])
        for saved in loaded
    ]
    for found_part, expected_part in zip(*parts, strict=True):
        assert found_part
        torch.testing.assert_close(found_part, expected_part, rtol=1e-5, atol=1e-6)
    assert loaded[0]["callbacks"]["EMA"]["updates"] == LAST


RUNS = [("auto", 1), ("ddp", 2), ("fsdp2", 1), ("fsdp2", 2)]


@pytest.mark.parametrize(("strategy", "devices"), RUNS[1:])
def test_processes_train_what_one_trains(trained: Callable[..., Path], strategy: str, devices: int) -> None:
    one, many = trained("auto", 1, LAST), trained(strategy, devices, LAST)
    close(many, one)
    losses = [[float(word) for word in path.with_suffix(".txt").read_text().split()] for path in (one, many)]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-6)
    saved = torch.load(many, weights_only=True)["state_dict"]
    assert {name for name in saved if "base" in name} == set()
    assert len(saved) == 8


@pytest.mark.parametrize(("source", "target"), [(a, b) for a in RUNS for b in RUNS if a != b])
def test_any_number_of_processes_resumes(
    trained: Callable[..., Path], source: tuple[str, int], target: tuple[str, int]
) -> None:
    close(trained(*target, LAST, trained(*source, 2)), trained("auto", 1, LAST))


def test_a_method_that_shards_nothing_is_told_so() -> None:
    def fit() -> None:
        model: Any = Adapted()
        model.configure_model = lambda: None
        trainer = L.Trainer(accelerator="cpu", devices=1, strategy=FSDP2Strategy(), logger=False, max_steps=1)
        with pytest.raises(UserError, match="Adapted does not shard its weights: use the strategy ddp"):
            trainer.fit(model, DataLoader(torch.zeros(LAST)))

    in_processes(1, fit)


def test_ema_names_the_strategy_to_use() -> None:
    trainer: Any = L.Trainer.__new__(L.Trainer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(L.Trainer, "strategy", ModelParallelStrategy())
        with pytest.raises(UserError, match=r"ddp or inbetween\.modules\.fsdp\.FSDP2Strategy"):
            EMA().setup(trainer, Adapted(), "fit")


def test_rows_are_counted_on_the_methods_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """NCCL takes no tensor of the CPU, where the first of the weights may rest."""
    method, devices = Adapted().to("meta"), []
    method.net[0].to_empty(device="cpu")

    def all_reduce(count: Tensor, _: object) -> None:
        devices.append(count.device.type)
        monkeypatch.setattr(fsdp.torch.Tensor, "__int__", lambda _: 3)  # of another process

    monkeypatch.setattr(fsdp, "FSDPModule", nn.Module)
    monkeypatch.setattr(fsdp.distributed, "all_reduce", all_reduce)
    assert equal_rows(method, 1) == [0, 0, 0]
    assert devices == ["meta"]
