"""The base of all diffusion methods, mostly through keyframe diffusion, its simplest one."""

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch.nn import functional as F

from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.functional.slerp import slerp
from inbetween.methods import (
    KeyframeDiffusion,
    LatentSlerp,
    SpacingFlow,
    TemporalEncodingDiffusion,
    WeightedCrossAttention,
)
from inbetween.modules import FreshBackbone, Sampling, TextBackbone
from inbetween.modules.classical_flow import two_way_flow, warped_blend
from inbetween.modules.noising import timestep_of
from inbetween.modules.sampling import frame_generators, noise_like
from tests.tiny import random_batch, tiny_backbone, write_tiny_backbone, write_tiny_text_backbone

METHODS = [LatentSlerp, KeyframeDiffusion, TemporalEncodingDiffusion, WeightedCrossAttention]
pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


def make(cls=KeyframeDiffusion, prediction_type="epsilon", **options):
    torch.manual_seed(0)
    return cls(tiny_backbone(prediction_type), **{"sampling": Sampling(4, 0.5)} | options)


def spy(method, name="denoise"):
    """Arguments of the calls of a method of the backbone, as they come."""
    calls, original = [], getattr(method.backbone, name)

    def call(*arguments):
        calls.append(arguments)
        return original(*arguments)

    setattr(method.backbone, name, call)
    return calls


@pytest.fixture(scope="module")
def flow_weights(tmp_path_factory):
    """A spacing flow, and the file of its weights as `WeightsWriter` writes it."""
    torch.manual_seed(1)
    spacing_flow = SpacingFlow().eval()
    path = tmp_path_factory.mktemp("flow") / "weights.safetensors"
    weights = {name: value.contiguous() for name, value in spacing_flow.state_dict().items()}
    save_file(weights, path, {"method": "inbetween.methods.SpacingFlow", "hyper_parameters": "{}"})
    return spacing_flow, path


def row(batch, index):
    return {key: value[index : index + 1] for key, value in batch.items()}


class TestTraining:
    @pytest.mark.parametrize("cls", METHODS)
    def test_each_frame_is_encoded_once(self, cls):
        """The origin encoded the target and both keyframes at every step, needed or not."""
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
            {"min_snr_gamma": 5.0},
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
        target = backbone.training_target(x_0, noise, timestep)
        snr = (alpha / (1 - alpha)).flatten()
        expected = snr.clamp(max=gamma) * error.square().flatten(1).mean(1)
        found = backbone.min_snr_weight(timestep, gamma) * (output - target).square().flatten(1).mean(1)
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-6)

    def test_min_snr_of_a_timestep_weighs_its_sample(self):
        plain, weighted = make(), make(min_snr_gamma=5.0)
        batch = row(random_batch(1), 0)
        calls = spy(plain)
        loss, found = (method.training_loss(batch)["loss"] for method in (plain, weighted))
        torch.testing.assert_close(found, loss * plain.backbone.min_snr_weight(calls[0][1], 5.0)[0])

    def test_timesteps_are_drawn_where_drawing_sees_them(self):
        generators = [torch.Generator().manual_seed(seed) for seed in range(2000)]
        found, even = (
            torch.stack([timestep_of(stream, 1000, mean) for stream in generators]) / 1000
            for mean in (-1.0, None)
        )
        # the median of a logit-normal is the sigmoid of its mean; 56 % lie below 0.3
        assert float(found.median()) == pytest.approx(0.269, abs=0.02)
        assert float((found < 0.3).float().mean()) == pytest.approx(0.561, abs=0.03)
        assert float(even.median()) == pytest.approx(0.5, abs=0.03)
        assert 0 <= found.min() <= found.max() < 1
        assert timestep_of(generators[0], 1000, 100.0) == 999

    @pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
    @pytest.mark.parametrize("init", ["slerp", "flow"])
    def test_training_from_a_start_lies_on_the_path_that_drawing_takes(self, init, prediction_type):
        """A denoiser that knew the truth would be led from the start to it by these very latents."""
        method = make(
            prediction_type=prediction_type, train_from=[init], sampling=Sampling(20, 0.3, init=init)
        )
        batch, path, targets = random_batch(1, between=1, height=64, width=64), {}, {}
        backbone = method.backbone
        truth = backbone.encode(batch["targets"][:, 0])
        alphas = backbone.scheduler.alphas_cumprod

        def oracle(sample, timestep, tokens):
            alpha = alphas[timestep]
            noise = (sample - alpha.sqrt() * truth) / (1 - alpha).sqrt()
            path[int(timestep)] = sample
            targets[int(timestep)] = backbone.training_target(truth, noise, timestep.view(1))
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
        seen = noise + backbone.init_noise(x_init - truth, torch.tensor([begin]))
        for timestep in path:
            expected = backbone.scheduler.add_noise(truth, seen, torch.tensor([timestep]))
            torch.testing.assert_close(path[timestep], expected, atol=1e-4, rtol=1e-4)
            found = backbone.training_target(truth, seen, torch.tensor([timestep]))
            torch.testing.assert_close(targets[timestep], found, atol=1e-3, rtol=1e-3)

    def test_samples_are_put_on_paths_each_in_its_own_way(self):
        options = {"sampling": Sampling(4, 0.4), "timestep_logit_mean": 100.0}
        method = make(train_from=["truth", "slerp", "flow"], **options)
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
        plain = make(**options)
        seen = spy(plain)
        plain.training_loss(batch)
        torch.testing.assert_close(calls[0][0][~on_path], seen[0][0][~on_path])
        assert not torch.isclose(calls[0][0][on_path], seen[0][0][on_path]).all(dim=(1, 2, 3)).any()

    def test_no_path(self):
        with pytest.raises(UserError, match="train_from is empty"):
            make(train_from=[])
        method = make(train_from=["slerp"], sampling=Sampling(4, 0.0))
        with pytest.raises(UserError, match=r"train_from is slerp and sampling\.strength 0, so no path"):
            method.prepare_fit()
        # a method that was trained so may still show where it starts
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
            known["target"] = backbone.training_target(x_0, noise, timestep)
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


