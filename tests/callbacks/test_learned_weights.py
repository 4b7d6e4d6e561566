"""Charts of weights in TensorBoard, and who may ask for them."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor

from inbetween.callbacks import EMA, LearnedWeights
from inbetween.callbacks.learned_weights import POINTS, weight_charts
from inbetween.errors import UserError
from tests.callbacks.test_sample_grid import pictures
from tests.callbacks.toy_model import ToyModel, loader


class Weighter(ToyModel):
    """Weights that bend with its parameter."""

    def learned_weights(self, t: Tensor) -> dict[str, Tensor]:
        return {"down_0_0_0": torch.stack([t, bent(t, float(self.weight))]), "mid_0_0": t[None]}


def bent(t: Tensor, shift: float) -> Tensor:
    return torch.sigmoid(torch.logit(t) + shift)


def expected_sheet(shift: float) -> Tensor:
    t = torch.linspace(0, 1, POINTS)
    return weight_charts({"down_0_0_0": torch.stack([t, bent(t, shift)]), "mid_0_0": t[None]})


def test_every_validation_shows_the_weights_in_use(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    model = Weighter()
    average = EMA()
    trainer = make_trainer(LearnedWeights(), average, max_epochs=2, num_sanity_val_steps=1)
    seen: list[float] = []
    model.validation_step = lambda batch, batch_idx: seen.append(float(model.weight))  # type: ignore[method-assign]
    trainer.fit(model, loader(2), loader(2))
    shown = pictures(tmp_path, "weights/last")
    assert [step for step, _ in shown] == [1, 2]  # none for the sanity check
    for (_, picture), shift in zip(shown, seen[1:], strict=True):
        assert shift != 0
        difference = picture.int() - (expected_sheet(shift) * 255).int()
        assert difference.abs().max() <= 1
    assert not torch.equal(shown[0][1], shown[1][1])


def test_sheet_has_four_charts_in_a_row() -> None:
    one = weight_charts({"mid_0_0": torch.zeros(1, 3)})
    five = weight_charts({f"up_{i}_0_0": torch.zeros(1, 3) for i in range(5)})
    title = 22
    assert five.shape[1] - title == 2 * (one.shape[1] - title)
    chart = (five.shape[1] - title) // 2
    width = five.shape[2] // 4
    # the last four cells: one chart, then paper
    assert (five[:, title + chart :, :width] < 0.5).any()
    assert (five[:, title + chart :, width:] > 0.9).all()


def test_a_method_without_weights_is_told(make_trainer: Callable[..., L.Trainer]) -> None:
    trainer = make_trainer(LearnedWeights())
    with pytest.raises(
        UserError, match="ToyModel does not weight its keyframes: leave out the callback Learned"
    ):
        trainer.validate(ToyModel(), loader(2), verbose=False)


def test_weights_that_are_split_over_processes_are_refused() -> None:
    sharded: Any = SimpleNamespace(strategy=FSDPStrategy())  # Lightning's needs a GPU to be in a trainer
    with pytest.raises(UserError, match="LearnedWeights needs whole weights in every process"):
        LearnedWeights().setup(sharded, Weighter(), "fit")
