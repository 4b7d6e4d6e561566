"""Clips and captions are encoded before training, once, and training runs the denoiser alone."""

import logging
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import cv2
import lightning as L
import pytest
import torch
from diffusers import AutoencoderKLWan
from lightning.fabric.utilities import move_data_to_device
from torch import nn
from torch.utils.data import default_collate
from transformers import UMT5EncoderModel

from inbetween.data import Augment, FolderScenes, WindowDataModule
from inbetween.data.windows import SceneWindows
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion.video import filling
from inbetween.methods.diffusion.video.encoders import Encoders
from inbetween.methods.diffusion.video.model import VideoModel
from inbetween.methods.diffusion.video.training_clip import CachedClip
from tests.processes import in_processes
from tests.tiny_video import write_tiny_wan

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning")]
STEPS = 3


class Count(L.Callback):
    """Counts the clips that go through the autoencoder, before training and in it."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.now = "before"
        self.losses: list[float] = []

    def on_sanity_check_start(self, *_: object) -> None:
        self.now = "training"

    def on_train_start(self, *_: object) -> None:
        self.now = "training"

    def on_train_batch_end(self, trainer: L.Trainer, *_: object) -> None:
        self.losses.append(float(trainer.callback_metrics["train/loss"]))


@pytest.fixture
def fit(
    wan_folder: Path, scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Count]]:
    """Trains for three steps, and tells what was encoded."""
    encode, count = AutoencoderKLWan.encode, Count()

    def counted(self: AutoencoderKLWan, images: torch.Tensor, *given: Any, **options: Any) -> Any:
        count.seen[count.now] += len(images)
        return encode(self, images, *given, **options)

    monkeypatch.setattr(AutoencoderKLWan, "encode", counted)

    def run(
        cached: bool = True,
        folder: Path = wan_folder,
        devices: int = 1,
        trainer: dict[str, Any] | None = None,
        **options: Any,
    ) -> Count:
        count.__init__()
        torch.manual_seed(0)
        method = FirstLastVideo(
            str(folder),
            latent_cache=tmp_path / "latents" if cached else None,
            frozen_dtype="float32",
            sampled_batches=0,
            schedule="constant",
        )
        settings = {"between": 3, "stride": 4, "size": 32, "batch_size": 2, "augment": Augment(0, 0.5, 1, 0)}
        data = WindowDataModule(FolderScenes(scenes_root), **{**settings, **options})
        runner = L.Trainer(
            **(trainer or {}),
            accelerator="cpu",
            devices=devices,
            strategy="ddp" if devices > 1 else "auto",
            max_steps=STEPS,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[count],
        )
        runner.fit(method, datamodule=data)
        return count

    return run


def test_training_encodes_nothing(fit: Callable[..., Count]) -> None:
    without = fit(cached=False)
    # of training, and of validation before and after it; each with its clip and its condition
    assert without.seen == {"training": 2 * (2 * STEPS + 2 + 2)}
    losses = list(without.losses)
    first = fit()
    # the windows of training are encoded backwards as well
    assert first.seen == {"before": 2 * (2 * 6 + 2)}
    assert first.losses == pytest.approx(losses, rel=1e-5)
    again = fit()
    assert again.seen == {}
    assert again.losses == pytest.approx(losses, rel=1e-5)


@pytest.mark.slow  # trains three times
def test_what_changed_is_encoded_again(fit: Callable[..., Count], scenes_root: Path, tmp_path: Path) -> None:
    fit()
    drawing = sorted((scenes_root / "train/cat/walk").glob("*"))[0]
    image = cv2.imread(str(drawing))
    image[:2] = 0
    assert cv2.imwrite(str(drawing), image)
    assert fit().seen == {"before": 2 * 2}  # the one window that begins with it, both ways
    other = write_tiny_wan(tmp_path / "other")
    changed = AutoencoderKLWan.from_pretrained(other / "vae")
    next(changed.parameters()).data += 0.1
    changed.save_pretrained(other / "vae")
    assert fit(folder=other).seen == {"before": 2 * (2 * 6 + 2)}


def test_only_windows_that_are_read_are_encoded(fit: Callable[..., Count]) -> None:
    # of three windows of training one step of batch 1 each
    assert fit(batch_size=1, stride=1, augment=None, val_windows=1).seen["before"] == 2 * (STEPS + 1)


@pytest.mark.parametrize("limits", [{"limit_train_batches": 1}, {"overfit_batches": 1}])
def test_windows_of_short_epochs_are_encoded_before_training(
    fit: Callable[..., Count], limits: dict[str, Any]
) -> None:
    seen = fit(trainer=limits, batch_size=1, stride=1, augment=None, val_windows=1).seen
    assert set(seen) == {"before"}
    assert seen["before"] <= 2 * (STEPS + 1)


def test_frames_that_change_are_encoded_in_every_step(
    fit: Callable[..., Count], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert fit(augment=Augment(0.5, 0, 1, 0)).seen["training"] == 2 * 2 * STEPS
    assert "Clips are not cached but encoded in every step" in caplog.text


def test_each_process_encodes_its_share(fit: Callable[..., Count], tmp_path: Path) -> None:
    def run() -> None:
        count = fit(devices=2)
        Path(tmp_path, f"{count.seen['before']}-{torch.distributed.get_rank()}").touch()
        assert count.seen["training"] == 0

    in_processes(2, run)
    assert {path.name for path in tmp_path.glob("*-?")} == {"14-0", "14-1"}


def test_captions_are_embedded_by_a_text_encoder_that_is_loaded_once(
    fit: Callable[..., Count], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, loaded = ["a cat walks", "a dog"], []
    read, load = SceneWindows.__getitem__, UMT5EncoderModel.from_pretrained

    def with_caption(self: SceneWindows, key: tuple[int, int]) -> Any:
        return {**read(self, key), "caption": texts[key[1] % 2]}

    def noted(*given: Any, **options: Any) -> nn.Module:
        loaded.append(given)
        return load(*given, **options)

    monkeypatch.setattr(SceneWindows, "__getitem__", with_caption)
    monkeypatch.setattr(SceneWindows, "captions", lambda _: texts)
    monkeypatch.setattr(UMT5EncoderModel, "from_pretrained", noted)
    fit()
    assert len(loaded) == 2  # for `prompt`, before anything is written, and for the captions
    fit()
    assert len(loaded) == 2


def test_cached_clips_travel_as_they_are() -> None:
    """Lightning looks at each byte of bytes, and at each item of a list."""
    content = {"latents": torch.zeros(16, 21, 60, 104)}
    batch: Any = default_collate([(CachedClip(f"k{number}", content),) for number in range(2)])
    start = time.perf_counter()
    ((first, second),) = move_data_to_device(pickle.loads(pickle.dumps(batch)), torch.device("cpu"))
    assert time.perf_counter() - start < 1
    assert (first, second) == ("k0", "k1")
    assert second.tensors["latents"].shape == (16, 21, 60, 104)


class Model(nn.Module):
    """What `Encoders` knows of a video model."""

    def __init__(self) -> None:
        super().__init__()
        self.vae, self.transformer = nn.BatchNorm1d(2), nn.Linear(2, 2)

    @property
    def denoisers(self) -> dict[str, nn.Module]:
        return {"transformer": self.transformer}


def test_encoders_rest_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    encoders, moved = Encoders(cast(VideoModel, nn.Module())), []
    monkeypatch.setattr(encoders, "_move", lambda device: moved.append(device.type))
    encoders.start_to_rest()
    with pytest.raises(ValueError, match="no clip"), encoders.at_work(torch.device("cuda")):
        raise ValueError("no clip")
    assert moved == ["cpu", "cuda", "cpu"]


@pytest.mark.gpu
def test_encoders_are_on_the_gpu_only_at_work(gpu: torch.device) -> None:
    device, model = gpu, Model().to(gpu)
    encoders = Encoders(cast(VideoModel, model))
    with encoders.at_work(device):
        assert model.vae.weight.device.type == device.type
    assert model.vae.weight.device.type == device.type
    for _ in range(2):
        encoders.start_to_rest()
        assert model.vae.weight.device.type == "cpu"
        # DDP sends buffers from GPU to GPU
        assert model.vae.running_mean.device.type == model.transformer.weight.device.type == device.type
        with torch.inference_mode(), encoders.at_work(device):
            assert model.vae.weight.device.type == device.type
        assert model.vae.weight.device.type == "cpu"
        assert not model.vae.weight.is_inference()
    encoders.stop_resting()
    with encoders.at_work(device):
        assert model.vae.weight.device.type == "cpu"


def test_the_progress_bar_counts_clips(fit: Callable[..., Count], monkeypatch: pytest.MonkeyPatch) -> None:
    bars = []

    class Bar(filling.tqdm):  # type: ignore[misc]  # tqdm has no types
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **{**options, "disable": False})
            bars.append(self)

    monkeypatch.setattr(filling, "tqdm", Bar)
    fit()
    assert [bar.n for bar in bars] == [bar.total for bar in bars]
    assert sum(bar.total for bar in bars)
