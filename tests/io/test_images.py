"""Every way a drawing may be stored, and every way it may be broken."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from inbetween.data.fit import Fit, pad
from inbetween.errors import UserError
from inbetween.io.images import image_size, read_image

WHITE = (255, 255, 255)
RGB = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)


def read_back(tmp_path: Path, image: Image.Image, name: str = "a.png", **options: Any) -> np.ndarray:
    image.save(tmp_path / name, **options)
    return read_image(tmp_path / name, (10, 20, 30))


def test_rgb_is_read_exactly(tmp_path: Path) -> None:
    for name in ("a.png", "a.tiff", "Zeichnung ä 原画.png"):
        assert np.array_equal(read_back(tmp_path, Image.fromarray(RGB), name), RGB)
    assert np.array_equal(read_back(tmp_path, Image.fromarray(RGB), "a.webp", lossless=True), RGB)


def test_jpeg_is_read_nearly(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    read = read_back(tmp_path, Image.fromarray(flat), "a.JPG", quality=95)
    assert np.abs(read.astype(int) - flat).max() <= 3


def test_grey_becomes_rgb(tmp_path: Path) -> None:
    read = read_back(tmp_path, Image.fromarray(RGB[..., 0]))
    assert np.array_equal(read, np.repeat(RGB[..., :1], 3, axis=2))


def test_16_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    read = read_back(tmp_path, Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)))
    assert read[0, :, 0].tolist() == [0, 1, 128, 255]


def test_16_bit_color_is_scaled(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), RGB[..., ::-1].astype(np.uint16) * 257)
    assert np.array_equal(read_image(tmp_path / "a.png", WHITE), RGB)


def test_transparency_is_laid_on_the_background(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 51, 255)  # a fifth of red over (10, 20, 30) is (48, 16, 24)
    expected = [[10, 20, 30], [48, 16, 24], [200, 0, 0]]
    assert read_back(tmp_path, Image.fromarray(rgba))[0].tolist() == expected
    grey = np.array([[[200, 0], [200, 255]]], np.uint8)
    assert read_back(tmp_path, Image.fromarray(grey, "LA"))[0].tolist() == [[10, 20, 30], [200, 200, 200]]


def test_palettes_are_looked_up_with_their_transparency(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([1, 2, 3, 250, 240, 230])
    assert read_back(tmp_path, image)[0].tolist() == [[1, 2, 3], [250, 240, 230]]
    assert read_back(tmp_path, image, transparency=0)[0].tolist() == [[10, 20, 30], [250, 240, 230]]


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees, clockwise
    for name in ("a.png", "a.tiff"):
        read = read_back(tmp_path, Image.fromarray(RGB), name, exif=exif)
        assert np.array_equal(read, np.rot90(RGB, -1))
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif)
    assert image_size(tmp_path / "a.jpg") == (8, 6)


@pytest.mark.parametrize("reader", [lambda path: read_image(path, WHITE), image_size])
def test_broken_files_end_in_one_sentence(tmp_path: Path, reader: Any) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"not an image")
    with pytest.raises(UserError, match=r"a\.png is not an image"):
        reader(path)
    Image.new("CMYK", (4, 4)).save(tmp_path / "a.tiff")
    with pytest.raises(UserError, match=r"a\.tiff has CMYK colours"):
        reader(tmp_path / "a.tiff")
    for side in (8001, 20000):
        Image.new("1", (side, side)).save(path)
        with pytest.raises(UserError, match=r"a\.png has more than 64 million pixels"):
            reader(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tiff"])
def test_truncated_files_end_in_one_sentence(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=name):
        read_image(tmp_path / name, WHITE)


def test_pad_keeps_the_aspect_ratio_and_says_where_the_picture_is() -> None:
    fit = Fit((90, 160), (64, 64), "pad")
    assert fit.box == (14, 0, 36, 64)
    picture = fit.picture(np.zeros((90, 160, 3), np.uint8))
    window = pad(picture[None], fit.box, (64, 64), (1, 2, 3))[0]
    inside = np.zeros((64, 64), bool)
    inside[14:50] = True
    assert (window[inside] == 0).all()
    assert (window[~inside] == (1, 2, 3)).all()


def test_crop_fills_the_window_from_the_middle() -> None:
    fit = Fit((64, 128), (64, 64), "crop")
    image = np.zeros((64, 128, 3), np.uint8)
    image[:, 32:96] = 255
    assert fit.box == (0, 0, 64, 64)
    assert (fit.picture(image) == 255).all()


def test_head_room_is_stored_only_where_the_source_has_it() -> None:
    assert Fit((1080, 1920), (256, 256), "pad", keep=0.8).store == (180, 320)
    assert Fit((256, 256), (256, 256), "pad", keep=0.8).store == (256, 256)
    assert Fit((100, 100), (256, 256), "pad", keep=0.8).store == (256, 256)


def test_shrinking_averages() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # would alias to black or white without antialiasing
    assert np.abs(Fit((64, 64), (16, 16), "pad").picture(stripes).astype(int) - 128).max() <= 1
