"""What each diffusion method is conditioned on."""

import pytest
import torch

from inbetween.errors import UserError
from inbetween.methods import LatentSlerp, WeightedCrossAttention
from inbetween.methods.diffusion import Sampling, TextBackbone
from tests.methods.diffusion.tiny_methods import make, spy
from tests.tiny import random_batch, write_tiny_text_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


class TestMethods:
    def test_keyframe_diffusion_conditions_on_both_embeddings(self):
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

    def test_latent_slerp_has_no_image_condition(self):
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
