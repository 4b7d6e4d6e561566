"""16 bits, colour profiles and resolutions survive reading and writing."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from inbetween.io.images import Layers, WideLayers, in_8_bits, read_layers
from inbetween.io.png import appearance, differ, encode_pixels, fits
from inbetween.io.sequences import SourceImage, SourceImageReader

GAMMA = (b"gAMA", (45455).to_bytes(4, "big"))
DPI_300 = (b"pHYs", (11811).to_bytes(4, "big") * 2 + b"\1")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 65536, shape).astype(np.uint16)


def read(path: Path, frame: int | None = None) -> Layers | WideLayers:
    return SourceImageReader().read(SourceImage(path, frame))


def profile(path: Path, mode: str = "RGB") -> bytes:
    """An image with a colour profile, and the profile."""
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new(mode, (5, 4)).save(path, icc_profile=icc, dpi=(300, 300))
    return icc


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bits_are_written_and_read_exactly(tmp_path: Path, channels: int) -> None:
    pixels, path = noise(7, 9, channels), tmp_path / "a.png"
    path.write_bytes(encode_pixels(pixels, (GAMMA, DPI_300)))
    found = read(path)
    assert isinstance(found, WideLayers)
    colors = pixels[..., :3] if channels > 2 else np.repeat(pixels[..., :1], 3, axis=2)
    assert np.array_equal(found.color, colors)
    assert found.grey == (channels < 3)
    if channels in (2, 4):
        assert np.array_equal(found.opacity, pixels[..., -1])
    else:
        assert found.opacity is None
    with Image.open(path) as image:  # as others read it
        image.load()
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
    narrow = read_layers(path)
    assert np.abs(in_8_bits(found).color.astype(int) - narrow.color).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_tiff_of_16_bits_is_read_exactly(tmp_path: Path, channels: int) -> None:
    pixels, path = noise(7, 9, channels), tmp_path / "a.tif"
    cv2.imwrite(str(path), pixels[..., ::-1])
    found = read(path)
    assert np.array_equal(found.color, np.repeat(pixels, 3, axis=2) if channels == 1 else pixels)
    assert found.grey == (channels == 1)


def test_pages_of_16_bits(tmp_path: Path) -> None:
    pages, path = [noise(7, 9), noise(7, 9) // 2], tmp_path / "a.tif"
    first, last = (Image.fromarray(page) for page in pages)
    first.save(path, save_all=True, append_images=[last])
    reader = SourceImageReader()
    for number, page in enumerate(pages):
        assert np.array_equal(reader.read(SourceImage(path, number)).color[..., 1], page)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bits_are_turned_upright(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise(7, 9)).save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / name) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    found = read(tmp_path / name)
    if isinstance(found, WideLayers):
        assert np.array_equal(found.color[..., 0], expected)
    else:  # a TIFF on its side
        assert name == "a.tif"
        assert orientation >= 5
        assert np.array_equal(found.color[..., 0], (expected.astype(int) + 128) // 257)


def test_what_is_cut_short_is_said_of_16_bits_too(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode_pixels(noise(40, 50, 3))[:-900])
    with pytest.raises(Exception, match=r"a\.png is damaged or cut short"):
        read(path)


def test_a_png_keeps_its_chunks_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    icc = profile(path)
    chunks = appearance(path)
    assert [kind for kind, _ in chunks] == [b"iCCP", b"pHYs"]
    for pixels in (np.zeros((4, 5, 3), np.uint8), noise(4, 5, 3)):
        with Image.open(io.BytesIO(encode_pixels(pixels, (*chunks, GAMMA)))) as image:
            image.load()
            assert image.info["icc_profile"] == icc
            assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)
            assert image.info["gamma"] == pytest.approx(0.45455)


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_other_files_profiles_become_chunks(tmp_path: Path, name: str) -> None:
    icc = profile(tmp_path / name)
    encoded = encode_pixels(np.zeros((4, 5, 3), np.uint8), appearance(tmp_path / name))
    with Image.open(io.BytesIO(encoded)) as image:
        assert image.info["icc_profile"] == icc
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.5)


def test_a_resolution_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    resolution = TiffImagePlugin.IFDRational(0, 0)
    Image.new("RGB", (5, 4)).save(tmp_path / "a.tif", tiffinfo={282: resolution, 283: resolution, 296: 2})
    assert appearance(tmp_path / "a.tif") == ()


def test_which_profiles_fit_and_differ(tmp_path: Path) -> None:
    profile(tmp_path / "a.png")
    chunks = appearance(tmp_path / "a.png")
    assert fits(chunks, grey=False)
    assert not fits(chunks, grey=True)
    assert fits((GAMMA,), grey=True)
    assert not fits(((b"iCCP", b"a\0\0no profile"),), grey=False)
    assert differ(chunks, (DPI_300,))
    assert not differ((GAMMA, DPI_300), (GAMMA,))  # one without a resolution
    assert differ((DPI_300,), ((b"pHYs", b"\0" * 9),))
