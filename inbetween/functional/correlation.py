"""Local correlation volumes of feature maps."""

from torch import Tensor
from torch.nn import functional as F


def correlation(a: Tensor, b: Tensor, radius: int) -> Tensor:
    """Mean product over channels of a's features with b's at each offset up to `radius`, row-major.

    Each row of a is multiplied with each nearby row of b in one matrix product, of which the band around the
    diagonal is kept: many times faster than shifted products.

    Args:
        a: (M, C, H, W).
        b: (M, C, H, W).
        radius: In pixels.

    Returns:
        (M, (2 radius + 1)^2, H, W).
    """
    size, channels, height, width = a.shape
    span = 2 * radius + 1
    rows = a.permute(0, 2, 3, 1)[:, :, None] / channels
    near = F.pad(b, (radius,) * 4).permute(0, 2, 3, 1).unfold(1, span, 1)  # (M, H, W + 2r, C, span)
    products = rows @ near.permute(0, 1, 4, 3, 2)  # (M, H, span, W, W + 2r)
    # padding each row by one element shifts row x by x, which aligns the band
    band = F.pad(products.flatten(3), (0, width)).view(size, height, span, width, -1)[..., :span]
    return band.permute(0, 2, 4, 1, 3).reshape(size, span * span, height, width)
