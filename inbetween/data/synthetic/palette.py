"""Curated colour palettes."""

import colorsys

import numpy as np

from inbetween.data.synthetic.parts import Color

SKIN = ["ffe6d6", "ffdcc5", "f9d0b4", "f3c19d", "e5a77f", "c98a61", "a5694a", "7c4b35", "fff0e6", "ffd9cf"]
HAIR = [
    "2b2430", "3a2c2a", "5a3b2c", "7d5237", "a8764a", "d9a85f", "f1d08a", "b4553a", "8c2f2f", "bdbcc4",
    "8f93a8", "e9e4ea", "4a5fa5", "5aa3c7", "77c0b5", "e58fb0", "c46a9d", "8a64b5", "6f9a5d", "22304f",
]  # fmt: skip
# clothes, second colour, accent, things, sky
CLOTHES = [
    ["f7f4ef", "b4484d", "e8b23a", "6d6a86", "bfe0ee"], ["2f4b7c", "f2efe9", "d1495b", "8d96a3", "cfe4f5"],
    ["d1495b", "edae49", "30638e", "003d5b", "fbe7c6"], ["84a98c", "cad2c5", "52796f", "354f52", "e9f1e4"],
    ["f4acb7", "ffe5d9", "9d8189", "d8e2dc", "ffe9ef"], ["457b9d", "a8dadc", "e63946", "1d3557", "f1faee"],
    ["e9c46a", "f4a261", "e76f51", "264653", "fdf1d4"], ["6d597a", "b56576", "eaac8b", "355070", "f6dfd3"],
    ["ffffff", "3d3d48", "f26d5b", "c9cbd6", "e3edf5"], ["3d3d48", "8a8fa0", "c9a227", "5b3a49", "d9d6e0"],
    ["90be6d", "f9c74f", "f3722c", "577590", "e7f6e1"], ["9fc5e8", "ffffff", "e06666", "6fa8dc", "eaf4ff"],
    ["a44a3f", "f2d0a4", "545e75", "3f2e2e", "f8ead6"], ["70508c", "d3b5e5", "f6c344", "3b2a4d", "ece2f5"],
    ["ef8354", "fdf0d5", "4f5d75", "2d3142", "dfe7ee"], ["2a9d8f", "e9f5ef", "f4a261", "21545a", "d5f0ea"],
]  # fmt: skip
FUR = [
    "f5efe6", "d8b48a", "b07a4b", "7a5235", "8d8f98", "4b4a55", "e79a4f", "f3c987", "c9c2bd", "efb6b0",
    "9fc18f", "8fb8d9", "f6d667", "c3a3da",
]  # fmt: skip
PENCIL = ["3a3a40", "55565e", "6a5f5a", "3f5f9f", "5a86c8", "b24a44", "2b2b2e", "7a7c86", "4a6a5a"]


def rgb(code: str) -> Color:
    """RGB of "rrggbb"."""
    return int(code[0:2], 16), int(code[2:4], 16), int(code[4:6], 16)


def shift(color: Color, hue: float = 0.0, saturation: float = 1.0, value: float = 1.0) -> Color:
    """Turn the hue (in turns) and scale saturation and value."""
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in color))
    r, g, b = colorsys.hsv_to_rgb((h + hue) % 1, min(s * saturation, 1), min(v * value, 1))
    return round(r * 255), round(g * 255), round(b * 255)


def mix(a: Color, b: Color, share: float) -> Color:
    """`a` with `share` of `b`."""
    return tuple(round(x + (y - x) * share) for x, y in zip(a, b, strict=True))  # type: ignore[return-value]


def shade(color: Color, depth: float = 1.0) -> Color:
    """The second tone: darker, a little more saturated, and shifted towards violet."""
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in color))
    turn = 0.02 if 0.2 < h < 0.7 else -0.02
    s = min(s * 1.1 + 0.05 * depth, 1.0)
    r, g, b = colorsys.hsv_to_rgb((h + turn * depth) % 1, s, v * (1 - 0.16 * depth))
    return mix((round(r * 255), round(g * 255), round(b * 255)), (96, 84, 150), 0.07 * depth)


def pick(rng: np.random.Generator, codes: list[str], wobble: float = 1.0) -> Color:
    """One colour of a list, slightly varied."""
    color = rgb(codes[int(rng.integers(len(codes)))])
    hue, saturation, value = rng.uniform(-1, 1, 3) * wobble
    return shift(color, 0.015 * hue, 1 + 0.12 * saturation, 1 + 0.05 * value)
