"""DDP and FSDP2 train the adapters of one process, and resume from each other's checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from PIL import Image
from safetensors.torch import load_file

from inbetween.callbacks import EMA, LoraWriter, WeightsWriter
from inbetween.data import FolderScenes, WindowDataModule
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion import VideoSampling
from inbetween.modules.fsdp import FSDP2Strategy
from inbetween.types import StepOutput
from tests.conftest import drawing
from tests.methods.diffusion.video.tiny_ltx import tiny_ltx_pipeline
from tests.methods.diffusion.video.tiny_vace import tiny_vace_pipeline
from tests.processes import in_processes

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
LAST = 4  # steps
RUNS = [("auto", 1), ("ddp", 2), ("fsdp2", 2)]


class Keep(L.Callback):
    """Writes the in-betweens of the last validation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_validation_batch_end(
        self, trainer: L.Trainer, _: L.LightningModule, outputs: StepOutput, batch: Any, *__: object
    ) -> None:
        if trainer.global_step == LAST:
            for index, frames in zip(batch["index"].tolist(), outputs["frames"], strict=True):
                torch.save(frames, self.folder / f"{index}.pt")


def run(
    folder: Path, model: Path, scenes: Path, strategy: str, devices: int, steps: int, resumed: Path | None
) -> None:
    torch.manual_seed(0)
    half = folder.name.startswith("half")
    method = FirstLastVideo(
        str(model),
        frozen_dtype="bfloat16" if half else "float32",
        latent_cache=scenes / "latents",
        prompt_cache=scenes / "prompts",
        lora_rank=3,
        schedule="constant",
        # Adam would make rounding errors of weights that matter little as large as its steps
        optimizer=lambda weights: torch.optim.SGD(weights, lr=5.0, momentum=0.9),
        sampling=VideoSampling(steps=1),
    )
    data = WindowDataModule(
        FolderScenes(scenes),
        **{
            "between": 7 if model.name == "ltx" else 3,
            "stride": 4,
            "size": 32,
            "batch_size": 4,
            "num_workers": 0,
        },
        val_windows=3,  # two of one process and one of the other
        cache_dir=scenes / "frames",
    )
    trainer = L.Trainer(
        accelerator="cpu",
        devices=devices,
        strategy=FSDP2Strategy() if strategy == "fsdp2" else strategy,
        precision="bf16-mixed" if half else "32-true",
        max_steps=steps,
        val_check_interval=1,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=1,
        gradient_clip_val=0.1,
        logger=CSVLogger(folder, "", ""),
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            EMA(0.5),
            LoraWriter(),
            WeightsWriter(),
            ModelCheckpoint(folder, "last", every_n_train_steps=steps),
            Keep(folder),
        ],
    )
    trainer.fit(method, datamodule=data, ckpt_path=resumed)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, wan_folder: Path, wan_folder_2: Path
) -> Callable[..., Path]:
    """The folder of a run, which is run once for all tests."""
    scenes, root = tmp_path_factory.mktemp("scenes"), tmp_path_factory.mktemp("runs")
    for place, name in enumerate(["train/cat", "train/dog", "train/hen", "val/fox", "val/owl"]):
        (scenes / name / "walk").mkdir(parents=True)
        for number in range(13):
            image = Image.fromarray(drawing(number, seed=place))
            image.save(scenes / name / "walk" / f"{number}.png")
    models = {"flf2v": wan_folder, "half": wan_folder, "a14b": wan_folder_2}
    for name, pipeline in (("vace", tiny_vace_pipeline), ("ltx", tiny_ltx_pipeline)):
        models[name] = root / "models" / name
        pipeline().save_pretrained(models[name])

    def get(model: str, strategy: str, devices: int, steps: int = LAST, resumed: Path | None = None) -> Path:
        begun = f"from-{resumed.name}" if resumed else ""
        folder = root / f"{model}-{strategy}{devices}-{steps}{begun}"
        if not folder.exists():
            folder.mkdir()
            checkpoint = resumed / "last.ckpt" if resumed else None
            in_processes(devices, run, folder, models[model], scenes, strategy, devices, steps, checkpoint)
        return folder

    return get


def same(found: Path, expected: Path) -> None:
    """Checkpoints, written weights, and in-betweens are equal up to rounding."""
    parts = []
    for folder in (found, expected):
        saved = torch.load(folder / "last.ckpt", weights_only=True)
        weights = dict(saved["state_dict"]), saved["callbacks"]["EMA"]
        files = {str(path.relative_to(folder)): load_file(path) for path in folder.rglob("*.safetensors")}
        frames = {path.name: torch.load(path) for path in folder.glob("*.pt")}
        parts.append((*weights, saved["optimizer_states"][0]["state"], files, frames))
    for one, other in zip(*parts, strict=True):
        assert one
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize(
    "model",
    ["flf2v", *(pytest.param(name, marks=pytest.mark.slow) for name in ("a14b", "vace", "ltx"))],
)
@pytest.mark.parametrize(("strategy", "devices"), RUNS[1:])
def test_processes_train_what_one_trains(
    trained: Callable[..., Path], model: str, strategy: str, devices: int
) -> None:
    one, many = trained(model, "auto", 1), trained(model, strategy, devices)
    same(many, one)
    first = torch.load(one / "last.ckpt", weights_only=True)["state_dict"]
    start = trained(model, "auto", 1, 1)
    before = torch.load(start / "last.ckpt", weights_only=True)["state_dict"]
    assert max((first[name] - before[name]).abs().max() for name in first) > 1e-2
    assert len(list(many.glob("*.pt"))) == 3
    assert (many / "lora/pytorch_lora_weights.safetensors").exists()


@pytest.mark.slow
def test_frozen_weights_in_bfloat16_beside_adapters_in_float32(trained: Callable[..., Path]) -> None:
    """With the batches of two processes: those of one are rounded otherwise."""
    same(trained("half", "fsdp2", 2), trained("half", "ddp", 2))


@pytest.mark.slow  # with the adapters alone in `tests/modules/test_fsdp.py`
@pytest.mark.parametrize(("source", "target"), [(a, b) for a in RUNS for b in RUNS if a != b])
def test_any_number_of_processes_resumes(
    trained: Callable[..., Path], source: tuple[str, int], target: tuple[str, int]
) -> None:
    resumed = trained("flf2v", *target, LAST, trained("flf2v", *source, 2))
    same(resumed, trained("flf2v", "auto", 1))
