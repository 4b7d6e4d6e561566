"""Labelled image grids."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

GAP = 6  # pixels between cells
TEXT_HEIGHT = 22  # pixels of a label
SCALE = 0.45  # of OpenCV's font: letters of about 10 pixels
BACKGROUND, FOREGROUND = 0.94, 0.15  # brightness of the grid and its text; white images stand out


def text_width(text: str) -> int:
    """Width in pixels of a label."""
    return int(cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, SCALE, 1)[0][0])


def text_strip(text: str, width: int) -> Tensor:
    """A line of text as an image, cropped to the width.

    Args:
        text: The text.
        width: In pixels.

    Returns:
        (3, TEXT_HEIGHT, width) float32 in [0, 1].
    """
    strip = np.full((TEXT_HEIGHT, width), round(BACKGROUND * 255), np.uint8)
    shade = round(FOREGROUND * 255)
    cv2.putText(strip, text, (2, 15), cv2.FONT_HERSHEY_SIMPLEX, SCALE, shade, 1, cv2.LINE_AA)
    return (torch.from_numpy(strip).float() / 255).expand(3, -1, -1)


def error_map(image: Tensor, reference: Tensor) -> Tensor:
    """Error map: white for equal pixels, through red to black for opposite ones.

    Args:
        image: (..., 3, H, W) in [0, 1].
        reference: (..., 3, H, W) in [0, 1].

    Returns:
        (..., 3, H, W) float32 in [0, 1].
    """
    error = (image.float() - reference.float()).abs().mean(dim=-3, keepdim=True)
    # the first half of the range takes green and blue away, the second half red
    cold = (1 - 2 * error).clamp(min=0)
    return torch.cat([(2 - 2 * error).clamp(max=1), cold, cold], dim=-3)


def image_grid(
    rows: Sequence[Sequence[Tensor | None]],
    columns: Sequence[str],
    labels: Sequence[str],
    title: str = "",
) -> Tensor:
    """An image grid with a name above each column and beside each row.

    Args:
        rows: Images (3, H, W) in [0, 1], or None for an empty cell; sizes may differ, a smaller image
            is centred in its cell.
        columns: Name of each column.
        labels: Name of each row.
        title: Above everything, unless empty.

    Returns:
        (3, height, width) float32 in [0, 1].
    """
    images = [image for row in rows for image in row if image is not None]
    cell_height = max(image.shape[-2] for image in images)
    cell_width = max(image.shape[-1] for image in images)
    margin = max(map(text_width, labels)) + GAP
    head = TEXT_HEIGHT * (2 if title else 1)
    height = head + len(rows) * (cell_height + GAP)
    width = margin + len(columns) * (cell_width + GAP)
    sheet = torch.full((3, height, width), BACKGROUND)

    def place(image: Tensor, top: int, left: int) -> None:
        area = sheet[:, top : top + image.shape[-2], left : left + image.shape[-1]]
        area.copy_(image)

    if title:
        place(text_strip(title, width), 0, 0)
    for i, name in enumerate(columns):
        place(text_strip(name, cell_width), head - TEXT_HEIGHT, margin + i * (cell_width + GAP))
    for j, (row, label) in enumerate(zip(rows, labels, strict=True)):
        top = head + j * (cell_height + GAP)
        place(text_strip(label, margin), top + max(0, (cell_height - TEXT_HEIGHT) // 2), 0)
        for i, image in enumerate(row):
            if image is not None:
                down = (cell_height - image.shape[-2]) // 2
                right = (cell_width - image.shape[-1]) // 2
                place(image, top + down, margin + i * (cell_width + GAP) + right)
    return sheet


def stacked(sheets: Sequence[Tensor]) -> Tensor:
    """Grids (3, h, w) stacked vertically, padded to the widest: (3, H, W) in [0, 1]."""
    height, width = sum(sheet.shape[-2] for sheet in sheets), max(sheet.shape[-1] for sheet in sheets)
    result = torch.full((3, height, width), BACKGROUND)
    top = 0
    for sheet in sheets:
        result[:, top : top + sheet.shape[-2], : sheet.shape[-1]] = sheet
        top += sheet.shape[-2]
    return result
