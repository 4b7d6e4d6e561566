"""A run that was interrupted and resumed sees the batches an uninterrupted one sees."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn

from inbetween.callbacks import Resumption
from inbetween.data import Augment, FolderScenes, WindowDataModule, WindowSource
from inbetween.errors import UserError
from inbetween.types import WindowBatch

STEPS = 5  # per epoch, with the scenes and the batch size used here


class Diary(L.LightningModule):
    """Writes down which windows it is trained on, and learns something that depends on their order."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[int, list[str], list[int]]] = []

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        self.seen.append((self.current_epoch, batch["name"], batch["seed"].tolist()))
        return (self.weight - batch["first"].mean()) ** 2

    def validation_step(self, batch: WindowBatch, batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Interrupted(L.Callback):
    """Stops like SIGINT: in the middle of a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise InterruptedError


def run(
    root: Path | WindowSource,
    tmp_path: Path,
    workers: int = 0,
    ckpt_path: Path | None = None,
    interrupt: int | None = None,
    save: dict[str, Any] | None = None,
    callbacks: Sequence[L.Callback] = (),
    **options: Any,
) -> tuple[Diary, Path]:
    data = WindowDataModule(
        FolderScenes(root) if isinstance(root, Path) else root,
        stride=1,
        size=16,
        batch_size=3,
        num_workers=workers,
        augment=Augment(),
        cache_dir=tmp_path / "cache",
    )
    module = Diary()
    keep = ModelCheckpoint(dirpath=tmp_path / f"run{len(list(tmp_path.iterdir()))}", **(save or {}))
    options = {"max_epochs": 3, "limit_val_batches": 0, **options}
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            keep,
            Resumption(),
            *([Interrupted(interrupt)] if interrupt is not None else []),
            *callbacks,
        ],
        **options,
    )
    with suppress(InterruptedError):
        trainer.fit(module, data, ckpt_path=ckpt_path)
    return module, Path(keep.last_model_path or keep.best_model_path)


EVERY_STEP = {"every_n_train_steps": 1, "save_top_k": 1}


@pytest.mark.parametrize(
    ("step", "workers"),
    [(1, 0), (3, 0), (STEPS, 0), (STEPS + 1, 0), (2 * STEPS - 1, 0), (3, 2), (STEPS + 1, 2)],
)
def test_resumed_run_sees_what_an_uninterrupted_one_sees(
    scenes_root: Path, tmp_path: Path, step: int, workers: int
) -> None:
    straight, _ = run(scenes_root, tmp_path)
    assert len(straight.seen) == 3 * STEPS

    before, checkpoint = run(scenes_root, tmp_path, workers, interrupt=step, save=EVERY_STEP)
    after, _ = run(scenes_root, tmp_path, workers, ckpt_path=checkpoint)

    assert before.seen == straight.seen[:step]
    assert after.seen == straight.seen[step:]
    assert torch.equal(after.weight, straight.weight)


@pytest.mark.parametrize("limits", [{"max_epochs": 3}, {"max_steps": 3 * STEPS, "max_epochs": -1}])
def test_a_run_interrupted_at_every_step_sees_what_an_uninterrupted_one_sees(
    scenes_root: Path, tmp_path: Path, limits: dict[str, int]
) -> None:
    straight, _ = run(scenes_root, tmp_path, **limits)
    seen = []
    checkpoint = None
    for step in range(1, 3 * STEPS + 1):
        part, checkpoint = run(
            scenes_root, tmp_path, ckpt_path=checkpoint, interrupt=step, save=EVERY_STEP, **limits
        )
        seen += part.seen
    assert seen == straight.seen
    assert torch.equal(part.weight, straight.weight)


SAVES = {
    "epoch end": ({"save_on_train_epoch_end": True}, {}),
    "validation end": ({"save_on_train_epoch_end": False}, {"limit_val_batches": 1.0}),
    "validation in mid-epoch": (
        {"save_on_train_epoch_end": False},
        {"limit_val_batches": 1.0, "val_check_interval": 2},
    ),
    "validation by steps": (
        {"save_on_train_epoch_end": False},
        {"limit_val_batches": 1.0, "val_check_interval": 2, "check_val_every_n_epoch": None},
    ),
    "limited epoch": ({"every_n_train_steps": 1}, {"limit_train_batches": 3}),
}


@pytest.mark.parametrize("place", SAVES)
@pytest.mark.parametrize("by_steps", [False, True])
def test_checkpoints_of_all_kinds_resume(
    scenes_root: Path, tmp_path: Path, place: str, by_steps: bool
) -> None:
    save, options = SAVES[place]
    if by_steps:
        options = {**options, "max_steps": 3 * options.get("limit_train_batches", STEPS), "max_epochs": -1}
    straight, _ = run(scenes_root, tmp_path, **options)
    before, checkpoint = run(scenes_root, tmp_path, interrupt=STEPS + 1, save=save, **options)
    done = torch.load(checkpoint, weights_only=False)["global_step"]
    after, _ = run(scenes_root, tmp_path, ckpt_path=checkpoint, **options)

    assert 0 < done <= STEPS + 1
    assert before.seen == straight.seen[: STEPS + 1]
    assert after.seen == straight.seen[done:]


ENDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # how the run is saved, and what else it does
    "only at the end": ({"every_n_train_steps": 100}, {}),
    "between": ({"every_n_train_steps": 2}, {}),
    "at epochs' ends": ({}, {}),
    "at validations": ({}, {"limit_val_batches": 1.0, "val_check_interval": 2}),
    "by validated steps": (
        {"every_n_train_steps": 3},
        {"limit_val_batches": 1.0, "val_check_interval": 3, "check_val_every_n_epoch": None},
    ),
    "accumulating": ({"every_n_train_steps": 2}, {"accumulate_grad_batches": 2}),
}


@pytest.mark.parametrize("end", [3, STEPS, STEPS + 2])
@pytest.mark.parametrize("place", ENDS)
def test_a_run_that_ended_goes_on_with_more_steps(
    scenes_root: Path, tmp_path: Path, place: str, end: int
) -> None:
    save, options = ENDS[place]
    save, options = {"save_last": True, **save}, {"max_epochs": -1, **options}
    straight, whole = run(scenes_root, tmp_path, max_steps=STEPS + 5, save=save, **options)
    before, checkpoint = run(scenes_root, tmp_path, max_steps=end, save=save, **options)
    assert torch.load(checkpoint, weights_only=True)["global_step"] == end
    after, checkpoint = run(
        scenes_root, tmp_path, max_steps=STEPS + 5, ckpt_path=checkpoint, save=save, **options
    )
    assert before.seen + after.seen == straight.seen
    assert torch.equal(after.weight, straight.weight)
    assert logged_steps(checkpoint) == logged_steps(whole)


def logged_steps(checkpoint: Path) -> int:
    """The step that a logger would be told next."""
    counts = torch.load(checkpoint, weights_only=True)["loops"]["fit_loop"]
    steps: int = counts["epoch_loop.state_dict"]["_batches_that_stepped"]
    return steps


class StopsAfter(L.Callback):
    """Ends a run as `max_time` and EarlyStopping do, after so many batches."""

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self.batches -= 1
        trainer.should_stop = trainer.should_stop or self.batches == 0


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("batches", [3, STEPS, STEPS + 1])
def test_a_run_that_a_callback_ended_goes_on(
    scenes_root: Path, tmp_path: Path, batches: int, accumulated: int
) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": accumulated, "save": {"save_last": True}}
    straight, _ = run(scenes_root, tmp_path, **options)
    before, checkpoint = run(scenes_root, tmp_path, callbacks=[StopsAfter(batches)], **options)
    assert before.seen == straight.seen[:batches]
    after, _ = run(scenes_root, tmp_path, ckpt_path=checkpoint, **options)
    again = straight.seen.index(after.seen[0])  # batches whose gradient was not used yet are seen again
    assert batches - accumulated < again <= batches
    assert after.seen == straight.seen[again:]
    assert torch.equal(after.weight, straight.weight)


class FailsAfter(L.Callback):
    """Stops like a fault, after so many batches."""

    def __init__(self, batches: int) -> None:
        self.batches = batches

    def on_train_batch_start(self, *_: Any) -> None:
        self.batches -= 1
        if self.batches < 0:
            raise InterruptedError


@pytest.mark.parametrize("fails", range(1, 2 * STEPS))
@pytest.mark.parametrize("validation", [{}, {"limit_val_batches": 1.0, "val_check_interval": 3}])
def test_a_stop_between_accumulated_batches_loses_no_gradient(
    scenes_root: Path, tmp_path: Path, fails: int, validation: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": 2, "max_epochs": 2, **validation}
    options["save"] = {"every_n_train_steps": 100, "save_last": True, "save_on_exception": True}
    straight, whole = run(scenes_root, tmp_path, **options)
    _, checkpoint = run(scenes_root, tmp_path, callbacks=[FailsAfter(fails)], **options)
    if fails == 1:
        assert checkpoint == Path()  # nothing learned, nothing saved
        return
    after, checkpoint = run(scenes_root, tmp_path, ckpt_path=checkpoint, **options)
    assert after.seen == straight.seen[-len(after.seen) :]
    assert torch.equal(after.weight, straight.weight)
    assert logged_steps(checkpoint) == logged_steps(whole)


def test_a_second_stop_between_accumulated_batches_loses_no_gradient(
    scenes_root: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"accumulate_grad_batches": 2, "max_epochs": 2}
    options["save"] = {"every_n_train_steps": 1, "save_last": True}
    straight, _ = run(scenes_root, tmp_path, **options)
    _, checkpoint = run(scenes_root, tmp_path, callbacks=[FailsAfter(2)], **options)
    # Lightning saves here after a batch that made no step
    _, checkpoint = run(scenes_root, tmp_path, ckpt_path=checkpoint, callbacks=[FailsAfter(1)], **options)
    after, _ = run(scenes_root, tmp_path, ckpt_path=checkpoint, **options)
    assert after.seen == straight.seen[2:]
    assert torch.equal(after.weight, straight.weight)


class FailsInStep(L.Callback):
    """Stops between the gradient and the step that it is for."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_before_optimizer_step(self, trainer: L.Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            raise InterruptedError


def test_a_stop_within_a_step_saves_nothing_that_would_not_go_on(scenes_root: Path, tmp_path: Path) -> None:
    save = {"every_n_train_steps": 2, "save_last": True, "save_on_exception": True}
    _, checkpoint = run(scenes_root, tmp_path, callbacks=[FailsInStep(3)], save=save)
    assert torch.load(checkpoint, weights_only=True)["global_step"] == 2


def test_overfit_batches_are_the_same_in_every_epoch(scenes_root: Path, tmp_path: Path) -> None:
    pictures: list[Tensor] = []

    class Watch(L.Callback):
        def on_train_batch_start(
            self, trainer: L.Trainer, module: L.LightningModule, batch: Any, _: int
        ) -> None:
            pictures.append(batch["first"].clone())

    module, _ = run(scenes_root, tmp_path, overfit_batches=2, callbacks=[Watch()])
    epochs = [[entry[1:] for entry in module.seen if entry[0] == epoch] for epoch in range(3)]
    assert [len(epoch) for epoch in epochs] == [2, 2, 2]
    assert epochs[0] == epochs[1] == epochs[2]
    for shown, again in zip(pictures[:2], pictures[2:4], strict=True):
        assert torch.equal(shown, again)  # changed in the same way, too


def test_epochs_have_different_orders_of_the_same_windows(scenes_root: Path, tmp_path: Path) -> None:
    straight, _ = run(scenes_root, tmp_path)
    epochs = [[name for epoch, names, _ in straight.seen if epoch == e for name in names] for e in range(3)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])
    assert len(set(epochs[0])) == 3 * STEPS
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


