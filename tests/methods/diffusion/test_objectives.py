"""The two objectives: what they ask of a backbone, and how a residual is read."""

import pytest
import torch

from inbetween.errors import UserError
from inbetween.methods.diffusion import Denoising, FreshBackbone, ImageRefinement, KeyframeDiffusion
from inbetween.methods.diffusion.objectives import compute_change_mask, masked_residual
from tests.tiny import tiny_backbone, write_tiny_backbone


def test_a_backbone_made_for_the_other_objective_is_refused_with_its_name(tmp_path):
    few = {"channels": (16, 32), "embedding_dim": 16, "encoder_layers": 1, "encoder_image_size": 16}
    vae = str(write_tiny_backbone(tmp_path) / "vae")
    for image_refinement, objective, needed, found, other in (
        (True, Denoising(), 4, 16, "ImageRefinement"),
        (False, ImageRefinement(), 16, 4, "Denoising"),
    ):
        backbone = FreshBackbone(vae, **few, image_refinement=image_refinement)
        with pytest.raises(UserError) as error:
            KeyframeDiffusion(backbone, objective=objective, trained="all")
        assert str(error.value) == (
            f"The objective {type(objective).__name__} needs a UNet with {needed} input channels (latents"
            f" have 4), and the backbone's has {found}: set objective to"
            f" inbetween.methods.diffusion.{other}, or give another backbone."
        )


def test_a_backbone_made_for_neither_objective_is_refused():
    """Such as Stable Diffusion for inpainting, with nine channels."""
    backbone = tiny_backbone()
    backbone.unet.register_to_config(in_channels=9)
    with pytest.raises(UserError, match="the backbone's has 9: give another backbone"):
        KeyframeDiffusion(backbone)


def test_the_ordinary_objective_is_the_default():
    assert isinstance(KeyframeDiffusion(tiny_backbone()).objective, Denoising)


def test_residuals_are_lines_and_no_flat_colours():
    line, change_mask = torch.zeros(1, 4, 16, 16), torch.zeros(1, 1, 16, 16)
    line[..., 8], change_mask[..., 4:13] = 1.0, 1.0
    tone = torch.randn(1, 4, 1, 1)
    found = masked_residual(line + tone, change_mask)
    torch.testing.assert_close(found, masked_residual(line, change_mask))
    assert masked_residual(tone.expand(1, 4, 16, 16), change_mask).abs().max() < 1e-5
    torch.testing.assert_close(found[..., 8], torch.full((1, 4, 16), 1 - 1 / 9))
    assert not found[..., :4].any()


def test_where_keyframes_and_initial_latents_agree_nothing_changes():
    first, last, start = torch.randn(1, 3, 12, 20).expand(3, -1, -1, -1).clone().split(1)
    assert not compute_change_mask(first, last, start).any()
    last[0, 1, 5, 4] += 9
    start[0, 2, 5, 15] -= 9
    found = compute_change_mask(first, last, start)
    assert found.shape == (1, 1, 12, 20)
    expected = torch.zeros(12, 20)
    expected[3:8, 2:7] = expected[3:8, 13:18] = 1
    torch.testing.assert_close(found[0, 0], expected)
    start[0, 2, 5, 15] = first[0, 2, 5, 15] + 0.1
    assert float(compute_change_mask(first, last, start)[0, 0, 5, 15]) == pytest.approx(0.2, abs=1e-5)
