"""The autoencoder's training and what it draws."""

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from inbetween.errors import UserError
from inbetween.functional.slerp import slerp
from inbetween.methods import LatentInterpolation
from inbetween.weights.loading import load_autoencoder
from tests.tiny import random_batch, write_tiny_backbone

SHAPE = {"channels": 8, "latent_channels": 4, "encoder_blocks": (0, 1), "decoder_blocks": (1, 1)}


def make(**options):
    torch.manual_seed(0)
    return LatentInterpolation(**{**SHAPE, "perceptual_weight": 0.0, "crop": 16} | options)


def decoded(vae, latents):
    with torch.no_grad():
        return (vae.decode(latents).sample / 2 + 0.5).clamp(0, 1)


def encoded(vae, images):
    with torch.no_grad():
        return vae.encode(images * 2 - 1).latents


def trained(steps):
    """A method, the loss of a batch before and after some steps on it, and the batch."""
    method, batch = make(), random_batch(4)
    before = float(method.eval().training_loss(batch)["loss"].detach())
    method.train()
    optimizer = torch.optim.AdamW(method.parameters(), lr=3e-3)
    for _ in range(steps):
        method.training_loss(batch)["loss"].backward()
        method.on_before_optimizer_step(optimizer)
        optimizer.step()
        optimizer.zero_grad()
    return method.eval(), before, float(method.training_loss(batch)["loss"].detach()), batch


def test_it_begins_with_the_colours_of_a_shrunken_picture():
    """From random weights it would learn light and dark first, and colours thousands of steps later."""
    method, frames = make().eval(), random_batch(2)["first"]
    small = torch.nn.functional.avg_pool2d(frames, 2)
    latents = encoded(method.vae, frames)
    torch.testing.assert_close(latents[:, :3], 1.5 * (2 * small - 1))
    whole = torch.nn.functional.interpolate(small, scale_factor=2, mode="nearest")
    assert (decoded(method.vae, latents) - whole).abs().mean() < 0.1


def test_it_learns_to_reconstruct():
    method, before, after, batch = trained(120)
    assert after < 0.85 * before
    frames = batch["targets"].flatten(0, 1)
    repeated = decoded(method.vae, encoded(method.vae, frames))
    assert (repeated - frames).abs().mean() < (frames - frames.mean((2, 3), keepdim=True)).abs().mean()


def test_loss_is_of_whole_frames_in_validation_and_of_seeded_crops_in_training():
    method, batch, seen = make(crops=3, latent_noise=0.0), random_batch(2, between=1), []
    encode = method.vae.encode
    method.vae.encode = lambda x: (seen.append(x.detach()), encode(x))[1]
    method.eval().training_loss(batch)
    method.train().training_loss(batch)
    method.training_loss(batch)
    assert [tuple(x.shape) for x in seen] == [(6, 3, 32, 32), *[(2 * 3 * 3, 3, 16, 16)] * 2]
    assert torch.equal(seen[1], seen[2])
    frames = torch.stack([batch["first"], batch["targets"][:, 0], batch["last"]], dim=1) * 2 - 1
    # the first window's crops: of its three frames, three times over
    for crop, frame in zip(seen[1][:9], frames[0].repeat(3, 1, 1, 1), strict=True):
        places = frame.unfold(1, 16, 1).unfold(2, 16, 1).permute(1, 2, 0, 3, 4)
        assert (places == crop).all(dim=(2, 3, 4)).any()


def test_latents_are_noised_in_training_alone():
    """In inference it would cost quality."""
    plain, noisy = make(latent_noise=0.0), make(latent_noise=0.5)
    batch, latents = random_batch(2), {}
    for name, method in (("plain", plain), ("noisy", noisy)):
        decode = method.vae.decode
        method.vae.decode = lambda z, name=name, decode=decode: (latents.__setitem__(name, z), decode(z))[1]
        method.eval().training_loss(batch)
    assert torch.equal(latents["plain"], latents["noisy"])
    for method in (plain, noisy):
        method.train().training_loss(batch)
    difference = (latents["noisy"] - latents["plain"]).detach().std()
    torch.testing.assert_close(difference, torch.tensor(0.5), rtol=0.05, atol=0)


