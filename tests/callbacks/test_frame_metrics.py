"""Figures in the log."""

import math
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from safetensors.torch import save_file

from inbetween.callbacks import FrameMetrics
from inbetween.errors import UserError
from inbetween.metrics.feature_network import SHAPES
from tests.callbacks.toy_model import ToyModel, loader

PIXELS = {"ssim", "psnr", "warping_error", "line_chamfer_distance"}


@pytest.mark.usefixtures("no_alexnet")
@pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
class TestWithoutFeatureNetwork:
    def test_figures_of_validation_and_test(self, make_trainer: Callable[..., L.Trainer]) -> None:
        trainer = make_trainer(FrameMetrics())
        [val] = trainer.validate(ToyModel(sampled=2), loader(5), verbose=False)
        assert set(val) == {f"val/{name}" for name in (*PIXELS, "windows")}
        assert val["val/windows"] == 4
        # every pixel of the picture is 0.1 too dark; padding does not count
        assert val["val/psnr"] == pytest.approx(20, abs=0.01)
        assert val["val/line_chamfer_distance"] == 0

        [test] = trainer.test(ToyModel(sampled=2), loader(5), verbose=False)
        assert set(test) == {f"test/{name}" for name in (*PIXELS, "windows")}
        assert test["test/windows"] == 5

    def test_nothing_drawn_is_nothing_logged(self, make_trainer: Callable[..., L.Trainer]) -> None:
        [val] = make_trainer(FrameMetrics()).validate(ToyModel(sampled=0), loader(2), verbose=False)
        assert val == {}

    def test_epochs_do_not_mix_and_the_sanity_check_does_not_count(
        self, make_trainer: Callable[..., L.Trainer], tmp_path: Path
    ) -> None:
        class Better(ToyModel):
            def validation_step(self, batch, batch_idx):  # type: ignore[no-untyped-def]
                assert not (self.trainer.sanity_checking and self.trainer.callback_metrics)
                output = super().validation_step(batch, batch_idx)
                return {**output, "frames": output["frames"] + 0.05 * self.current_epoch}

        seen = []

        class Watch(L.Callback):
            def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
                if not trainer.sanity_checking:
                    seen.append({name: float(value) for name, value in trainer.callback_metrics.items()})

        best = ModelCheckpoint(tmp_path / "best", monitor="val/psnr", mode="max", filename="best")
        trainer = make_trainer(
            FrameMetrics(), Watch(), best, max_epochs=2, num_sanity_val_steps=1, enable_checkpointing=True
        )
        trainer.fit(Better(), loader(4), loader(3))
        assert [metrics["val/psnr"] for metrics in seen] == pytest.approx(
            [20, -20 * math.log10(0.05)], abs=0.01
        )
        assert [metrics["val/windows"] for metrics in seen] == [3, 3]
        assert float(best.best_model_score) == pytest.approx(seen[1]["val/psnr"])
        checkpoint = torch.load(best.best_model_path, weights_only=True)
        assert set(checkpoint["state_dict"]) == {"weight"}


def test_with_a_backbone_lpips_is_logged_and_stays_out_of_checkpoints(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    path = tmp_path / "alexnet.safetensors"
    save_file({name: torch.randn(s, generator=generator) / 50 for name, s in SHAPES.items()}, path)
    model = ToyModel()
    trainer = make_trainer(FrameMetrics(path), max_epochs=1, limit_train_batches=1, num_sanity_val_steps=0)
    trainer.fit(model, loader(2), loader(2))
    logged = {name.removeprefix("val/") for name in trainer.callback_metrics if name.startswith("val/")}
    assert logged == PIXELS | {"lpips", "temporal_coherence", "temporal_coherence_gap", "windows"}
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert (tmp_path / "last.ckpt").stat().st_size < 20_000


def test_a_backbone_that_does_not_exist_stops_the_run(make_trainer: Callable[..., L.Trainer]) -> None:
    with pytest.raises(UserError, match="no LPIPS network"):
        make_trainer(FrameMetrics(Path("nowhere.safetensors"))).validate(ToyModel(), loader(2))


def test_what_another_callback_logs_may_be_watched(
    make_trainer: Callable[..., L.Trainer], tmp_path: Path
) -> None:
    class Beauty(L.Callback):
        def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            if not trainer.sanity_checking:
                pl_module.log("val/beauty", 1.0)

    best = ModelCheckpoint(tmp_path / "best", monitor="val/beauty")
    trainer = make_trainer(
        FrameMetrics(), Beauty(), best, max_epochs=1, num_sanity_val_steps=1, enable_checkpointing=True
    )
    trainer.fit(ToyModel(), loader(2), loader(2))
    assert float(best.best_model_score) == 1


@pytest.mark.usefixtures("no_alexnet")
def test_lpips_cannot_be_watched_without_its_weights(make_trainer: Callable[..., L.Trainer]) -> None:
    trainer = make_trainer(FrameMetrics(), EarlyStopping("val/lpips"), max_epochs=1)
    with pytest.raises(UserError, match="EarlyStopping monitors val/lpips, which is not measured"):
        trainer.fit(ToyModel(), loader(2), loader(2))
