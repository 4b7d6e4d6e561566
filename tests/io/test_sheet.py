"""A contact sheet shows every image, in order, and stays of bounded size."""

import numpy as np
import pytest
from PIL import Image

from inbetween.io.sheet import KEYFRAME, LONGEST, contact_sheet


def fields(count: int, size: tuple[int, int] = (60, 40)) -> list[Image.Image]:
    return [Image.new("RGB", size, (0, 2 * number, 200)) for number in range(count)]


def test_images_are_in_order_and_keyframes_are_framed() -> None:
    sheet = np.asarray(contact_sheet(fields(7), {0, 3, 6}, range(7)))
    ys, xs = (sheet[..., 2] == 200).nonzero()
    inside = sheet[ys, xs, 1].reshape(-1)
    assert sorted(set(inside.tolist())) == [0, 2, 4, 6, 8, 10, 12]
    centres = [(ys[inside == 2 * number].mean(), xs[inside == 2 * number].mean()) for number in range(7)]
    assert centres == sorted(centres)  # row by row
    assert len({round(y) for y, _ in centres}) == 3
    framed = (sheet == KEYFRAME).all(2)
    for number, (y, x) in enumerate(centres):
        assert framed[round(y - 22), round(x)] == (number in {0, 3, 6})


def test_numbers_are_written_below() -> None:
    one, other = (contact_sheet(fields(1), set(), [number]) for number in (3, 48))
    assert one.size == other.size
    assert one.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("count", "size"), [(1, (4000, 20)), (4, (20, 4000)), (900, (640, 360)), (9, (1, 1))]
)
def test_its_size_is_bounded(count: int, size: tuple[int, int]) -> None:
    image = Image.new("L", size, 7)
    sheet = contact_sheet([image] * count, {0}, range(count))
    assert max(sheet.size) <= LONGEST
    assert (np.asarray(sheet) == 7).all(2).any()


def test_transparent_images_are_on_white() -> None:
    sheet = np.asarray(contact_sheet([Image.new("RGBA", (60, 40), (9, 9, 9, 0))], set(), [0]))
    assert not (sheet == 9).all(2).any()
