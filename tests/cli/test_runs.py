"""fit, validate, test and predict from YAML to files, on synthetic animation and a tiny backbone."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from inbetween.methods import Repeat, TemporalEncodingDiffusion
from inbetween.methods.diffusion import Backbone
from inbetween.methods.loading import placed
from inbetween.weights import precision
from tests.cli.conftest import Run, write_yaml

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
METRICS = ["val/line_chamfer_distance", "val/psnr", "val/ssim", "val/warping_error", "val/windows"]


def events(folder: Path) -> EventAccumulator:
    """What TensorBoard shows of a run."""
    found = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    found.Reload()
    return found


def last_metrics(found: EventAccumulator, stage: str) -> dict[str, float]:
    """The last value of each scalar of a stage, without the stage's name."""
    tags = [tag for tag in found.Tags()["scalars"] if tag.startswith(f"{stage}/")]
    return {tag.partition("/")[2]: found.Scalars(tag)[-1].value for tag in tags}


def test_fit_then_test_gives_the_last_validation_again(
    run: Run, exp1: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run("fit", *exp1)
    folder = Path("logs/exp1/version_0")
    checkpoint = folder / "checkpoints/last.ckpt"
    assert checkpoint.is_file()
    assert (folder / "config.yaml").is_file()
    assert f"checkpoint: {checkpoint}\n" in capsys.readouterr().out

    board = events(folder)
    scalars = board.Tags()["scalars"]
    assert set(METRICS) | {"val/loss"} <= set(scalars)
    assert [event.step for event in board.Scalars("train/loss")] == [0, 1, 2, 3]
    assert [event.step for event in board.Scalars("val/ssim")] == [1, 3]
    assert board.Scalars("val/windows")[-1].value == 3
    pictures = board.Images("samples/val")
    assert [picture.step for picture in pictures] == [2, 4]
    assert pictures[0].width > 4 * 32  # first, two drawings, last
    assert pictures[0].encoded_image_string != pictures[1].encoded_image_string

    run("test", *exp1, "--ckpt_path", checkpoint, "--data.test_split", "val")
    again = last_metrics(events(Path("logs/exp1/version_1")), "test")
    assert again == last_metrics(board, "val")


def test_a_run_without_a_logger_leaves_nothing(run: Run, tiny: list[str]) -> None:
    before = set(Path().iterdir())
    run("validate", "--config", "repeat.yaml", *tiny, "--trainer.logger", "false")
    assert set(Path().iterdir()) == before


@pytest.mark.slow
@pytest.mark.parametrize("config", ["backbone/train_autoencoder.yaml", "spacing_flow.yaml"])
def test_training_from_nothing_goes_on(run: Run, tiny: list[str], config: str, tmp_path: Path) -> None:
    """The checkpoint's hyperparameters are read as part of the config: they must fit into it."""
    model: dict[str, object] = {"perceptual_weight": 0.0, "crop": 16}
    if config != "spacing_flow.yaml":
        model |= {"channels": 8, "latent_channels": 4, "encoder_blocks": [0, 1], "decoder_blocks": [1, 1]}
    writer = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint", "init_args": {"save_last": True}}
    trainer = {"callbacks": [writer], "logger": {"init_args": {"name": "run"}}, "val_check_interval": 1}
    overlay = write_yaml(tmp_path / "overlay.yaml", {"model": {"init_args": model}, "trainer": trainer})
    options = ["fit", "--config", config, *tiny, "--config", str(overlay), "--trainer.max_steps"]
    run(*options, "1")
    run(*options, "2", "--ckpt_path", "logs/run/version_0/checkpoints/last.ckpt")
    saved = torch.load("logs/run/version_1/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 2
    assert saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["processed"] == 2


@pytest.mark.slow
def test_loss_falls(run: Run, exp1: list[str], folder_data: list[str]) -> None:
    options = ["--model.init_args.trained", "all", "--model.init_args.optimizer.init_args.lr", "0.005"]
    run(
        "fit",
        *exp1,
        *folder_data,
        *options,
        "--trainer.max_steps",
        "40",
        "--trainer.val_check_interval",
        "20",
    )
    board = events(Path("logs/exp1/version_0"))
    train = [event.value for event in board.Scalars("train/loss")]
    assert sum(train[-6:]) < 0.9 * sum(train[:6])
    # The same windows, timesteps and noise each time.
    first, last = (event.value for event in board.Scalars("val/loss"))
    assert last < first


def test_bf16_as_shipped_leaves_whole_weights_and_small_ones_to_draw_with(run: Run, exp1: list[str]) -> None:
    run("fit", *exp1, "--trainer.precision", "bf16-mixed", "--trainer.max_steps", "2")
    saved = torch.load("logs/exp1/version_0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert {tensor.dtype for tensor in saved.values()} == {torch.float32}
    path = Path("logs/exp1/version_0/weights.safetensors")
    weights = load_file(path)
    # others may read what they may read of the log beside it
    assert path.stat().st_mode == path.with_name("config.yaml").stat().st_mode
    assert {name: tensor.dtype for name, tensor in weights.items()} == dict.fromkeys(saved, torch.float16)
    for name, tensor in weights.items():
        torch.testing.assert_close(tensor.float(), saved[name], rtol=1e-3, atol=1e-6)
    run("validate", *exp1, "--trainer.precision", "bf16-mixed", "--ckpt_path", path)
    metrics = [last_metrics(events(Path(f"logs/exp1/version_{run}")), "val") for run in (0, 1)]
    assert metrics[0] == pytest.approx(metrics[1], rel=0.02)


@pytest.mark.parametrize("pays", [False, True])
def test_bf16_only_where_it_is_faster(
    run: Run, tiny: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pays: bool
) -> None:
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pays)
    used: list[str] = []
    monkeypatch.setattr(Repeat, "on_validation_start", lambda self: used.append(self.trainer.precision))
    with caplog.at_level("INFO"):
        run("validate", "--config", "repeat.yaml", *tiny, "--trainer.precision", "bf16-mixed")
    assert used == ["bf16-mixed" if pays else "32-true"]
    assert ("using float32 (32-true)" in caplog.text) is not pays
    # a run that goes on from it, on whatever machine, computes alike
    assert f"precision: {used[0]}" in Path("logs/repeat/version_0/config.yaml").read_text()


@pytest.mark.parametrize("pays", [False, True])
def test_the_config_says_how_frozen_weights_were_kept(
    run: Run, exp1: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, pays: bool
) -> None:
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: pays)
    frozen = ("--model.init_args.backbone.init_args.frozen_dtype", "bfloat16")
    with caplog.at_level("INFO"):
        run("validate", *exp1, *frozen)
    config = Path("logs/exp1/version_0/config.yaml").read_text()
    assert f"frozen_dtype: {'bfloat16' if pays else 'float32'}" in config
    assert ("using float32 (32-true)" in caplog.text) is not pays


def test_frozen_weights_are_kept_for_the_runs_device_and_not_for_another_one(
    run: Run, exp1: list[str], backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "bfloat16_pays", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("xpu"))
    kept: list[torch.dtype] = []
    note = lambda self: kept.append(self.backbone.frozen_dtype)  # noqa: E731
    monkeypatch.setattr(TemporalEncodingDiffusion, "on_validation_start", note)
    frozen = ("--model.init_args.backbone.init_args.frozen_dtype", "bfloat16")
    run("validate", *exp1, *frozen, "--trainer.accelerator", "cpu")
    assert kept == [torch.float32]
    method = TemporalEncodingDiffusion(Backbone(str(backbone), frozen_dtype="bfloat16"))
    assert method.backbone.frozen_dtype == torch.bfloat16
    assert placed(method, torch.device("cpu")) is method
    assert method.backbone.frozen_dtype == method.backbone.vae.encoder.conv_in.weight.dtype == torch.float32
    assert "frozen_dtype: float32" in Path("logs/exp1/version_0/config.yaml").read_text()


@pytest.mark.parametrize("name", ["repeat", "cross_fade", "optical_flow", "dis"])
def test_validate_a_method_without_weights(run: Run, tiny: list[str], name: str) -> None:
    run("validate", "--config", f"{name}.yaml", *tiny)
    board = events(Path(f"logs/{name}/version_0"))
    assert [tag for tag in sorted(board.Tags()["scalars"]) if "/" in tag] == METRICS
    assert board.Scalars("val/windows")[-1].value == 3
    assert board.Scalars("val/ssim")[-1].value < 1
    assert len(board.Images("samples/val")) == 1


def test_predict_writes_each_window_as_pngs(
    run: Run, exp1: list[str], folder_data: list[str], tmp_path: Path
) -> None:
    writer = tmp_path / "writer.yaml"
    writer.write_text(
        "trainer:\n  callbacks+:\n    - class_path: inbetween.callbacks.PredictionWriter\n"
        f"      init_args:\n        directory: {tmp_path / 'out'}\n"
    )
    run("predict", *exp1, *folder_data, "--config", writer, "--data.test_split", "val")
    clips = sorted(path.parent for path in (tmp_path / "out").rglob("0000.png"))
    assert len(clips) == 3  # 9 drawings: windows of 4 from drawings 1, 3 and 5
    for clip in clips:
        names = sorted(path.name for path in clip.iterdir())
        assert names == ["0000.png", "0001.png", "0002.png", "0003.png"]
        with Image.open(clip / "0001.png") as picture:
            assert picture.size == (32, 24)  # 64x48 scaled to 32, without padding
    for events_file in Path("logs").rglob("*.ckpt"):
        pytest.fail(f"predict wrote {events_file}")
