"""The average of the weights: what it is, who uses it, and that a run goes on with it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import FSDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from inbetween.callbacks import EMA, PretrainedWriter
from inbetween.errors import UserError
from inbetween.weights.frozen import leave_frozen_out

STEPS = 12
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:You're resuming from",
    "ignore:Be aware that when using",
    "ignore:The dirpath has",
)


class Line(L.LightningModule):
    """A frozen layer, a trained one, and another name for the trained one's weights; reads no data."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)
        self.trained = nn.Linear(3, 2)
        self.tied = nn.Linear(3, 2)
        self.tied.weight = self.trained.weight
        self.validated: list[Tensor] = []
        self.stepped: list[Tensor] = []
        leave_frozen_out(self)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        # the same numbers whether a run was stopped, and whether two batches or two processes make a step
        part = batch_idx % self.trainer.accumulate_grad_batches + self.global_rank
        generator = torch.Generator().manual_seed(2 * self.global_step + part)
        x = self.frozen(torch.randn(batch.shape, generator=generator))
        return (self.trained(x) - x[:, :2]).square().mean() + self.tied(x).square().mean()

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        self.validated.append(self.trained.weight.detach().clone())

    test_step = predict_step = validation_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([w for w in self.parameters() if w.requires_grad], lr=0.1)

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        self.stepped.append(self.trained.weight.detach().clone())

    def save_pretrained(self, folder: Path) -> None:
        torch.save(self.trained.state_dict(), folder / "trained")


class StopAt(L.Callback):
    """Fails in a training step or in a validation."""

    def __init__(self, step: int, place: str) -> None:
        self.step, self.place = step, place

    def on_train_batch_start(self, trainer: L.Trainer, *_: object) -> None:
        if self.place == "training" and trainer.global_step == self.step:
            raise RuntimeError("stopped")

    def on_validation_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        if self.place == "validation" and trainer.global_step == self.step:
            raise RuntimeError("stopped")


def data(batches: int = STEPS) -> DataLoader[Any]:
    return DataLoader(list(torch.zeros(4 * batches, 3)), batch_size=4)