class TestCondition:
    @pytest.mark.parametrize("cls", METHODS[1:])
    def test_dropped_samples_see_zeros_and_each_its_own_way(self, cls):
        """The origin guided a denoiser that had never been trained without its condition."""
        method = make(cls, condition_dropout=0.5)
        calls, batch = spy(method), random_batch(16)
        method.training_loss(batch)
        unseen = (calls[0][2] == 0).all(dim=(1, 2))
        assert 3 <= unseen.sum() <= 13
        for index in (0, 7, 15):
            method.training_loss(row(batch, index))
            assert (calls[-1][2] == 0).all() == unseen[index]
        assert not (make(cls).condition(*torch.ones(2, 1, 2, 16), torch.tensor([0.5])) == 0).all()

    def test_guidance_without_condition_dropout_is_refused(self):
        guided = Sampling(4, 0.5, guidance_scale=2.0)
        with pytest.raises(UserError, match=r"guidance_scale is 2\.0 and condition_dropout 0"):
            make(sampling=guided)
        make(sampling=guided, condition_dropout=0.1)
        make(sampling=guided, trained="none")

    def test_guidance_goes_on_from_null_to_condition_in_one_call(self):
        method = make(condition_dropout=0.1, sampling=Sampling(4, 0.25, guidance_scale=3.0))
        method.backbone.denoise = lambda sample, timestep, tokens: (
            torch.ones_like(sample) * tokens.abs().sum((1, 2)).clamp(max=1).view(-1, 1, 1, 1)
        )
        calls = spy(method)
        steps = []
        original = method.sampling.make_scheduler(method.backbone.scheduler)
        step = original.step
        original.step = lambda output, *rest, **named: (steps.append(output), step(output, *rest, **named))[1]
        object.__setattr__(method.sampling, "make_scheduler", lambda trained: original)
        method.interpolate_batch(random_batch(2))
        ((sample, _, tokens),) = calls
        assert len(sample) == 2 * 2 * 3
        assert torch.equal(sample[:6], sample[6:])
        assert (tokens[:6] == 0).all()
        assert (tokens[6:] != 0).any()
        # 0 without condition and 1 with it: 0 + 3 (1 - 0)
        assert torch.equal(steps[0], torch.full_like(steps[0], 3.0))

    def test_without_guidance_the_batch_is_not_doubled(self):
        method = make(sampling=Sampling(4, 0.25))
        calls = spy(method)
        method.interpolate_batch(random_batch(2))
        assert [len(sample) for sample, *_ in calls] == [6]

    @pytest.mark.parametrize("cls", METHODS)
    @pytest.mark.parametrize("options", [{"keyframe_latents": True}, {"line_condition": True}])
    def test_further_inputs_change_nothing_before_training(self, cls, options):
        """Zero-initialised: the first step is exactly the backbone's."""
        plain, widened, batch = make(cls), make(cls, **options), random_batch(3)
        assert torch.equal(plain.training_loss(batch)["loss"], widened.training_loss(batch)["loss"])
        assert torch.equal(plain.interpolate_batch(batch), widened.interpolate_batch(batch))
        widened.training_loss(batch)["loss"].backward()
        assert widened.backbone.unet.conv_in.extra.weight.grad.abs().sum() > 0

    def test_keyframe_latents_tell_where_things_are(self):
        method = make(keyframe_latents=True)
        calls, batch = spy(method), random_batch(2)
        method.training_loss(batch)
        method.interpolate_batch(batch)
        ends = torch.cat([method.backbone.encode(batch[name]) for name in ("first", "last")], dim=1)
        torch.testing.assert_close(calls[0][0][:, 4:], ends)
        torch.testing.assert_close(calls[1][0][:, 4:], ends.repeat_interleave(3, 0))

    def test_a_correcting_denoiser_sees_where_drawing_starts_and_changes_that(self, tmp_path):
        """The small backbone's own: latent slerp shows it no keyframes."""
        write_tiny_backbone(tmp_path)

        def fresh(cls, **options):
            torch.manual_seed(0)
            few = {"channels": (16, 32), "embedding_dim": 16, "encoder_layers": 1, "encoder_image_size": 16}
            backbone = FreshBackbone(str(tmp_path / "vae"), **few, residual_refiner=True)
            return cls(
                backbone,
                **{"trained": "all", "train_from": ["slerp"], "sampling": Sampling(4, 0.5)} | options,
            )

        batch = random_batch(8)
        shown, unconditioned = fresh(KeyframeDiffusion, keyframe_latents=True), fresh(LatentSlerp)
        sometimes = fresh(KeyframeDiffusion, keyframe_latents=True, keyframe_dropout=0.5)
        first, last = (shown.backbone.encode(batch[name]) for name in ("first", "last"))
        ends = torch.cat([first, last], dim=1)
        start = slerp(*(z.repeat_interleave(3, 0) for z in (first, last)), batch["t"].flatten())
        untouched = shown.backbone.decode(start).unflatten(0, (8, 3))
        for method, expected in ((shown, ends), (unconditioned, torch.zeros_like(ends))):
            calls = spy(method)
            method.training_loss(batch)["loss"].backward()
            torch.testing.assert_close(calls[0][0][:, 4:12], expected)
            starts = start.unflatten(0, (8, 3))
            assert (starts - calls[0][0][:, None, 12:]).abs().amax((2, 3, 4)).amin(1).max() < 1e-5
            method.interpolate_batch(batch)
            torch.testing.assert_close(
                calls[1][0][:, 4:], torch.cat([expected.repeat_interleave(3, 0), start], 1)
            )
            torch.testing.assert_close(method.interpolate_batch(batch), untouched, atol=1e-4, rtol=0)
            with torch.no_grad():
                method.backbone.unet.conv_out.weight.normal_()
            assert (method.interpolate_batch(batch) - untouched).abs().mean() > 0.01
        calls = spy(sometimes)
        sometimes.training_loss(batch)
        unseen = (calls[0][0][:, 4:12] == 0).all(dim=(1, 2, 3))
        assert 1 <= unseen.sum() <= 7
        torch.testing.assert_close(calls[0][0][~unseen, 4:12], ends[~unseen])

        widened = fresh(KeyframeDiffusion, keyframe_latents=True, line_condition=True).backbone.unet.conv_in
        assert (widened.conv.in_channels, widened.extra.in_channels) == (16, 1)
        for options in ({"train_from": ["truth", "slerp"]}, {"sampling": Sampling(4, 0.5, init="noise")}):
            with pytest.raises(UserError, match="corrects a start"):
                fresh(LatentSlerp, **options)

    def test_structure_is_the_lines_of_the_warped_blend_and_sometimes_none(self):
        method = make(line_condition=True, line_condition_dropout=0.5)
        calls, batch = spy(method), random_batch(12, between=1, height=64, width=64)
        for key in ("first", "last"):
            batch[key] = torch.ones_like(batch[key])
            batch[key][..., 20:22, 8:56] = 0
        method.training_loss(batch)
        lines = calls[0][0][:, 4:]
        assert lines.shape[1:] == (1, 32, 32)
        unseen = (lines == 0).all(dim=(1, 2, 3))
        assert 0 < unseen.sum() < 12
        (seen, *_) = lines[~unseen]
        assert (seen[0, 10, 4:28] == 1).all()
        assert (seen[0, 20:] == 0).all()
        method.interpolate_batch(row(batch, 0))
        assert (calls[-1][0][:, 4, 10, 4:28] == 1).all()

    def test_a_share_out_of_range(self):
        with pytest.raises(UserError, match=r"condition_dropout is 1\.5"):
            make(condition_dropout=1.5)


