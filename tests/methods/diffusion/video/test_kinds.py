"""Every kind of video model through the method: from a folder to frames and training steps."""

import pytest
import torch
from diffusers import LTXConditionPipeline, LTXPipeline, WanVACEPipeline
from safetensors.torch import save_file

from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion import VideoSampling
from tests.methods.diffusion.video.tiny_ltx import tiny_ltx_pipeline
from tests.methods.diffusion.video.tiny_svd import tiny_svd_pipeline
from tests.methods.diffusion.video.tiny_vace import tiny_vace_pipeline
from tests.tiny import random_batch

SAMPLING = VideoSampling(steps=2)
REVERSED = VideoSampling(steps=2, time_reversal=True)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    pipelines = {
        "vace": tiny_vace_pipeline(),
        "ltx": tiny_ltx_pipeline(),
        # the class that release 0.9.5 is published as
        "ltx_as_published": tiny_ltx_pipeline(cls=LTXPipeline),
        "svd": tiny_svd_pipeline(),
    }
    found = {}
    for name, pipeline in pipelines.items():
        found[name] = tmp_path_factory.mktemp("video") / name
        pipeline.save_pretrained(found[name])
    return found


def method_of(folder, **options):
    torch.manual_seed(0)
    return FirstLastVideo(str(folder), **{"sampling": SAMPLING, "frozen_dtype": "float32", **options})


def frames_of(method, batch):
    return method.interpolate(batch["first"], batch["last"], batch["t"], generators(batch["seed"]))


@pytest.mark.parametrize(("kind", "between"), [("vace", 3), ("ltx", 7), ("ltx_as_published", 7)])
@pytest.mark.parametrize("latent_cache", [False, True])
def test_trains_and_interpolates(folders, kind, between, latent_cache, tmp_path):
    method = method_of(
        folders[kind], prompt="a cat", latent_cache=tmp_path / "clips" if latent_cache else None
    ).train()
    batch = random_batch(2, between=between)
    if latent_cache:
        batch["frame_ids"] = torch.arange(2 * (between + 2)).view(2, -1)
    trained = {name: weight for name, weight in method.named_parameters() if weight.requires_grad}
    assert trained
    assert all(".lora_" in name for name in trained)
    before = {name: weight.clone() for name, weight in trained.items()}
    frames = frames_of(method, batch)
    assert frames.shape == batch["targets"].shape
    optimizer = torch.optim.Adam(trained.values(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        method.training_loss(batch)["loss"].backward()
        optimizer.step()
    assert all(not torch.equal(weight, before[name]) for name, weight in trained.items())
    changed = frames_of(method, batch)
    assert (changed - frames).abs().max() > 1e-4
    assert torch.equal(frames_of(method, batch), changed)


def test_the_same_loss_from_the_latent_cache(folders, tmp_path):
    batch = random_batch(2, between=7)
    batch["frame_ids"] = torch.arange(18).view(2, -1)
    wanted = method_of(folders["ltx"]).train().training_loss(batch)["loss"]
    for _ in range(2):
        method = method_of(folders["ltx"], latent_cache=tmp_path / "clips").train()
        torch.testing.assert_close(method.training_loss(batch)["loss"], wanted, atol=1e-6, rtol=1e-6)
        method.on_train_epoch_end()
    assert list((tmp_path / "clips").iterdir())


def test_the_first_latent_frame_is_not_counted(folders):
    """What the loss is of: LTX is given the first frame."""
    method = method_of(folders["ltx"]).train()
    batch = random_batch(1, between=7)
    sample = method.sample_of(batch)
    loss = method.training_loss({**batch, "sample": sample})["loss"]
    sample.noise[:, :, 0] += 1
    torch.testing.assert_close(method.training_loss({**batch, "sample": sample})["loss"], loss)
    sample.noise[:, :, 1] += 1
    assert method.training_loss({**batch, "sample": sample})["loss"] != loss


@pytest.mark.parametrize("frozen_dtype", ["float32", "bfloat16"])
def test_time_reversal_interpolates(folders, frozen_dtype, monkeypatch):
    monkeypatch.setattr("inbetween.methods.diffusion.video.loading.resolve_precision", lambda name: name)
    method = method_of(folders["svd"], sampling=REVERSED, trained="none", frozen_dtype=frozen_dtype)
    batch = random_batch(2, between=2)
    frames = frames_of(method, batch)
    assert frames.shape == batch["targets"].shape
    assert frames.isfinite().all()


@pytest.mark.parametrize("kind", ["vace", "ltx"])
def test_frozen_weights_in_bfloat16(folders, kind, monkeypatch):
    batch = random_batch(1, between=7)
    wanted = method_of(folders[kind]).train().training_loss(batch)["loss"]
    monkeypatch.setattr("inbetween.methods.diffusion.video.loading.resolve_precision", lambda name: name)
    half = method_of(folders[kind], frozen_dtype="bfloat16").train()
    # LTX's pipeline decodes in the precision of the embeddings
    assert half.video_model.vae.dtype == (torch.bfloat16 if kind == "ltx" else torch.float32)
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = half.training_loss(batch)["loss"]
            loss.backward()
            frames = frames_of(half, batch)
        assert loss.dtype == frames.dtype == torch.float32
        torch.testing.assert_close(loss, wanted, atol=3e-2, rtol=3e-2)


@pytest.mark.parametrize(("kind", "pipeline"), [("vace", WanVACEPipeline), ("ltx", LTXConditionPipeline)])
def test_written_adapters_load_into_the_plain_pipeline(folders, kind, pipeline, tmp_path):
    method = method_of(folders[kind])
    (content,) = method.lora_files(method.state_dict()).values()
    save_file(content, tmp_path / "pytorch_lora_weights.safetensors", metadata={"format": "pt"})
    plain = pipeline.from_pretrained(folders[kind])
    plain.load_lora_weights(tmp_path)
    loaded = dict(plain.transformer.named_parameters())
    assert len(content) == sum(".lora_" in name for name in loaded)
    for name, weight in method.video_model.transformer.named_parameters():
        assert torch.equal(loaded[name.replace(".default.", ".default_0.")], weight), name


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("svd", {"trained": "none"}, "set sampling.time_reversal to true"),
        ("svd", {"sampling": REVERSED}, "set trained to none"),
        ("ltx", {"sampling": REVERSED}, "LTXConditionPipeline takes one: leave it out"),
    ],
)
def test_what_a_model_cannot_do(folders, kind, options, message):
    with pytest.raises(UserError, match=message):
        method_of(folders[kind], **options)
