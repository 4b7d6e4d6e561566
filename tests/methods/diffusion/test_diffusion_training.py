"""Training of diffusion methods, mostly of keyframe diffusion, the simplest one."""

import pytest
import torch
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.functional.slerp import slerp
from inbetween.methods import TemporalEncodingDiffusion
from inbetween.methods.diffusion import Denoising, Sampling
from inbetween.methods.diffusion.noise_schedule import init_noise, min_snr_weight, training_target
from inbetween.methods.diffusion.sampling import frame_generators, noise_like
from inbetween.methods.diffusion.training_sample import sample_timestep
from inbetween.modules.classical_flow import two_way_flow, warped_blend
from tests.methods.diffusion.tiny_methods import METHODS, make, row, spy
from tests.tiny import random_batch, tiny_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


class TestTraining:
    @pytest.mark.parametrize("cls", METHODS)
    def test_each_frame_is_encoded_once(self, cls):
        """The original project encoded the target and both keyframes at every step, needed or not."""
        for keyframe_latents, frames in ((False, 4), (True, 12)):
            method = make(cls, keyframe_latents=keyframe_latents)
            calls = spy(method, "encode")
            method.training_loss(random_batch(4))
            assert [len(images) for (images,) in calls] == [frames]

    def test_any_number_of_in_betweens_follows_any_other(self):
        method = make(TemporalEncodingDiffusion, keyframe_latents=True, line_condition=True)
        optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], 0.1)
        for between in (1, 7, 3):
            loss = method.training_loss(random_batch(2, between))["loss"]
            loss.backward()
            optimizer.step()
            assert torch.isfinite(loss)

    def test_the_latent_that_is_noised_is_that_of_the_chosen_target(self):
        method = make()
        batch, calls = random_batch(24, between=5), spy(method)
        method.backbone.scheduler.add_noise = lambda x_0, noise, timestep: x_0
        method.training_loss(batch)
        targets = method.backbone.encode(batch["targets"].flatten(0, 1)).unflatten(0, (24, 5))
        chosen = (targets - calls[0][0][:, None]).abs().amax(dim=(2, 3, 4)) < 1e-5
        assert (chosen.sum(1) == 1).all()
        assert chosen.any(0).all()

    @pytest.mark.parametrize(
        "options",
        [
            {"condition_dropout": 0.5},
            {"line_condition": True, "line_condition_dropout": 0.5},
            {"objective": Denoising(min_snr_gamma=5.0)},
        ],
    )
    def test_loss_does_not_depend_on_how_the_batch_is_cut(self, options):
        method = make(prediction_type="v_prediction", **options)
        torch.nn.init.normal_(
            method.backbone.unet.conv_in.extra.weight
        ) if "line_condition" in options else None
        batch = random_batch(6)
        whole = method.training_loss(batch)["loss"]
        parts = torch.stack([method.training_loss(row(batch, index))["loss"] for index in range(6)])
        torch.testing.assert_close(whole, parts.mean(), atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
    def test_min_snr_weighs_the_error_of_the_clean_latent_by_the_clamped_snr(self, prediction_type):
        """The identity behind min-SNR: whatever the network predicts, the clean latent's error counts."""
        backbone, gamma = tiny_backbone(prediction_type), 5.0
        timestep = torch.tensor([0, 30, 200, 500, 999])
        x_0, noise, error = torch.randn(3, 5, 4, 4, 4, dtype=torch.float64)
        alpha = backbone.scheduler.alphas_cumprod.double()[timestep].view(-1, 1, 1, 1)
        x_t = alpha**0.5 * x_0 + (1 - alpha) ** 0.5 * noise
        predicted = x_0 + error
        implied_noise = (x_t - alpha**0.5 * predicted) / (1 - alpha) ** 0.5
        if prediction_type == "epsilon":
            output = implied_noise
        else:
            output = alpha**0.5 * implied_noise - (1 - alpha) ** 0.5 * predicted
        target = training_target(backbone.scheduler, x_0, noise, timestep)
        snr = (alpha / (1 - alpha)).flatten()
        expected = snr.clamp(max=gamma) * error.square().flatten(1).mean(1)
        found = min_snr_weight(backbone.scheduler, timestep, gamma) * (output - target).square().flatten(
            1
        ).mean(1)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)

    def test_min_snr_of_a_timestep_weighs_its_sample(self):
        plain, weighted = make(), make(objective=Denoising(min_snr_gamma=5.0))
        batch = row(random_batch(1), 0)
        calls = spy(plain)
        loss, found = (method.training_loss(batch)["loss"] for method in (plain, weighted))
        torch.testing.assert_close(
            found, loss * min_snr_weight(plain.backbone.scheduler, calls[0][1], 5.0)[0]
        )

    def test_timesteps_can_be_those_of_sampling(self):
        generators = [torch.Generator().manual_seed(seed) for seed in range(2000)]
        found, even = (
            torch.stack([sample_timestep(stream, 1000, mean) for stream in generators]) / 1000
            for mean in (-1.0, None)
        )
        # the median of a logit-normal is the sigmoid of its mean; 56 % lie below 0.3
        assert float(found.median()) == pytest.approx(0.269, abs=0.02)
        assert float((found < 0.3).float().mean()) == pytest.approx(0.561, abs=0.03)
        assert float(even.median()) == pytest.approx(0.5, abs=0.03)
        assert 0 <= found.min() <= found.max() < 1
        assert sample_timestep(generators[0], 1000, 100.0) == 999

    @pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
    @pytest.mark.parametrize("init", ["slerp", "flow"])
    def test_training_from_initial_latents_lies_on_the_trajectory_of_sampling(self, init, prediction_type):
        """A denoiser that knew the truth would be led to it through these very latents."""
        method = make(
            prediction_type=prediction_type,
            objective=Denoising([init]),
            sampling=Sampling(20, 0.3, init=init),
        )
        batch, path, targets = random_batch(1, between=1, height=64, width=64), {}, {}
        backbone = method.backbone
        truth = backbone.encode(batch["targets"][:, 0])
        alphas = backbone.scheduler.alphas_cumprod

        def oracle(sample, timestep, tokens):
            alpha = alphas[timestep]
            noise = (sample - alpha.sqrt() * truth) / (1 - alpha).sqrt()
            path[int(timestep)] = sample
            targets[int(timestep)] = training_target(backbone.scheduler, truth, noise, timestep.view(1))
            return targets[int(timestep)]

        backbone.denoise = oracle
        decoded = spy(method, "decode")
        method.interpolate_batch(batch)
        # but for the noise of the first timestep, which the tiny backbone's schedule leaves
        torch.testing.assert_close(decoded[0][0], truth, atol=0.2, rtol=0)
        begin, *_, last = path
        assert (begin, last) == (251, 1)

        frame_noise = frame_generators(generators(batch["seed"]), 1, 1)
        noise = noise_like(truth, frame_noise)
        pair = batch["first"], batch["last"]
        ends = [backbone.encode(frame) for frame in pair]
        x_init = (
            slerp(*ends, batch["t"][:, 0])
            if init == "slerp"
            else backbone.encode(warped_blend(*pair, batch["t"], *two_way_flow(*pair, "dis"))[:, 0])
        )
        seen = noise + init_noise(backbone.scheduler, x_init - truth, torch.tensor([begin]))
        for timestep in path:
            expected = backbone.scheduler.add_noise(truth, seen, torch.tensor([timestep]))
            torch.testing.assert_close(path[timestep], expected, atol=1e-4, rtol=1e-4)
            found = training_target(backbone.scheduler, truth, seen, torch.tensor([timestep]))
            torch.testing.assert_close(targets[timestep], found, atol=1e-3, rtol=1e-3)

    def test_each_sample_has_its_own_trajectory(self):
        sampling = Sampling(4, 0.4)
        objective = Denoising(["target", "slerp", "flow"], timestep_logit_mean=100.0)
        method = make(objective=objective, sampling=sampling)
        batch, calls = random_batch(24, height=64, width=64), spy(method)
        whole = method.training_loss(batch)["loss"]
        timestep = calls[0][1]
        # the truth's timesteps are all the last one here, a path's lie within its strength
        on_path = timestep < 999
        assert 10 <= on_path.sum() <= 22
        assert 250 < timestep[on_path].max() < 400
        parts = torch.stack([method.training_loss(row(batch, index))["loss"] for index in range(24)])
        torch.testing.assert_close(whole, parts.mean(), atol=1e-4, rtol=1e-4)
        # and is as it was for those of which only the truth is seen
        plain = make(objective=Denoising(timestep_logit_mean=100.0), sampling=sampling)
        seen = spy(plain)
        plain.training_loss(batch)
        torch.testing.assert_close(calls[0][0][~on_path], seen[0][0][~on_path])
        assert not torch.isclose(calls[0][0][on_path], seen[0][0][on_path]).all(dim=(1, 2, 3)).any()

    def test_no_trajectory(self):
        with pytest.raises(UserError, match="train_from is empty"):
            Denoising([])
        method = make(objective=Denoising(["slerp"]), sampling=Sampling(4, 0.0))
        with pytest.raises(
            UserError, match=r"train_from is slerp and sampling\.strength 0, so no trajectory"
        ):
            method.prepare_fit()
        # a method that was trained so may still decode its initial latents
        batch = random_batch(2)
        assert torch.isfinite(method.training_loss(batch)["loss"])
        assert torch.isfinite(method.interpolate_batch(batch)).all()

    @pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
    def test_the_perceptual_loss_sees_crops_of_what_a_prediction_stands_for(
        self, prediction_type, monkeypatch
    ):
        """With an autoencoder that loses nothing and a denoiser that knows the truth, both crops agree."""
        method = make(prediction_type=prediction_type, perceptual_weight=0.5, perceptual_from=0.0)
        backbone, batch, seen = method.backbone, random_batch(6, height=50, width=140), []
        cells = torch.rand(6, 3, 3, 25, 70)
        batch["targets"] = cells.repeat_interleave(2, 3).repeat_interleave(2, 4)

        def encode(frames):
            return F.pad(F.avg_pool2d(frames, 2), (0, 0, 0, 0, 0, 1))

        monkeypatch.setattr(type(method), "perceptual", property(lambda _: perceptual))
        monkeypatch.setattr(backbone, "encode", encode)
        monkeypatch.setattr(
            backbone,
            "decode_with_gradients",
            lambda z: z[:, :3].repeat_interleave(2, 2).repeat_interleave(2, 3),
        )

        def perceptual(images, targets):
            seen.append((images, targets))
            return (images - targets).square().mean()

        known = {}
        add_noise = backbone.scheduler.add_noise

        def noted(x_0, noise, timestep):
            known["target"] = training_target(backbone.scheduler, x_0, noise, timestep)
            return add_noise(x_0, noise, timestep)

        backbone.scheduler.add_noise = noted
        plain = method.training_loss(batch)
        assert plain["logs"]["perceptual"] > 0
        plain["loss"].backward()
        assert any(p.grad is not None and p.grad.any() for p in method.parameters())
        backbone.denoise = lambda *_: known["target"]
        method.training_loss(batch)
        images, targets = seen[-1]
        # as much as the shorter side has, less the cells at the edge
        assert images.shape == (6, 3, 46, 46)
        torch.testing.assert_close(images, targets, atol=1e-2, rtol=0)
        assert targets.std() > 0.2

        monkeypatch.setattr(type(method), "perceptual", property(lambda _: None))
        assert "logs" not in method.training_loss(batch)
