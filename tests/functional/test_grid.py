"""Image grids."""

import pytest
import torch

from inbetween.functional.grid import (
    BACKGROUND,
    GAP,
    TEXT_HEIGHT,
    error_map,
    image_grid,
    stacked,
    text_strip,
    text_width,
)


def flat(value: float, height: int = 20, width: int = 30) -> torch.Tensor:
    return torch.full((3, height, width), value)


def test_images_are_where_rows_and_columns_say() -> None:
    sheet = image_grid([[flat(0.0), flat(0.25)], [None, flat(1.0, 10, 14)]], ["a", "b"], ["hold", "x"])
    margin = text_width("hold") + GAP
    assert sheet.shape == (3, TEXT_HEIGHT + 2 * (20 + GAP), margin + 2 * (30 + GAP))
    top, second = TEXT_HEIGHT, TEXT_HEIGHT + 20 + GAP
    right = margin + 30 + GAP
    assert (sheet[:, top : top + 20, margin : margin + 30] == 0).all()
    assert (sheet[:, top : top + 20, right : right + 30] == 0.25).all()
    assert (sheet[:, second : second + 20, margin : margin + 30] == BACKGROUND).all()
    # the smaller image is centred in its cell
    cell = sheet[:, second : second + 20, right : right + 30]
    assert (cell[:, 5:15, 8:22] == 1).all()
    assert (cell == 1).sum() == 3 * 10 * 14


def test_labels_are_written_beside_rows_and_above_columns() -> None:
    named = image_grid([[flat(0.5)], [flat(0.5)]], ["first"], ["frame", ""], title="clip")
    dark = named.min(dim=0).values < 0.4
    assert dark[:TEXT_HEIGHT].any()  # title
    assert dark[TEXT_HEIGHT : 2 * TEXT_HEIGHT].any()  # column
    margin = text_width("frame") + GAP
    assert dark[2 * TEXT_HEIGHT : 2 * TEXT_HEIGHT + 20, :margin].any()
    assert not dark[2 * TEXT_HEIGHT + 20 + GAP :, :margin].any()


def test_text_is_cut_at_its_strip() -> None:
    assert text_strip("a very long name indeed", 40).shape == (3, TEXT_HEIGHT, 40)
    assert not torch.equal(text_strip("a", 40), text_strip("b", 40))


@pytest.mark.parametrize(("error", "color"), [(0.0, (1, 1, 1)), (0.5, (1, 0, 0)), (1.0, (0, 0, 0))])
def test_error_goes_from_white_through_red_to_black(error: float, color: tuple[int, int, int]) -> None:
    mapped = error_map(flat(error), flat(0.0))
    assert mapped.shape == (3, 20, 30)
    assert mapped[:, 3, 4].tolist() == pytest.approx(color)


def test_grids_are_stacked_and_padded() -> None:
    both = stacked([flat(0.1, 5, 10), flat(0.2, 7, 30)])
    assert both.shape == (3, 12, 30)
    assert (both[:, :5, :10] == 0.1).all()
    assert (both[:, :5, 10:] == BACKGROUND).all()
    assert (both[:, 5:] == 0.2).all()