class TestDrawing:
    def test_frames_are_denoised_together_and_in_parts_of_max_frames(self):
        batch = random_batch(3)
        whole, parts = make(sampling=Sampling(4, 0.5)), make(sampling=Sampling(4, 0.5, max_frames=4))
        calls = spy(whole), spy(parts)
        torch.testing.assert_close(
            whole.interpolate_batch(batch), parts.interpolate_batch(batch), atol=1e-5, rtol=0
        )
        assert [len(sample) for sample, *_ in calls[0]] == [9, 9]
        assert [len(sample) for sample, *_ in calls[1]] == [3] * 6

    @pytest.mark.parametrize("init", ["slerp", "flow"])
    def test_without_strength_it_decodes_the_start(self, init):
        method, batch = make(sampling=Sampling(4, 0.0, init=init)), random_batch(2, height=30, width=45)
        backbone, (first, last, t) = method.backbone, (batch[key] for key in ("first", "last", "t"))
        padded = [torch.nn.functional.pad(x, (0, 1, 0, 0), mode="replicate") for x in (first, last)]
        if init == "flow":
            blend = warped_blend(first, last, t, *two_way_flow(first, last, "dis"))[:, 1]
            latents = backbone.encode(torch.nn.functional.pad(blend, (0, 1, 0, 0), mode="replicate"))
        else:
            latents = slerp(*(backbone.encode(picture) for picture in padded), t[:, 1])
        expected = backbone.decode(latents)[..., :45]
        torch.testing.assert_close(method.interpolate_batch(batch)[:, 1], expected, atol=1e-5, rtol=0)

    @pytest.mark.parametrize("init", ["slerp", "flow"])
    def test_what_stands_still_keeps_its_detail(self, init):
        """The tiny autoencoder is untrained, so that all of the picture is detail."""
        batch = random_batch(2)
        batch["last"] = batch["first"]
        still = batch["first"][:, None].expand(-1, 3, -1, -1, -1)
        method = make(sampling=Sampling(4, 0.0, init=init, autoencoder_residual=True))
        torch.testing.assert_close(method.interpolate_batch(batch), still, atol=2e-3, rtol=0)
        assert (
            make(sampling=Sampling(4, 0.0, init=init)).interpolate_batch(batch) - still
        ).abs().mean() > 0.1

    def test_a_trained_flow_takes_the_place_of_the_classical_one(self, flow_weights):
        """With an autoencoder that changes nothing, the start of drawing is spacing flow's own drawing."""
        spacing_flow, weights = flow_weights
        sampling = Sampling(4, 0.0, init="flow", flow=str(weights))
        method, batch = make(sampling=sampling), random_batch(2, height=64, width=64)
        method.backbone.encode = method.backbone.decode = lambda pictures: pictures
        torch.testing.assert_close(
            method.interpolate_batch(batch), spacing_flow.interpolate_batch(batch), atol=1e-5, rtol=0
        )
        other = make(sampling=Sampling(4, 0.0, init="flow"))
        other.backbone.encode = other.backbone.decode = lambda pictures: pictures
        assert (other.interpolate_batch(batch) - spacing_flow.interpolate_batch(batch)).abs().max() > 0.01
        assert not [name for name in method.state_dict() if "encoder.stem" in name]

    def test_training_learns_from_the_same_flow(self, flow_weights):
        spacing_flow, weights = flow_weights
        method = make(train_from=["flow"], sampling=Sampling(4, 0.5, init="flow", flow=str(weights)))
        encoded = spy(method, "encode")
        batch = random_batch(2, between=1, height=64, width=64)
        method.training_loss(batch)
        torch.testing.assert_close(
            encoded[-1][0], spacing_flow.interpolate_batch(batch)[:, 0], atol=1e-5, rtol=0
        )

    @pytest.mark.parametrize("init", ["slerp", "flow"])
    def test_detail_is_blended_as_the_start_is(self, init):
        """With an autoencoder that loses everything, detail is all that is drawn."""
        method = make(sampling=Sampling(4, 0.0, init=init, autoencoder_residual=True))
        batch = random_batch(2, height=64, width=64)
        method.backbone.decode = lambda latents: torch.full((len(latents), 3, 64, 64), 0.5)
        first, last, t = (batch[key] for key in ("first", "last", "t"))
        still = torch.zeros(2, 2, 64, 64)
        flows = two_way_flow(first, last, "dis") if init == "flow" else (still, still)
        expected = warped_blend(first, last, t, *flows)
        torch.testing.assert_close(method.interpolate_batch(batch), expected, atol=1e-5, rtol=0)

    def test_detail_too_is_decoded_in_parts_of_max_frames(self):
        method = make(sampling=Sampling(4, 0.0, autoencoder_residual=True, max_frames=3))
        calls = spy(method, "decode")
        method.interpolate_batch(random_batch(2))
        assert [len(latents) for (latents,) in calls] == [3, 1, 3, 3]

    def test_inverted_strength_would_lose_the_start(self):
        """A quarter of the steps keeps the slerped latents; the origin ran three quarters of them for it."""
        batch, errors = random_batch(2), []
        for strength in (0.25, 0.75):
            method = make(sampling=Sampling(20, strength))
            method.backbone.denoise = lambda sample, *_: torch.zeros_like(sample)
            kept = make(sampling=Sampling(20, 0.0)).interpolate_batch(batch)
            errors.append((method.interpolate_batch(batch) - kept).square().mean())
        assert errors[0] < errors[1]

    @pytest.mark.parametrize("cls", METHODS)
    def test_only_some_are_told_t(self, cls):
        method = make(cls)
        embeddings = torch.randn(2, 4, 3, 16)
        early, late = (method.condition(*embeddings, torch.full((4,), t)) for t in (0.2, 0.8))
        assert torch.equal(early, late) == (cls is not TemporalEncodingDiffusion)
        sample, timestep, tokens = torch.randn(2, 4, 8, 8), torch.tensor([3, 4]), torch.randn(2, 4, 16)
        with torch.no_grad():
            outputs = [method.denoise(sample, timestep, tokens, torch.full((2,), t)) for t in (0.2, 0.8)]
        assert torch.equal(*outputs) == (cls is not WeightedCrossAttention)


