"""Hashes of drawings stay where a drawing is recoloured, and follow where it is mirrored."""

import cv2
import numpy as np
import pytest

from inbetween.data.augment import recolor
from inbetween.data.synthetic.scene import SyntheticScene
from inbetween.functional.perceptual_hash import (
    BITS,
    SQUARE,
    drawing_box,
    edge_map,
    hash_bits,
    hash_distances,
    squared,
)


def drawing(index: int = 0) -> np.ndarray:
    return SyntheticScene(5, index, "color").draw(0.5, (96, 128))


def bits(image: np.ndarray) -> np.ndarray:
    edges = edge_map(image)
    assert edges is not None
    return hash_bits(squared(edges))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(hash_distances(bits(one)[None], bits(other)[None])[0, 0])


def test_shapes_and_range() -> None:
    edges = edge_map(drawing())
    assert edges is not None
    assert edges.shape == (96, 128)
    assert 0 <= edges.min() < edges.max() < 1
    assert squared(edges).shape == (SQUARE, SQUARE)
    assert bits(drawing()).shape == (BITS,)


@pytest.mark.parametrize(
    "copy",
    [
        lambda image: 255 - image,
        lambda image: (image * 0.8).astype(np.uint8),
        lambda image: recolor(image[None], np.array([0.0, 0.0, 0.6]))[0],
        lambda image: image[..., ::-1],
        lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    ],
    ids=["inverted", "darker", "hue", "red and blue swapped", "half"],
)
def test_a_copy_is_near(copy: object) -> None:
    image = drawing()
    assert distance(np.ascontiguousarray(copy(image)), image) < 0.1  # type: ignore[operator]


def test_other_drawings_are_far() -> None:
    images = [drawing(index) for index in range(6)]
    distances = [distance(a, b) for place, a in enumerate(images) for b in images[:place]]
    assert min(distances) > 0.25


def test_the_mirror_image_has_the_mirrored_edges() -> None:
    image = drawing()
    edges, mirrored = edge_map(image), edge_map(np.ascontiguousarray(image[:, ::-1]))
    assert edges is not None
    assert mirrored is not None
    np.testing.assert_allclose(mirrored, edges[:, ::-1], atol=1e-4)
    assert distance(image, np.ascontiguousarray(image[:, ::-1])) > 0.25


def test_distances_count_bits() -> None:
    one, other = np.zeros((1, 8), np.bool_), np.zeros((2, 8), np.bool_)
    other[1, :2] = True
    np.testing.assert_allclose(hash_distances(one, other), [[0, 0.25]])


def test_an_empty_margin_is_cut_off() -> None:
    image = np.full((128, 128, 3), 255, np.uint8)
    image[20:60, 30:100] = 0
    edges = edge_map(image)
    assert edges is not None
    rows, columns = drawing_box(edges)
    assert abs(rows.start - 20) <= 3
    assert abs(rows.stop - 60) <= 3
    assert abs(columns.start - 30) <= 3
    assert abs(columns.stop - 100) <= 3


@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_images_have_no_hash(value: int) -> None:
    image = np.full((40, 60, 3), value, np.uint8)
    assert edge_map(image) is None
    noise = np.random.default_rng(0).integers(-2, 3, image.shape)
    assert edge_map((image.astype(int) + noise).clip(0, 255).astype(np.uint8)) is None
