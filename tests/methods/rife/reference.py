"""RIFE 4.26's published graph, written down plainly: functions on a state dict."""

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = dict[str, Tensor]


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def warp(image: Tensor, flow: Tensor) -> Tensor:
    height, width = image.shape[-2:]
    x = torch.linspace(-1, 1, width).view(1, 1, 1, width).expand(len(image), -1, height, -1)
    y = torch.linspace(-1, 1, height).view(1, 1, height, 1).expand(len(image), -1, -1, width)
    scale = flow.new_tensor([(width - 1) / 2, (height - 1) / 2]).view(1, 2, 1, 1)
    grid = torch.cat([x, y], dim=1) + flow / scale
    return F.grid_sample(
        image, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="border", align_corners=True
    )


def encode(w: Weights, image: Tensor) -> Tensor:
    x = leaky(F.conv2d(image, w["encode.cnn0.weight"], w["encode.cnn0.bias"], 2, 1))
    x = leaky(F.conv2d(x, w["encode.cnn1.weight"], w["encode.cnn1.bias"], 1, 1))
    x = leaky(F.conv2d(x, w["encode.cnn2.weight"], w["encode.cnn2.bias"], 1, 1))
    return F.conv_transpose2d(x, w["encode.cnn3.weight"], w["encode.cnn3.bias"], 2, 1)


def block(w: Weights, name: str, x: Tensor, flow: Tensor | None, scale: int) -> tuple[Tensor, ...]:
    x = F.interpolate(x, scale_factor=1 / scale, mode="bilinear", align_corners=False)
    if flow is not None:
        flow = F.interpolate(flow, scale_factor=1 / scale, mode="bilinear", align_corners=False) / scale
        x = torch.cat([x, flow], dim=1)
    for number in (0, 1):
        layer = f"{name}.conv0.{number}.0"
        x = leaky(F.conv2d(x, w[f"{layer}.weight"], w[f"{layer}.bias"], 2, 1))
    for number in range(8):
        layer = f"{name}.convblock.{number}"
        y = F.conv2d(x, w[f"{layer}.conv.weight"], w[f"{layer}.conv.bias"], 1, 1)
        x = leaky(y * w[f"{layer}.beta"] + x)
    x = F.conv_transpose2d(x, w[f"{name}.lastconv.0.weight"], w[f"{name}.lastconv.0.bias"], 2, 1)
    x = F.interpolate(F.pixel_shuffle(x, 2), scale_factor=scale, mode="bilinear", align_corners=False)
    return x[:, :4] * scale, x[:, 4:5], x[:, 5:]


def rife(w: Weights, first: Tensor, last: Tensor, t: Tensor) -> Tensor:
    """The frame (1, 3, H, W) at a map t (1, 1, H, W), H and W multiples of 64."""
    f0, f1 = encode(w, first), encode(w, last)
    flow, mask, hidden = block(w, "block0", torch.cat([first, last, f0, f1, t], 1), None, 16)
    for number, scale in ((1, 8), (2, 4), (3, 2), (4, 1)):
        to_first, to_last = flow[:, :2], flow[:, 2:]
        seen = [warp(first, to_first), warp(last, to_last), warp(f0, to_first), warp(f1, to_last)]
        change, mask, hidden = block(w, f"block{number}", torch.cat([*seen, t, mask, hidden], 1), flow, scale)
        flow = flow + change
    share = torch.sigmoid(mask)
    return share * warp(first, flow[:, :2]) + (1 - share) * warp(last, flow[:, 2:])