class TestMethods:
    def test_keyframe_diffusion_shows_both_embeddings(self):
        method, batch = make(), random_batch(2)
        tokens = method.condition(*method.embeddings_of(method.sample_of(batch)), batch["t"][:, 0])
        expected = [method.backbone.embed(batch[key]) for key in ("first", "last")]
        torch.testing.assert_close(tokens, torch.stack(expected, dim=1))

    def test_weighted_attention_has_many_tokens_to_choose_from(self):
        """With one token of each keyframe, a softmax over one key is 1: nothing would be attended to."""
        method, batch = make(WeightedCrossAttention), random_batch(2)
        first, last = method.embeddings_of(method.sample_of(batch))
        assert first.shape == last.shape == (2, 1 + 4, 16)
        assert method.condition(first, last, batch["t"][:, 0]).shape == (2, 10, 16)
        sample, timestep, t = torch.randn(2, 4, 8, 8), torch.tensor([3, 4]), torch.full((2,), 0.5)
        with torch.no_grad():
            tokens = method.condition(first, last, t)
            output = method.denoise(sample, timestep, tokens, t)
            moved = method.denoise(sample, timestep, tokens[:, [1, 0, 2, 3, 4, 5, 6, 7, 8, 9]], t)
            averaged = tokens.unflatten(1, (2, 5)).mean(2, keepdim=True).expand(-1, -1, 5, -1).flatten(1, 2)
            blurred = method.denoise(sample, timestep, averaged, t)
        torch.testing.assert_close(output, moved)  # a set, not a sequence
        assert (output - blurred).abs().max() > 1e-6

    def test_learned_weights_begin_at_linear_and_learn(self):
        linear, learned = (
            make(WeightedCrossAttention, weighting=weighting) for weighting in ("linear", "learned")
        )
        batch = random_batch(2)
        torch.testing.assert_close(
            linear.interpolate_batch(batch), learned.interpolate_batch(batch), atol=1e-5, rtol=0
        )
        learned.training_loss(batch)["loss"].backward()
        for name, parameter in learned.attention.named_parameters():
            if name.endswith("2.weight"):
                assert parameter.grad.abs().sum() > 0, name

    def test_latent_slerp_looks_at_no_picture(self):
        method, batch = make(LatentSlerp), random_batch(2)
        assert not hasattr(method.backbone, "image_encoder")
        calls = spy(method)
        method.interpolate_batch(batch)
        assert (calls[0][2] == 0).all()

    def test_latent_slerp_on_a_pretrained_backbone_has_nothing_to_train(self):
        method = make(LatentSlerp, trained="none")
        with pytest.raises(UserError, match="nothing to train"):
            method.configure_optimizers()

    def test_latent_slerp_with_a_prompt_is_guided_away_from_the_empty_one(self, tmp_path):
        backbone = TextBackbone(str(write_tiny_text_backbone(tmp_path)), "a cel")
        method = LatentSlerp(backbone, trained="none", sampling=Sampling(4, 0.25, guidance_scale=2.0))
        calls = spy(method)
        method.interpolate_batch(random_batch(2, between=1))
        empty, prompt = calls[0][2].chunk(2)
        torch.testing.assert_close(prompt, backbone.fixed_condition.expand(2, -1, -1))
        torch.testing.assert_close(empty, backbone.null_condition.expand(2, -1, -1))
        assert not torch.allclose(prompt, empty)


