"""RIFE 4.26's network: flows from an in-between to both keyframes, estimated coarse to fine."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.warp import backward_warp

WIDTHS = (192, 128, 96, 64, 32)  # of the blocks, coarse to fine
SHRINKS = (16, 8, 4, 2, 1)  # factors by which the blocks downscale the image
FEATURES = 4  # channels of a keyframe's features, at each of its pixels
HIDDEN = 8  # channels passed from a block to the next
MULTIPLE = 64  # of which height and width must be multiples


class Estimate(NamedTuple):
    """The network's estimate for M in-betweens, all (M, ..., H, W) float32."""

    flows: Tensor  # (M, 4, H, W) in pixels: to first (x, y) and to last (x, y)
    mask: Tensor  # (M, 1, H, W) logits of the weight of `first`
    hidden: Tensor  # (M, 8, H, W) of the last block
    levels: list[Tensor]  # the flows after each block but the last


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.LeakyReLU(0.2, inplace=True))


class Encoder(nn.Module):
    """Features of a keyframe, (B, 4, H, W) from (B, 3, H, W) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn0 = nn.Conv2d(3, 16, 3, 2, 1)
        self.cnn1 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn2 = nn.Conv2d(16, 16, 3, 1, 1)
        self.cnn3 = nn.ConvTranspose2d(16, FEATURES, 4, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        x = images.contiguous(memory_format=torch.channels_last)
        for layer in (self.cnn0, self.cnn1, self.cnn2):
            x = F.leaky_relu(layer(x), 0.2)
        features: Tensor = self.cnn3(x)
        return features


class ResidualConv(nn.Module):
    """LeakyReLU(beta conv(x) + x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, 1, 1)
        self.beta = nn.Parameter(torch.ones(1, width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, h, w) to the same."""
        return F.leaky_relu(self.conv(x) * self.beta.to(x.dtype) + x, 0.2)


class Block(nn.Module):
    """One step from coarse to fine: a residual for the flows, and a new mask and hidden channels.

    Args:
        inputs: Channels, those of the flow among them.
        width: Channels within.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_conv(inputs, width // 2, 2), _conv(width // 2, width, 2))
        self.convblock = nn.Sequential(*(ResidualConv(width) for _ in range(8)))
        outputs = 4 + 1 + HIDDEN
        self.lastconv = nn.Sequential(nn.ConvTranspose2d(width, 4 * outputs, 4, 2, 1), nn.PixelShuffle(2))

    def forward(self, parts: list[Tensor], flows: Tensor | None, shrink: int) -> tuple[Tensor, ...]:
        """The flows' residual (M, 4, H, W), mask (M, 1, H, W) and hidden channels (M, 8, H, W).

        Args:
            parts: Input channels, (M, ..., H, W) each.
            flows: The flows so far, (M, 4, H, W) in pixels.
            shrink: Factor by which the block downscales.
        """
        seen = [part.float() for part in parts]
        if shrink > 1:
            # one by one, since joining them at their full size takes longer
            seen = [F.interpolate(part, scale_factor=1 / shrink, mode="bilinear") for part in seen]
        if flows is not None:
            small = F.interpolate(flows, scale_factor=1 / shrink, mode="bilinear") if shrink > 1 else flows
            seen.append(small / shrink)
        x = torch.cat(seen, dim=1)
        x = self.convblock(self.conv0(x.contiguous(memory_format=torch.channels_last)))
        found = self.lastconv(x).float()
        if shrink > 1:
            found = F.interpolate(found, scale_factor=shrink, mode="bilinear")
        change, mask, hidden = torch.split(found, [4, 1, HIDDEN], dim=1)
        return change * shrink, mask, hidden


class RifeNetwork(nn.Module):
    """RIFE (arXiv 2011.06294) in version 4.26, of which only weights are published.

    Parameters have the names of the published file, which loads unchanged.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encode = Encoder()
        begin = 2 * (3 + FEATURES) + 1
        later = begin + 1 + HIDDEN + 4
        self.block0 = Block(begin, WIDTHS[0])
        self.block1 = Block(later, WIDTHS[1])
        self.block2 = Block(later, WIDTHS[2])
        self.block3 = Block(later, WIDTHS[3])
        self.block4 = Block(later, WIDTHS[4])
        self.to(memory_format=torch.channels_last)

    def features(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Features of both keyframes (B, 3, H, W), as `forward` takes them: (B, 4, H, W) each."""
        one, other = self.encode(torch.cat([first, last])).chunk(2)
        return one, other

    def forward(
        self, first: Tensor, last: Tensor, features: tuple[Tensor, Tensor], spacing: Tensor
    ) -> Estimate:
        """Estimate the flows of M in-betweens.

        Args:
            first: (M, 3, H, W) float32 in [0, 1], H and W multiples of 64.
            last: (M, 3, H, W).
            features: Of both, (M, 4, H, W) each, what `features` gives.
            spacing: (M, 1, H, W) in [0, 1], the spacing; a constant map of t in the original.
        """
        keyframes = [
            torch.cat([image, seen.float()], 1) for image, seen in zip((first, last), features, strict=True)
        ]
        flows, mask, hidden = self.block0([*_published_order(keyframes), spacing], None, SHRINKS[0])
        levels: list[Tensor] = []
        blocks = (self.block1, self.block2, self.block3, self.block4)
        for block, shrink in zip(blocks, SHRINKS[1:], strict=True):
            levels.append(flows)
            ends = flows[:, :2], flows[:, 2:]
            warped = [backward_warp(image, end) for image, end in zip(keyframes, ends, strict=True)]
            parts = [*_published_order(warped), spacing, mask, hidden]
            change, mask, hidden = block(parts, flows, shrink)
            flows = flows + change
        return Estimate(flows, mask, hidden, levels)


def _published_order(seen: list[Tensor]) -> list[Tensor]:
    """Both images, then both features, of two (M, 3 + 4, H, W)."""
    return [seen[0][:, :3], seen[1][:, :3], seen[0][:, 3:], seen[1][:, 3:]]
