"""Decoded crops of predicted latents, for the perceptual loss."""

from torch import Tensor

from inbetween.functional.crops import crops_at
from inbetween.functional.padding import pad_to_multiple
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion
from inbetween.methods.diffusion.training_sample import crop_side


def decoded_crops(
    backbone: LatentDiffusion, latents: Tensor, frames: Tensor, corners: Tensor
) -> tuple[Tensor, Tensor]:
    """The same square crops of decoded latents and of true frames, each at its own place.

    A margin of one latent pixel is cut off, since the decoder lacks the context around the crop.

    Args:
        backbone: Decodes, with gradients.
        latents: (B, C, h, w) normalised, h and w at least 3.
        frames: (B, 3, H, W) in [0, 1].
        corners: (B, 2) int64: top and left latent pixel of each crop.

    Returns:
        Crops (B, 3, S, S) in [0, 1] of both, S being `CROP` or the frames' shorter side less the margin.
    """
    margin = backbone.multiple
    side = crop_side(margin, (latents.shape[-2], latents.shape[-1]))
    decoded = backbone.decode_with_gradients(crops_at(latents, corners, side))
    true = crops_at(pad_to_multiple(frames, margin), (corners + 1) * margin, (side - 2) * margin)
    return decoded[..., margin:-margin, margin:-margin], true
