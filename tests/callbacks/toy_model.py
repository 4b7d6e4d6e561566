"""A module that draws known frames, and windows to draw."""

from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from inbetween.types import StepOutput, Window, WindowBatch


class Windows(Dataset[Window]):
    """Windows of flat frames of known brightness, each with a dark square that moves to the right."""

    def __init__(self, count: int, between: int = 3) -> None:
        self.count, self.between = count, between

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Window:
        frames = torch.full((self.between + 2, 3, 40, 48), 0.9 - 0.05 * index)
        for k, frame in enumerate(frames):
            frame[:, 10:22, 8 + 3 * k : 20 + 3 * k] = 0.1
        frames[..., 36:, :] = 1.0  # padding
        return {
            "first": frames[0],
            "last": frames[-1],
            "targets": frames[1:-1],
            "t": torch.linspace(0, 1, self.between + 2)[1:-1],
            "box": torch.tensor([0, 0, 36, 48]),
            "index": torch.tensor(index),
            "seed": torch.tensor(index),
            "name": f"animation/scene {index}/0001-0005",
        }


class ToyModel(L.LightningModule):
    """Draws the targets made darker by 0.1; validation those of the first `sampled` batches."""

    def __init__(self, sampled: int = 1000) -> None:
        super().__init__()
        self.sampled = sampled
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        return self.weight * batch["first"].mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        return {"frames": predicted(batch["targets"])} if batch_idx < self.sampled else {}

    def test_step(self, batch: WindowBatch, batch_idx: int) -> StepOutput:
        return {"frames": predicted(batch["targets"])}

    def predict_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        return predicted(batch["targets"])


def predicted(targets: Tensor) -> Tensor:
    """What `ToyModel` draws."""
    return (targets - 0.1).clamp(0, 1)


def loader(count: int = 5, between: int = 3) -> DataLoader[Any]:
    """Windows in order, two in a batch."""
    return DataLoader(Windows(count, between), batch_size=2)