def test_resuming_in_mid_epoch_with_other_batches_is_refused(
    scenes_root: Path, tmp_path: Path, draw_scene: Any
) -> None:
    _, checkpoint = run(scenes_root, tmp_path, interrupt=3, save=EVERY_STEP)
    draw_scene(scenes_root / "train" / "owl" / "walk", seed=7)
    with pytest.raises(UserError, match="windows 15, now it is 20"):
        run(scenes_root, tmp_path, ckpt_path=checkpoint)


class Elsewhere(TorchCheckpointIO):
    """Keeps checkpoints where no file is, as remote storage does."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int]] = []

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        self.steps.append((Path(path).name, checkpoint["global_step"]))

    def remove_checkpoint(self, path: Any) -> None:
        pass


@pytest.mark.parametrize("writers", [1, 2])
@pytest.mark.parametrize("every", [3, 2])
def test_a_run_ends_without_reading_its_checkpoint(
    scenes_root: Path, tmp_path: Path, every: int, writers: int
) -> None:
    store = Elsewhere()
    others = [ModelCheckpoint(tmp_path / "others", every_n_train_steps=1) for _ in range(writers - 1)]
    save = {"every_n_train_steps": every, "save_last": True}
    run(scenes_root, tmp_path, max_steps=3, save=save, plugins=[store], callbacks=others)
    last = [step for name, step in store.steps if name == "last.ckpt"]
    assert last[-1] == 3
    assert len(last) == (1 if every == 3 and writers == 1 else 2)
