"""Commands on a GPU: every method trains, runs resume, and figures are a processor's."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from lightning.fabric.utilities import move_data_to_device

from inbetween.metrics import frame_metrics
from tests.cli.conftest import Run, write_yaml
from tests.cli.test_configs import CONTENT
from tests.tiny import random_batch

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore")]
TRAINED = sorted(
    name
    for name, keys in CONTENT.items()
    if "optimizer" in keys.get("model", {}).get("init_args", {})
    and "data" in keys
    and "class_path" in keys["model"]
)


@pytest.fixture
def on_gpu(tmp_path: Path, tiny: list[str], gpu: torch.device) -> list[str]:
    """The overlay for all methods, on the device under test, with two data workers."""
    overlay = {
        "data": {"num_workers": 2, "size": 64},
        "trainer": {
            "accelerator": gpu.type,
            "max_steps": 4,
            "val_check_interval": 2,
            "precision": "bf16-mixed",
        },
    }
    return [*tiny, "--config", str(write_yaml(tmp_path / "gpu.yaml", overlay))]


def weights(folder: str) -> dict[str, torch.Tensor]:
    (path,) = Path(folder).rglob("last.ckpt")
    saved: dict[str, torch.Tensor] = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    return saved


@pytest.mark.parametrize("name", TRAINED)
def test_it_trains(name: str, run: Run, tmp_path: Path, on_gpu: list[str]) -> None:
    method = "--model.init_args.perceptual_weight"
    run("fit", "--config", name, *on_gpu, method, "0", "--trainer.logger.init_args.version", "a")
    assert all(value.isfinite().all() for value in weights("logs").values() if value.is_floating_point())
    shutil.rmtree("checkpoints", ignore_errors=True)  # where trainings of a backbone put it
    (config,) = Path("logs").rglob("config.yaml")
    bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    expected = "bf16-mixed" if bfloat16 else None
    assert expected is None or yaml.safe_load(config.read_text())["trainer"]["precision"] == expected


def test_a_run_goes_on_where_it_stopped(run: Run, exp1: list[str], on_gpu: list[str]) -> None:
    version = "--trainer.logger.init_args.version"
    constant = ["--model.init_args.schedule", "constant", "--trainer.precision", "32-true"]
    call = ["fit", *exp1, *on_gpu, *constant]
    run(*call, version, "whole")
    run(*call, version, "begun", "--trainer.max_steps", "2")
    (begun,) = Path("logs/exp1/begun").rglob("last.ckpt")
    run(*call, version, "ended", "--ckpt_path", str(begun))
    whole, ended = weights("logs/exp1/whole"), weights("logs/exp1/ended")
    assert whole.keys() == ended.keys()
    for name, value in whole.items():
        torch.testing.assert_close(ended[name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_figures_are_those_of_a_processor(gpu: torch.device) -> None:
    found = []
    for device in (torch.device("cpu"), gpu):
        batch = move_data_to_device(random_batch(3, height=64, width=64), device)
        metrics = frame_metrics(None).to(device)
        metrics.update(batch["targets"] * 0.9, batch)
        found.append({name: float(value) for name, value in metrics.compute().items()})
    assert found[1] == pytest.approx(found[0], rel=1e-3, abs=1e-5)


def test_compare_and_interpolate(
    run: Run, tiny: list[str], tmp_path: Path, gpu: torch.device, draw_scene
) -> None:
    methods = ["dis.yaml", "spacing_flow.yaml=spacing_flow/weights.safetensors"]
    device = ["--accelerator", gpu.type]
    data = [
        "--data.source",
        "inbetween.data.SyntheticAnimation",
        "--data.size",
        "64",
        "--data.val_windows",
        "2",
    ]
    run("compare", "--methods", *methods, *data, *device, "--output", "logs/compare")
    assert len(Path("logs/compare/windows.csv").read_text().splitlines()) == 1 + 2 * 4
    keyframes = draw_scene(tmp_path / "keys", [0, 4], 96, 128)
    run("interpolate", "--keyframes", *keyframes, "--between", "3", *device, "--output", "logs/drawn")
    assert len(list(Path("logs/drawn").glob("[0-9]*.png"))) == 5
