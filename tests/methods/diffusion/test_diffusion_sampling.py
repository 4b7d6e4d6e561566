"""Image-to-image sampling by diffusion methods."""

import pytest
import torch

from inbetween.functional.slerp import slerp
from inbetween.methods import TemporalEncodingDiffusion, WeightedCrossAttention
from inbetween.methods.diffusion import Denoising, Sampling
from inbetween.modules.classical_flow import two_way_flow, warped_blend
from tests.methods.diffusion.tiny_methods import METHODS, make, spy
from tests.tiny import random_batch

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


class TestSampling:
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
    def test_without_strength_it_decodes_the_initial_latents(self, init):
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
    def test_what_does_not_move_is_reproduced(self, init):
        """The tiny autoencoder is untrained, so that all of the frame is residual."""
        batch = random_batch(2)
        batch["last"] = batch["first"]
        still = batch["first"][:, None].expand(-1, 3, -1, -1, -1)
        method = make(sampling=Sampling(4, 0.0, init=init, autoencoder_residual=True))
        torch.testing.assert_close(method.interpolate_batch(batch), still, atol=2e-3, rtol=0)
        assert (
            make(sampling=Sampling(4, 0.0, init=init)).interpolate_batch(batch) - still
        ).abs().mean() > 0.1

    def test_a_trained_flow_takes_the_place_of_the_classical_one(self, flow_weights):
        """With an autoencoder that changes nothing, the initial latents are spacing flow's frames."""
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
        method = make(
            objective=Denoising(["flow"]), sampling=Sampling(4, 0.5, init="flow", flow=str(weights))
        )
        encoded = spy(method, "encode")
        batch = random_batch(2, between=1, height=64, width=64)
        method.training_loss(batch)
        torch.testing.assert_close(
            encoded[-1][0], spacing_flow.interpolate_batch(batch)[:, 0], atol=1e-5, rtol=0
        )

    @pytest.mark.parametrize("init", ["slerp", "flow"])
    def test_the_residual_is_blended_as_the_initial_latents_are(self, init):
        """With an autoencoder that loses everything, the residual is the frame."""
        method = make(sampling=Sampling(4, 0.0, init=init, autoencoder_residual=True))
        batch = random_batch(2, height=64, width=64)
        method.backbone.decode = lambda latents: torch.full((len(latents), 3, 64, 64), 0.5)
        first, last, t = (batch[key] for key in ("first", "last", "t"))
        still = torch.zeros(2, 2, 64, 64)
        flows = two_way_flow(first, last, "dis") if init == "flow" else (still, still)
        expected = warped_blend(first, last, t, *flows)
        torch.testing.assert_close(method.interpolate_batch(batch), expected, atol=1e-5, rtol=0)

    def test_the_residual_too_is_decoded_in_parts_of_max_frames(self):
        method = make(sampling=Sampling(4, 0.0, autoencoder_residual=True, max_frames=3))
        calls = spy(method, "decode")
        method.interpolate_batch(random_batch(2))
        assert [len(latents) for (latents,) in calls] == [3, 1, 3, 3]

    def test_inverted_strength_would_lose_the_initial_latents(self):
        """A quarter of the steps keeps the slerped latents; the original project ran the other three."""
        batch, errors = random_batch(2), []
        for strength in (0.25, 0.75):
            method = make(sampling=Sampling(20, strength))
            method.backbone.denoise = lambda sample, *_: torch.zeros_like(sample)
            kept = make(sampling=Sampling(20, 0.0)).interpolate_batch(batch)
            errors.append((method.interpolate_batch(batch) - kept).square().mean())
        assert errors[0] < errors[1]

    @pytest.mark.parametrize("cls", METHODS)
    def test_only_some_depend_on_t(self, cls):
        method = make(cls)
        embeddings = torch.randn(2, 4, 3, 16)
        early, late = (method.condition(*embeddings, torch.full((4,), t)) for t in (0.2, 0.8))
        assert torch.equal(early, late) == (cls is not TemporalEncodingDiffusion)
        sample, timestep, tokens = torch.randn(2, 4, 8, 8), torch.tensor([3, 4]), torch.randn(2, 4, 16)
        with torch.no_grad():
            outputs = [method.denoise(sample, timestep, tokens, torch.full((2,), t)) for t in (0.2, 0.8)]
        assert torch.equal(*outputs) == (cls is not WeightedCrossAttention)