class TestCheckpoints:
    def test_only_checkpoints_that_training_goes_on_from_are_whole(self):
        method = make()
        weights = dict(method.state_dict())
        resumable = {"state_dict": weights, "optimizer_states": [], "hyper_parameters": {}}
        method.on_save_checkpoint(resumable)
        torch.testing.assert_close(resumable["state_dict"], weights, rtol=0, atol=0)
        for_drawing = {"state_dict": weights, "hyper_parameters": {}}
        method.on_save_checkpoint(for_drawing)
        assert {value.dtype for value in for_drawing["state_dict"].values()} == {torch.float16}
        loaded = make()
        loaded.load_state_dict(for_drawing["state_dict"])
        assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
        torch.testing.assert_close(dict(loaded.state_dict()), weights, rtol=1e-3, atol=1e-6)

    def test_experiment_1_at_the_size_of_stable_diffusion_is_small(self):
        """The origin wrote 5 GB. The cross-attention's weights are 176 MB, in half precision 88."""
        backbone = tiny_backbone()
        with torch.device("meta"):
            backbone.unet = UNet2DConditionModel(cross_attention_dim=768)
        assert sum(p.numel() for p in backbone.unet.parameters()) == 859_520_964
        method = TemporalEncodingDiffusion(backbone, trained="attn2")
        checkpoint = {"state_dict": method.state_dict(), "hyper_parameters": {}}
        assert megabytes(checkpoint) == pytest.approx(178.2, abs=0.1)
        method.on_save_checkpoint(checkpoint)
        assert megabytes(checkpoint) == pytest.approx(89.1, abs=0.1)

    def test_low_rank_additions_at_that_size_are_small_even_with_what_adam_remembers(self):
        backbone = tiny_backbone()
        with torch.device("meta"):
            backbone.unet = UNet2DConditionModel(cross_attention_dim=768)
            method = KeyframeDiffusion(backbone, trained="lora", lora_rank=8)
        assert 3 * megabytes({"state_dict": method.state_dict()}) < 10


def megabytes(checkpoint):
    """Of a checkpoint's weights."""
    weights = checkpoint["state_dict"].values()
    return sum(value.numel() * value.element_size() for value in weights) / 1e6
