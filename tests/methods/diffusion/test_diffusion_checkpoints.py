"""What checkpoints of diffusion methods hold."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from inbetween.methods import KeyframeDiffusion, TemporalEncodingDiffusion
from tests.methods.diffusion.tiny_methods import make
from tests.tiny import tiny_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


class TestCheckpoints:
    def test_only_checkpoints_that_training_goes_on_from_are_whole(self):
        method = make()
        weights = dict(method.state_dict())
        resumable = {"state_dict": weights, "optimizer_states": [], "hyper_parameters": {}}
        method.on_save_checkpoint(resumable)
        torch.testing.assert_close(resumable["state_dict"], weights, rtol=0, atol=0)
        for_inference = {"state_dict": weights, "hyper_parameters": {}}
        method.on_save_checkpoint(for_inference)
        assert {value.dtype for value in for_inference["state_dict"].values()} == {torch.float16}
        loaded = make()
        loaded.load_state_dict(for_inference["state_dict"])
        assert all(parameter.dtype == torch.float32 for parameter in loaded.parameters())
        torch.testing.assert_close(dict(loaded.state_dict()), weights, rtol=1e-3, atol=1e-6)

    def test_experiment_1_at_the_size_of_stable_diffusion_is_small(self):
        """The original project wrote 5 GB. The cross-attention's weights are 176 MB, in half precision 88."""
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
