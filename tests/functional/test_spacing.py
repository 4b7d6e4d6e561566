"""Spacing charts as animators know them."""

import pytest

from inbetween.functional.spacing import Chart, spacing_chart


@pytest.mark.parametrize(
    ("chart", "expected"),
    [
        ("even", [0.25, 0.5, 0.75]),
        ("ease_in", [0.0625, 0.25, 0.5625]),
        ("ease_out", [0.4375, 0.75, 0.9375]),
        ("ease_in_out", [0.15625, 0.5, 0.84375]),
        ("halves", [0.5, 0.75, 0.875]),
    ],
)
def test_three_drawings(chart: Chart, expected: list[float]) -> None:
    assert spacing_chart(chart, 3) == expected


def test_even_drawings_are_halves_thirds_and_quarters() -> None:
    assert spacing_chart("even", 1) == [1 / 2]
    assert spacing_chart("even", 2) == [1 / 3, 2 / 3]


def test_one_ease_is_the_other_backwards() -> None:
    eased = [1 - t for t in reversed(spacing_chart("ease_in", 6))]
    assert spacing_chart("ease_out", 6) == pytest.approx(eased, abs=1e-12)
