"""What a perceptual loss sees of a diffusion's training."""

from torch import Tensor

from inbetween.functional.crops import crops_at
from inbetween.functional.padding import pad_to_multiple
from inbetween.methods.diffusion.latent_diffusion import LatentDiffusion
from inbetween.methods.diffusion.noising import crop_cells


def decoded_crops(
    backbone: LatentDiffusion, latents: Tensor, frames: Tensor, corners: Tensor
) -> tuple[Tensor, Tensor]:
    """The same square crops of decoded latents and of true frames, each at a place of its own.

    The cells at a crop's edge are left out: the decoder does not see what lies around them.

    Args:
        backbone: Decodes, with gradients.
        latents: (B, C, h, w) normalised, h and w at least 3.
        frames: (B, 3, H, W) in [0, 1].
        corners: (B, 2) int64: top and left cell of each crop.

    Returns:
        Crops (B, 3, S, S) in [0, 1] of both, of `CROP` pixels or what the pictures have.
    """
    cell = backbone.multiple
    side = crop_cells(cell, (latents.shape[-2], latents.shape[-1]))
    decoded = backbone.decode_with_gradients(crops_at(latents, corners, side))
    true = crops_at(pad_to_multiple(frames, cell), (corners + 1) * cell, (side - 2) * cell)
    return decoded[..., cell:-cell, cell:-cell], true