@pytest.fixture
def fit(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> Callable[..., tuple[L.Trainer, Line, Path]]:
    """Trains a `Line`, with validation after each third batch, and tells where its last checkpoint is."""
    numbers: Iterator[int] = iter(range(9))

    def run(*callbacks: L.Callback, path: Path | None = None, **options: Any) -> tuple[L.Trainer, Line, Path]:
        folder = tmp_path / str(next(numbers))
        writer = ModelCheckpoint(folder, save_last=True, every_n_train_steps=2, save_on_exception=True)
        settings = {"max_steps": STEPS, "val_check_interval": 3, "enable_checkpointing": True} | options
        model, trainer = Line(), make_trainer(*callbacks, writer, logger=False, **settings)
        stops = any(isinstance(callback, StopAt) for callback in callbacks)
        try:
            trainer.fit(model, data(), data(1), ckpt_path=path)
        except RuntimeError:
            assert stops
        return trainer, model, folder / "last.ckpt"

    return run


def average_of(first: Tensor, weights: list[Tensor], decay: float) -> list[Tensor]:
    """The averages after each of the steps that led to `weights`, by the formula in float64."""
    average, averages = first.double(), []
    for n, weight in enumerate(weights):
        d = min(decay, (1 + n) / (10 + n))
        average = d * average + (1 - d) * weight.double()
        averages.append(average)
    return averages


@pytest.mark.parametrize("accumulate", [1, 2])
def test_average_is_the_formula_and_training_does_not_notice(fit: Any, accumulate: int) -> None:
    options = {"accumulate_grad_batches": accumulate, "max_steps": STEPS // accumulate}
    _, plain, plain_path = fit(**options)
    _, model, path = fit(EMA(0.4), **options)
    saved, expected = torch.load(path, weights_only=True), torch.load(plain_path, weights_only=True)
    training = saved["callbacks"]["EMA"]["training"]
    torch.testing.assert_close(training, dict(expected["state_dict"]), rtol=0, atol=0)

    # `zero_grad` is called before the step: what it saw is the weight after the step before
    steps = [*model.stepped[1:], training["trained.weight"]]
    averages = average_of(Line().trained.weight.detach(), steps, 0.4)
    assert len(averages) == STEPS // accumulate
    torch.testing.assert_close(saved["state_dict"]["trained.weight"].double(), averages[-1])
    assert torch.equal(saved["state_dict"]["tied.weight"], saved["state_dict"]["trained.weight"])
    assert (averages[-1] - steps[-1]).abs().max() > 1e-3
    # one validation before training and one after each third batch
    done = [3 * k // accumulate for k in range(1, STEPS // 3 + 1)]
    seen = [plain.validated[0].double(), *(averages[n - 1] for n in done)]
    torch.testing.assert_close(torch.stack(model.validated[:: len(data(1))]).double(), torch.stack(seen))


def test_only_trainable_weights_are_kept(fit: Any) -> None:
    average = EMA()
    _, _, path = fit(average)
    saved = torch.load(path, weights_only=True)
    names = {"trained.weight", "trained.bias", "tied.weight", "tied.bias"}
    assert set(saved["state_dict"]) == set(saved["callbacks"]["EMA"]["training"]) == names
    assert set(average._average) == names


def test_after_fit_the_model_is_the_average_and_a_later_checkpoint_is_whole(fit: Any, tmp_path: Path) -> None:
    trainer, model, path = fit(EMA(0.4), PretrainedWriter(tmp_path / "written"))
    saved = torch.load(path, weights_only=True)
    torch.testing.assert_close(dict(model.state_dict()), dict(saved["state_dict"]), rtol=0, atol=0)
    written = torch.load(tmp_path / "written" / "trained", weights_only=True)
    assert torch.equal(written["weight"], saved["state_dict"]["trained.weight"])

    trainer.validate(model, data(1), verbose=False)
    trainer.save_checkpoint(tmp_path / "later.ckpt")
    later = torch.load(tmp_path / "later.ckpt", weights_only=True)
    for found in (later, saved):
        del found["callbacks"]["EMA"]["updates"]
    torch.testing.assert_close(dict(later["state_dict"]), dict(saved["state_dict"]), rtol=0, atol=0)
    torch.testing.assert_close(later["callbacks"]["EMA"], saved["callbacks"]["EMA"], rtol=0, atol=0)


@pytest.mark.parametrize("callbacks", [[], [EMA(0.4)]])
@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_a_checkpoint_is_measured_by_its_average(
    fit: Any, make_trainer: Callable[..., L.Trainer], stage: str, callbacks: list[L.Callback]
) -> None:
    _, _, path = fit(EMA(0.4), max_steps=3)
    saved, model = torch.load(path, weights_only=True)["state_dict"], Line()
    getattr(make_trainer(*callbacks, logger=False), stage)(model, data(1), ckpt_path=path)
    torch.testing.assert_close(dict(model.state_dict()), dict(saved), rtol=0, atol=0)


@pytest.mark.parametrize(("step", "place"), [(5, "training"), (6, "validation")])
def test_a_stopped_run_goes_on_to_the_same_weights(fit: Any, step: int, place: str) -> None:
    _, _, straight = fit(EMA(0.9))
    _, _, stopped = fit(EMA(0.9), StopAt(step, place))
    half = torch.load(stopped, weights_only=True)
    assert half["global_step"] == step
    assert half["callbacks"]["EMA"]["updates"] == step
    _, _, resumed = fit(EMA(0.9), path=stopped)
    found, expected = (torch.load(path, weights_only=True) for path in (resumed, straight))
    for key in ("state_dict", "optimizer_states"):
        torch.testing.assert_close(found[key], expected[key], rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(found["callbacks"]["EMA"], expected["callbacks"]["EMA"], rtol=1e-6, atol=1e-7)


def test_a_checkpoint_without_average_starts_one_and_one_with_it_serves_without(fit: Any) -> None:
    _, _, plain = fit(max_steps=4)
    average = EMA(0.4)
    _, _, path = fit(average, path=plain, max_steps=6)
    saved = torch.load(path, weights_only=True)
    assert saved["callbacks"]["EMA"]["updates"] == 2

    trainer, model, _ = fit(path=path, max_steps=6)  # nothing left to train
    assert trainer.global_step == 6
    assert torch.equal(model.trained.weight, saved["state_dict"]["trained.weight"])


def test_half_precision_weights_are_averaged_in_float32() -> None:
    average, model = EMA(), Line().bfloat16()
    average.on_fit_start(L.Trainer(logger=False), model)
    assert {value.dtype for value in average._average.values()} == {torch.float32}


def test_mistakes_are_told_in_one_sentence(make_trainer: Callable[..., L.Trainer], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="decay is 1: give a number from 0 to below 1"):
        EMA(1)
    writer = ModelCheckpoint(tmp_path / "weights", save_weights_only=True)
    trainer = make_trainer(EMA(), writer, enable_checkpointing=True, logger=False)
    with pytest.raises(UserError, match="save_weights_only saves the training weights"):
        trainer.fit(Line(), data())
    sharded: Any = SimpleNamespace(strategy=FSDPStrategy())  # Lightning's needs a GPU to be in a trainer
    with pytest.raises(UserError, match="needs whole weights in every process"):
        EMA().setup(sharded, Line(), "fit")


@pytest.mark.slow  # two new processes import torch
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_two_processes_average_as_one(fit: Any) -> None:
    found = {}
    for devices, strategy, batches in ((1, "auto", 2), (2, "ddp_spawn", 1)):
        options = {"devices": devices, "strategy": strategy, "accumulate_grad_batches": batches}
        _, _, path = fit(EMA(0.5), **options, max_steps=4)
        found[devices] = torch.load(path, weights_only=True)
    assert found[2]["callbacks"]["EMA"]["updates"] == 4
    torch.testing.assert_close(found[2]["state_dict"], found[1]["state_dict"])
