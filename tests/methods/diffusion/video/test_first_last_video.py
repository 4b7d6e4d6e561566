"""The method: its loss, what it trains, its latent cache, and its frames."""

import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.io.frames import to_bytes
from inbetween.methods import FirstLastVideo
from inbetween.methods.diffusion import VideoSampling
from inbetween.methods.diffusion.video.model import ClipRequest
from inbetween.types import WindowBatch
from tests.methods.diffusion.video.tiny_method import excite, method_of
from tests.tiny import random_batch
from tests.tiny_video import tiny_wan


def test_the_loss_is_that_of_flow_matching(wan_folder: Path) -> None:
    """Written from the paper (arXiv 2210.02747, the path of 2403.03206), on the plain pipeline's modules."""
    method, pipeline, batch = method_of(wan_folder).train(), tiny_wan(), random_batch(2)
    sample = method.sample_of(batch)
    losses = []
    for row in range(2):
        clip = torch.cat([batch["first"][row, None], batch["targets"][row], batch["last"][row, None]])
        noise = sample.noise[row]
        # the uniform number's quantile of the standard normal distribution, by bisection
        low, high, u = -9.0, 9.0, float(sample.uniform[row])
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if (1 + math.erf(middle / 2**0.5)) / 2 < u else (low, middle)
        s = 1 / (1 + math.exp(-low))
        s = 3 * s / (1 + 2 * s)
        with torch.no_grad():
            x = pipeline.vae.encode((clip * 2 - 1).permute(1, 0, 2, 3)[None]).latent_dist.mode()
            mean = torch.tensor(pipeline.vae.config.latents_mean).view(1, -1, 1, 1, 1)
            std = torch.tensor(pipeline.vae.config.latents_std).view(1, -1, 1, 1, 1)
            x = (x - mean) / std
            first, last = (clip[None, place] * 2 - 1 for place in (0, -1))
            shape = {"height": 32, "width": 32, "num_frames": 5, "dtype": torch.float32, "device": "cpu"}
            _, condition = pipeline.prepare_latents(first, 1, 16, last_image=last, **shape)
            pictures = [Image.fromarray(to_bytes(frame)) for frame in clip[[0, -1]]]
            text, _ = pipeline.encode_prompt("a cat", max_sequence_length=512)
            output = pipeline.transformer(
                torch.cat([(1 - s) * x + s * noise, condition], 1),
                torch.tensor([1000 * s]),
                text,
                pipeline.encode_image(pictures),
            ).sample
        losses.append((output - (noise - x)).square().mean())
    torch.testing.assert_close(
        method.training_loss(batch)["loss"], torch.stack(losses).mean(), atol=1e-5, rtol=1e-5
    )


def test_its_random_numbers_are_the_windows_own(wan_folder: Path) -> None:
    method, batch = method_of(wan_folder).train(), random_batch(3)
    together = method.sample_of(batch)
    alone = method.sample_of({name: value[1:2] for name, value in batch.items()})
    assert torch.equal(together.noise[1], alone.noise[0])
    assert torch.equal(together.uniform[1], alone.uniform[0])
    assert not torch.equal(together.noise[0], together.noise[1])


@torch.no_grad()
def loss_of_the_same(method: FirstLastVideo, batch: WindowBatch) -> float:
    return float(method.eval().training_loss(batch)["loss"])


def test_the_loss_falls_on_four_windows(either_folder: Path) -> None:
    method = method_of(either_folder, lora_rank=16).train()
    batch = random_batch(4)
    optimizer = torch.optim.AdamW([weight for weight in method.parameters() if weight.requires_grad], lr=3e-2)
    sample = method.sample_of(batch)
    before = loss_of_the_same(method, {**batch, "sample": sample})
    method.train()
    for step in range(60):
        # noise of its own in each step
        seeds = {**batch, "seed": batch["seed"] + 1000 * (step + 1)}
        optimizer.zero_grad()
        method.training_loss(seeds)["loss"].backward()
        optimizer.step()
    after = loss_of_the_same(method, {**batch, "sample": sample})
    assert after < 0.9 * before, (before, after)


def test_only_adapters_are_trained_in_float32(either_folder: Path) -> None:
    method = method_of(either_folder).train()
    method.training_loss(random_batch(1))["loss"].backward()
    for name, weight in method.named_parameters():
        assert weight.requires_grad == (".lora_" in name), name
        assert (weight.grad is not None) == weight.requires_grad, name
        assert weight.dtype == torch.float32 or not weight.requires_grad, name
    assert set(method.state_dict()) == {
        name for name, weight in method.named_parameters() if weight.requires_grad
    }


