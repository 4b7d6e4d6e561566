"""Line charts as images."""

import colorsys

import cv2
import numpy as np
import torch
from torch import Tensor

from inbetween.functional.grid import BACKGROUND, FOREGROUND, GAP, TEXT_HEIGHT, text_strip, text_width

TICKS = (0.0, 0.5, 1.0)
GREY = 0.7  # brightness of the frame and of the reference
SUBPIXEL_BITS = 4  # of positions given to OpenCV


def line_chart(lines: Tensor, reference: Tensor, title: str, side: int = 160) -> Tensor:
    """Curves over [0, 1] with values in [0, 1], each in its own colour, and a grey reference.

    Args:
        lines: (K, T) in [0, 1], at T equally spaced positions from 0 to 1.
        reference: (T,) in [0, 1].
        title: Written above.
        side: Of the plot, in pixels.

    Returns:
        (3, H, W) float32 in [0, 1].
    """
    margin = max(text_width(f"{tick:g}") for tick in TICKS) + GAP
    # half a letter extends beyond the ends of both axes
    end = margin // 2
    canvas = np.full((side + end + TEXT_HEIGHT, margin + side + end, 3), round(BACKGROUND * 255), np.uint8)

    def draw(values: Tensor, colour: tuple[float, ...], thickness: int) -> None:
        x = margin + torch.linspace(0, 1, len(values)) * (side - 1)
        y = end + (1 - values.detach().float().cpu()) * (side - 1)
        points = (torch.stack([x, y], dim=-1) * 2**SUBPIXEL_BITS).round().int().numpy()
        shade = [round(255 * channel) for channel in colour]
        cv2.polylines(canvas, [points], False, shade, thickness, cv2.LINE_AA, SUBPIXEL_BITS)

    corners = (margin, end), (margin + side - 1, end + side - 1)
    cv2.rectangle(canvas, *corners, (255, 255, 255), cv2.FILLED)
    cv2.rectangle(canvas, *corners, [round(GREY * 255)] * 3)
    for tick in TICKS:
        label = text_strip(f"{tick:g}", text_width(f"{tick:g}") + 4)
        place = round(tick * (side - 1))
        top, left = end + side - 1 - place - TEXT_HEIGHT // 2, margin + place - label.shape[-1] // 2
        for down, right in ((top, GAP // 2), (end + side, left)):
            room = canvas[down : down + TEXT_HEIGHT, right : right + label.shape[-1]]
            np.minimum(room, (label.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), out=room)
    draw(reference, (GREY,) * 3, 2)
    for number, line in enumerate(lines):
        draw(line, colorsys.hsv_to_rgb(number / len(lines), 1.0, 1 - FOREGROUND), 1)
    plot = torch.from_numpy(canvas).permute(2, 0, 1).float() / 255
    return torch.cat([text_strip(title, plot.shape[-1]), plot], dim=-2)
