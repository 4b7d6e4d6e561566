"""Conditions and further inputs of the denoiser."""

import pytest
import torch

from inbetween.errors import UserError
from inbetween.functional.slerp import slerp
from inbetween.methods import KeyframeDiffusion, LatentSlerp
from inbetween.methods.diffusion import ImageRefinement, Sampling, UntrainedBackbone
from inbetween.methods.diffusion.latent_diffusion import WidenedConv
from tests.methods.diffusion.tiny_methods import METHODS, make, row, spy
from tests.tiny import random_batch, write_tiny_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


class TestCondition:
    @pytest.mark.parametrize("cls", METHODS[1:])
    def test_dropped_samples_see_zeros_and_each_its_own_way(self, cls):
        """The original project guided a denoiser that had never been trained without its condition."""
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

    def test_further_inputs_count_after_a_few_steps(self):
        """Adam changes weights by the learning rate a step: from zero they would count late."""
        torch.manual_seed(0)
        widened = WidenedConv(torch.nn.Conv2d(4, 8, 3, padding=1), 4)
        optimizer = torch.optim.AdamW(widened.extra.parameters(), lr=1e-3)
        x = torch.randn(2, 8, 16, 16)
        own = widened(x).detach()
        for _ in range(20):
            optimizer.zero_grad()
            (widened(x) - x).square().mean().backward()
            optimizer.step()
        assert (widened(x) - own).std() > 0.3 * own.std()

    def test_keyframe_latents_tell_where_things_are(self):
        method = make(keyframe_latents=True)
        calls, batch = spy(method), random_batch(2)
        method.training_loss(batch)
        method.interpolate_batch(batch)
        ends = torch.cat([method.backbone.encode(batch[name]) for name in ("first", "last")], dim=1)
        torch.testing.assert_close(calls[0][0][:, 4:], ends)
        torch.testing.assert_close(calls[1][0][:, 4:], ends.repeat_interleave(3, 0))

    def test_a_refining_denoiser_sees_the_initial_latents_and_changes_those(self, tmp_path):
        """The small backbone's own: latent slerp shows it no keyframes."""
        write_tiny_backbone(tmp_path)

        def fresh(cls, **options):
            torch.manual_seed(0)
            few = {"channels": (16, 32), "embedding_dim": 16, "encoder_layers": 1, "encoder_image_size": 16}
            backbone = UntrainedBackbone(str(tmp_path / "vae"), **few, image_refinement=True)
            return cls(
                backbone,
                **{"trained": "all", "objective": ImageRefinement(["slerp"]), "sampling": Sampling(4, 0.5)}
                | options,
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
        with pytest.raises(UserError, match=r"refines an initial image, and sampling\.init is noise"):
            fresh(LatentSlerp, sampling=Sampling(4, 0.5, init="noise"))

    def test_the_line_condition_is_the_lines_of_the_warped_blend_and_sometimes_none(self):
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
