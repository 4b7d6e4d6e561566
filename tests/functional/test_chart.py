"""Charts are where their numbers say."""

import torch

from inbetween.functional.chart import GREY, line_chart
from inbetween.functional.grid import GAP, TEXT_HEIGHT, text_width

SIDE = 101
LEFT = text_width("0.5") + GAP
TOP = TEXT_HEIGHT + LEFT // 2  # below the title and half a letter


def plotted(lines, reference):
    """The plotted square, (3, SIDE, SIDE), row 0 at value 1."""
    return line_chart(lines, reference, "chart", SIDE)[:, TOP : TOP + SIDE, LEFT : LEFT + SIDE]


def test_lines_pass_through_their_values():
    # one red line that stays at 0.7; the reference stays at 0.2
    square = plotted(torch.full((1, 5), 0.7), torch.full((5,), 0.2))
    inside = square[:, :, 10:-10]
    red, green, blue = inside[:, 30]  # 100 (1 - 0.7)
    assert (red > 0.8).all()
    assert (green < 0.3).all()
    assert (blue < 0.3).all()
    torch.testing.assert_close(inside[:, 80], torch.full((3, SIDE - 20), GREY), atol=0.15, rtol=0)
    other = [row for row in range(1, SIDE - 1) if not 27 <= row <= 33 and not 77 <= row <= 83]
    assert (inside[:, other] == 1).all()


def test_a_rising_line_rises_to_the_right():
    square = plotted(torch.linspace(0, 1, 9)[None], torch.zeros(9))
    green = square[1]
    for x in (20, 50, 80):
        assert green[100 - x, x] < 0.3
    for x in (20, 80):
        assert green[x, x] == green[50, x] == 1


def test_lines_have_colours_of_their_own():
    levels = torch.tensor([0.2, 0.5, 0.8])
    square = plotted(levels[:, None].expand(3, 4), torch.zeros(4))
    colours = {tuple((square[:, 80 - 30 * i, 50] * 10).round().tolist()) for i in range(3)}
    assert len(colours) == 3


def test_axes_are_labelled():
    chart = line_chart(torch.zeros(1, 2), torch.zeros(2), "chart", SIDE)
    ink = chart[0] < 0.5
    assert ink[:TEXT_HEIGHT].any()
    for value in (0.0, 0.5, 1.0):
        row, column = TOP + round(100 * (1 - value)), LEFT + round(100 * value)
        assert ink[row - 8 : row + 8, : LEFT - 2].any(), value
        assert ink[TOP + SIDE :, column - 6 : column + 6].any(), value