@pytest.mark.slow
def test_each_channel_is_drawn_to_mean_0_and_deviation_1():
    """A denoiser's noise is equally strong on all channels: it would drown one that whispers."""

    def spread(method):
        frames = torch.cat([batch["first"], batch["targets"].flatten(0, 1), batch["last"]])
        deviation, mean = torch.std_mean(encoded(method.vae, frames), dim=(0, 2, 3))
        return float((mean.abs() + (deviation - 1).abs()).max())

    method, batch = make(latent_weight=1.0), random_batch(4)
    before, optimizer = spread(method), torch.optim.AdamW(method.parameters(), lr=3e-3)
    for _ in range(150):
        method.training_loss(batch)["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert before > 0.5
    assert spread(method) < 0.5 * before
    logs = method.training_loss(batch)["logs"]
    method.latent_weight = 0.0
    without = method.training_loss(batch)["loss"]
    method.latent_weight = 1.0
    torch.testing.assert_close(method.training_loss(batch)["loss"], without + logs["latent"])


def test_the_latents_mean_and_deviation_change_with_the_weights_alone():
    """A checkpoint between two accumulated batches would hold those of a batch that is seen again."""
    method, found = make(schedule="constant"), []

    class Watch(L.Callback):
        def on_train_batch_end(self, *_):
            found.append((float(method.latent_mean), float(method.latent_std)))

    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        accumulate_grad_batches=2,
        callbacks=Watch(),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    before = float(method.latent_mean), float(method.latent_std)
    trainer.fit(method, DataLoader([random_batch(2, seed=seed) for seed in range(4)], batch_size=None))
    assert found[0] == before
    assert found[0] != found[1] == found[2] != found[3]


def test_in_betweens_are_slerped_latents():
    method, batch = make().eval(), random_batch(2)
    ends = [encoded(method.vae, batch[name]) for name in ("first", "last")]
    expected = decoded(method.vae, slerp(*ends, batch["t"][:, 1]))
    torch.testing.assert_close(method.interpolate_batch(batch)[:, 1], expected, atol=1e-5, rtol=0)


def test_the_floor_is_the_truth_repeated():
    method, batch = make(output="reconstruction").eval(), random_batch(2, height=33, width=47)
    padded = torch.nn.functional.pad(batch["targets"][:, 1], (0, 1, 0, 1), mode="replicate")
    expected = decoded(method.vae, encoded(method.vae, padded))[..., :33, :47]
    torch.testing.assert_close(method.interpolate_batch(batch)[:, 1], expected, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_what_is_written_is_normalised_and_can_be_trained_further(tmp_path, caplog):
    method, _, _, batch = trained(300)
    method.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    vae = load_autoencoder(str(tmp_path / "vae"))
    latents = encoded(vae, torch.cat([batch["first"], batch["targets"].flatten(0, 1), batch["last"]]))
    normal = (latents - vae.config.shift_factor) * vae.config.scaling_factor
    assert abs(float(normal.mean())) < 0.2
    assert abs(float(normal.std()) - 1) < 0.2
    again = make(vae=str(tmp_path / "vae")).eval()
    torch.testing.assert_close(
        again.interpolate_batch(batch), method.interpolate_batch(batch), atol=5e-3, rtol=0
    )
    torch.testing.assert_close(again.latent_std, method.latent_std, atol=1e-3, rtol=0)
    assert all(parameter.requires_grad for parameter in again.vae.parameters())
    again.save_pretrained(tmp_path / "again")  # without a word of where it began
    assert str(tmp_path) not in (tmp_path / "again" / "vae" / "config.json").read_text()
    assert "not expected" not in caplog.text


def test_a_decoder_trained_alone_leaves_the_latents_as_they_are(tmp_path):
    make().save_pretrained(tmp_path)
    method, batch = make(vae=str(tmp_path / "vae"), trained="decoder"), random_batch(2)
    before = encoded(method.vae, batch["first"])
    weights = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(weights, 0.1)
    drawn = decoded(method.vae, before)
    method.training_loss(batch)["loss"].backward()
    method.on_before_optimizer_step(optimizer)
    optimizer.step()
    assert (decoded(method.vae, before) - drawn).abs().mean() > 1e-4
    method.save_pretrained(tmp_path / "again")
    again = load_autoencoder(str(tmp_path / "again" / "vae"))
    torch.testing.assert_close(encoded(again, batch["first"]), before)
    for number in ("shift_factor", "scaling_factor"):
        assert again.config[number] == pytest.approx(load_autoencoder(str(tmp_path / "vae")).config[number])
    with pytest.raises(UserError, match="give the vae to start from"):
        make(trained="decoder")


def test_another_kind_of_autoencoder_is_refused(tmp_path):
    folder = write_tiny_backbone(tmp_path) / "vae"
    with pytest.raises(UserError, match="is of type AutoencoderKL: give an AutoencoderTiny"):
        make(vae=str(folder))
    with pytest.raises(UserError, match="train one with"):
        make(vae=str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_channels": 2}, "latent_channels is 2: give at least 3"),
        ({"crops": 0}, "crops is 0: give at least 1"),
        ({"decoder_blocks": (1, 1, 1)}, "encoder_blocks has 2 entries and decoder_blocks 3"),
    ],
)
def test_numbers_out_of_range(options, message):
    with pytest.raises(UserError, match=message):
        make(**options)
