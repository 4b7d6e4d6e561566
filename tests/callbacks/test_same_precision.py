"""All processes compute in what the first one does."""

from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy

from inbetween.callbacks import SamePrecision


class Probe(L.LightningModule):
    """Notes what its layer computes in."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.dtypes = torch.nn.Linear(2, 2), []

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        out = self.layer(batch)
        self.dtypes.append(out.dtype)
        return out.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.mark.parametrize(
    ("own", "first", "dtype"),
    [
        ("32-true", "bf16-mixed", torch.bfloat16),
        ("bf16-mixed", "32-true", torch.float32),
        ("bf16-mixed", "bf16-mixed", torch.bfloat16),
    ],
)
def test_the_first_process_decides(
    monkeypatch: pytest.MonkeyPatch, own: str, first: str, dtype: torch.dtype
) -> None:
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        precision=own,
        max_steps=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=SamePrecision(),
    )
    # as if this were the second process
    answers = {own: first}
    monkeypatch.setattr(trainer.strategy, "broadcast", lambda value, src=0: answers.get(value, value))
    probe = Probe()
    trainer.fit(probe, torch.utils.data.DataLoader(torch.ones(4, 2), batch_size=2))
    assert trainer.precision == first
    assert probe.dtypes == [dtype]
    assert probe.layer.weight.dtype == torch.float32


def test_what_splits_the_weights_keeps_its_own_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = FSDPStrategy()
    monkeypatch.setattr(strategy, "broadcast", lambda value, src=0: "bf16-mixed")
    sharded: Any = SimpleNamespace(strategy=strategy, precision="32-true")
    SamePrecision().setup(sharded, Probe(), "fit")
    assert strategy.precision_plugin.precision == "32-true"