def test_one_of_two_denoisers_learns_in_a_step(wan_folder_2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = method_of(wan_folder_2).train()
    excite(method)
    seen = set()
    for step in range(6):
        monkeypatch.setattr(FirstLastVideo, "global_step", step)
        method.zero_grad()
        method.training_loss(random_batch(1))["loss"].backward()
        moved = {
            name.split(".")[1]
            for name, weight in method.named_parameters()
            if weight.grad is not None and weight.grad.any()
        }
        assert len(moved) == 1
        seen |= moved
    assert seen == {"transformer", "transformer_2"}


def test_a_step_moves_one_of_two_denoisers(wan_folder_2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the other, neither by the momentum of its steps before nor by weight decay."""
    method = method_of(wan_folder_2).train()
    excite(method)
    trained = {name: weight for name, weight in method.named_parameters() if weight.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=0.01, weight_decay=0.1)
    turns = []
    for step in range(12):
        monkeypatch.setattr(FirstLastVideo, "global_step", step)
        before = {name: weight.clone() for name, weight in trained.items()}
        optimizer.zero_grad()
        method.training_loss(random_batch(1))["loss"].backward()
        method.on_before_optimizer_step(optimizer)
        optimizer.step()
        (turn,) = {
            name.split(".")[1] for name, weight in trained.items() if not torch.equal(weight, before[name])
        }
        turns.append(turn)
    assert turns == [method.video_model.stage_at(step) for step in range(12)]
    assert len(set(turns)) == 2


def test_validation_weighs_both_denoisers(wan_folder_2: Path) -> None:
    method, batch = method_of(wan_folder_2), random_batch(2)
    sample, losses = method.sample_of(batch), {}
    clips = method.clips.encoded(sample)
    prompts = method.embeddings.stacked(sample.prompt, method.video_model, torch.device("cpu"))
    for stage, share in method.video_model.stages.items():
        losses[stage] = share * method.loss_of(stage, sample, clips, prompts)
    torch.testing.assert_close(method.eval().training_loss(batch)["loss"], sum(losses.values()))


def with_ids(batch: WindowBatch) -> WindowBatch:
    count = batch["t"].shape[1] + 2
    return {**batch, "frame_ids": torch.arange(len(batch["t"]) * count).view(-1, count)}


def test_cached_clips_are_encoded_once(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = (
        method_of(wan_folder, latent_cache=tmp_path / "clips").train(),
        {name: value[:2] for name, value in with_ids(random_batch(3)).items()},
    )
    wanted = method_of(wan_folder).train().training_loss(batch)["loss"]
    torch.testing.assert_close(method.training_loss(batch)["loss"], wanted, atol=1e-6, rtol=1e-6)
    method.on_train_epoch_end()

    again = method_of(wan_folder, latent_cache=tmp_path / "clips").train()
    for network in (again.video_model.vae, again.video_model.image_encoder):
        monkeypatch.setattr(network, "forward", None)
    monkeypatch.setattr(again.video_model.vae, "encode", None)
    monkeypatch.setattr(again.embeddings.source.__class__, "pipeline", None)  # no text encoder
    sample = again.sample_of(batch)
    assert sample.frames.numel() == 0
    loss = again.training_loss({**batch, "sample": sample})["loss"]
    torch.testing.assert_close(loss, wanted, atol=1e-6, rtol=1e-6)
    # a batch of which one window is known
    mixed = {name: value[1:3] for name, value in with_ids(random_batch(3)).items()}
    with pytest.raises(TypeError, match="NoneType"):
        again.training_loss(mixed)
    monkeypatch.undo()
    one = method.training_loss(mixed)["loss"]
    torch.testing.assert_close(one, method_of(wan_folder).train().training_loss(mixed)["loss"])


def test_clips_are_encoded_anew_where_anything_is_new(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint() -> str:
        return method_of(wan_folder, latent_cache=tmp_path / "clips").clips.fingerprint

    first = fingerprint()
    assert fingerprint() == first
    with monkeypatch.context() as patch:
        patch.setattr("inbetween.methods.diffusion.video.clip_cache._VERSION", 99)
        assert fingerprint() != first
    other = method_of(wan_folder, latent_cache=tmp_path / "clips")
    other.video_model.pipeline.image_processor.image_mean = [0.5] * 3
    assert other.clips.fingerprint != first


def test_clips_whose_frames_do_not_recur_are_not_cached(wan_folder: Path, tmp_path: Path) -> None:
    method, batch = method_of(wan_folder, latent_cache=tmp_path / "clips").train(), random_batch(2)
    wanted = method_of(wan_folder).train().training_loss(batch)["loss"]
    torch.testing.assert_close(method.training_loss(batch)["loss"], wanted, atol=1e-6, rtol=1e-6)
    method.teardown("fit")
    assert not list(tmp_path.rglob("clips/*"))


def test_captions_take_the_prompts_place(wan_folder: Path) -> None:
    method, batch = method_of(wan_folder).train(), random_batch(2)
    captioned = {**batch, "caption": ["a dog runs", ""]}
    assert method.sample_of(captioned).prompt == ("a dog runs", "a cat")
    assert method.training_loss(captioned)["loss"] != method.training_loss(batch)["loss"]
    frames, plain = method.interpolate_batch(captioned), method.interpolate_batch(batch)
    assert torch.equal(frames[1], plain[1])
    assert not torch.equal(frames[0], plain[0])


def test_windows_must_be_clips(wan_folder: Path) -> None:
    method = method_of(wan_folder).train()
    method.check_windows(7)
    message = "between is 2, .* clips of 5, 9, 13, ... frames.* set between to 3, 7, 11, 15 or so on"
    with pytest.raises(UserError, match=message):
        method.check_windows(2)
    with pytest.raises(UserError, match=message):
        method.training_loss(random_batch(1, between=2))


def test_num_frames_must_be_a_clip(wan_folder: Path) -> None:
    with pytest.raises(UserError, match=r"num_frames is 16, .* give 17"):
        method_of(wan_folder, sampling=VideoSampling(num_frames=16))


@pytest.mark.parametrize(("between", "frames"), [(1, 5), (3, 5), (4, 21), (7, 9), (15, 17)])
def test_a_clip_is_as_short_as_it_can_be(
    wan_folder: Path, between: int, frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, asked = method_of(wan_folder), []

    def sample(clip: ClipRequest, *_: object) -> Tensor:
        asked.append(clip.num_frames)
        shares = torch.linspace(0, 1, clip.num_frames).view(-1, 1, 1, 1)
        return shares.expand(-1, 3, *clip.first.shape[-2:])

    monkeypatch.setattr(method.video_model, "sample", sample)
    batch = random_batch(1, between=between, height=20, width=30)
    found = method.interpolate(batch["first"], batch["last"], batch["t"])
    assert asked == [frames]
    assert found.shape == (1, between, 3, 20, 30)
    torch.testing.assert_close(found[0, :, 0, 0, 0], batch["t"][0], atol=1e-3, rtol=0)


def test_even_frames_are_those_of_one_clip_however_they_are_split(wan_folder: Path) -> None:
    method, batch = method_of(wan_folder), random_batch(2, between=7)
    keyframes = batch["first"], batch["last"]
    whole = method.interpolate(*keyframes, batch["t"], generators(batch["seed"]))
    at = method.interpolator(*keyframes, generators(batch["seed"]))
    parts = [at(t) for t in batch["t"].split([1, 2, 4], dim=1)]
    assert torch.equal(torch.cat(parts, dim=1), whole)


def test_frozen_weights_in_bfloat16(either_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is fast in it; adapters and autoencoder stay float32."""
    batch = random_batch(2)
    wanted = method_of(either_folder).train().training_loss(batch)["loss"]
    monkeypatch.setattr("inbetween.methods.diffusion.video.loading.resolve_precision", lambda name: name)
    half = method_of(either_folder, frozen_dtype="bfloat16").train()
    model = half.video_model
    assert model.transformer.blocks[0].ffn.net[2].weight.dtype == torch.bfloat16
    assert {weight.dtype for weight in model.vae.parameters()} == {torch.float32}
    assert {weight.dtype for weight in half.parameters() if weight.requires_grad} == {torch.float32}
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            loss = half.training_loss(batch)["loss"]
            loss.backward()
            frames = half.interpolate(batch["first"], batch["last"], batch["t"])
        assert loss.dtype == frames.dtype == torch.float32
        torch.testing.assert_close(loss, wanted, atol=2e-2, rtol=2e-2)
