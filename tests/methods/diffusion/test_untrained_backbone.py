"""Backbones with random weights, for both objectives."""

import shutil

import pytest
import torch
from diffusers import UNet2DConditionModel

from inbetween.errors import UserError
from inbetween.methods.diffusion import Backbone, Sampling, UntrainedBackbone
from inbetween.methods.diffusion.objectives import ImageRefinement, masked_residual
from inbetween.methods.diffusion.sampling import denoise_from


def test_fresh_backbone_fits_its_autoencoder(folder):
    fresh = UntrainedBackbone(str(folder / "vae"), channels=(16, 16), embedding_dim=32, encoder_layers=1)
    latents = fresh.encode(torch.rand(1, 3, 32, 32))
    tokens = fresh.embed(torch.rand(1, 3, 32, 32))[:, None]
    assert tokens.shape == (1, 1, fresh.embedding_dim)
    assert fresh.denoise(latents, torch.tensor([10]), tokens).shape == latents.shape


def test_the_two_coarsest_levels_of_a_fresh_denoiser_attend(folder):
    few = {"embedding_dim": 32, "encoder_layers": 1}
    for channels, attending in (((16, 16), 1), ((16, 16, 16), 2), ((16, 16, 16, 16), 2)):
        unet = UntrainedBackbone(str(folder / "vae"), channels=channels, **few).unet
        found = [type(block).__name__ for block in unet.down_blocks]
        plain = len(channels) - attending
        assert found == ["DownBlock2D"] * plain + ["CrossAttnDownBlock2D"] * attending


def test_a_fresh_refining_denoiser_leaves_the_initial_latents_alone_and_ends_without_noise(folder):
    few = {"channels": (16, 16), "embedding_dim": 32, "encoder_layers": 1}
    plain, refiner = (
        UntrainedBackbone(str(folder / "vae"), **few, image_refinement=value) for value in (False, True)
    )
    assert (refiner.unet.config.in_channels, refiner.unet.config.out_channels) == (16, 4)
    given = torch.randn(1, 16, 8, 8), torch.tensor([10]), torch.randn(1, 1, 32)
    assert not refiner.denoise(*given).any()
    assert plain.denoise(given[0][:, :4], *given[1:]).std() > 0
    assert refiner.scheduler.config.set_alpha_to_one


@pytest.mark.parametrize("scheduler", [None, "diffusers.DPMSolverMultistepScheduler"])
@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
def test_the_residual_is_what_sampling_adds_to_its_initial_latents(folder, scheduler, prediction_type):
    few = {"channels": (16, 16), "embedding_dim": 32, "encoder_layers": 1}
    backbone = UntrainedBackbone(
        str(folder / "vae"), **few, image_refinement=True, prediction_type=prediction_type
    )
    start, change = torch.randn(2, 2, 4, 8, 8)
    change_mask = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1).expand(2, 1, 8, 8)
    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    sampling = Sampling(20, 0.4, scheduler=scheduler)

    # keyframes differ in the first row, so that all may change there, and agree in the second
    keyframes = start + 9 * change_mask, start
    predictor = ImageRefinement().predictor(backbone, start, keyframes)

    def predict(sample, timestep):
        return predictor(change, sample, timestep)

    found = denoise_from(sampling.make_scheduler(backbone.scheduler), predict, start, generators, sampling)
    torch.testing.assert_close(found, start + masked_residual(change, change_mask), atol=2e-2, rtol=0)
    torch.testing.assert_close(found[1], start[1], atol=2e-2, rtol=0)
    assert (found[0] - start[0]).std() > 0.5


def test_a_denoiser_of_other_channels(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "odd")
    UNet2DConditionModel(
        out_channels=8,
        block_out_channels=(8,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
        mid_block_type=None,
        norm_num_groups=4,
    ).save_pretrained(tmp_path / "odd" / "unet")
    with pytest.raises(UserError, match="UNet has 8 output channels and its autoencoder's latents 4: give"):
        Backbone(str(tmp_path / "odd"))


def test_part_of_a_fresh_backbone_is_not_trained_alone(folder):
    """What is random and frozen is in no checkpoint: inference would start from other weights."""
    fresh = UntrainedBackbone(str(folder / "vae"), channels=(16, 16), embedding_dim=32, encoder_layers=1)
    for part in ("none", "attn2", "lora"):
        with pytest.raises(UserError, match=f"trained is {part}"):
            fresh.train_part(part)
    fresh.train_part("all")
    assert all(p.requires_grad for p in (*fresh.unet.parameters(), *fresh.image_encoder.parameters()))


def test_fresh_backbone_without_autoencoder_says_how_to_get_one(tmp_path):
    with pytest.raises(UserError, match="train_autoencoder"):
        UntrainedBackbone(str(tmp_path))
