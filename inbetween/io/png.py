"""PNG files of 8 or 16 bits a channel, with a colour profile and a resolution."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inbetween.io.images import open_image

#: Chunks of a PNG file, type and content, that say how its pixels are to be shown.
Chunks = tuple[tuple[bytes, bytes], ...]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"pHYs")
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # by number of channels
_INCH = 0.0254  # metres
_SPACE = slice(16, 20)  # of an ICC profile's header: the colour model it is for


def appearance(path: Path) -> Chunks:
    """The colour profile, gamma and resolution of an image file, as chunks of a PNG.

    Those of a PNG file are taken as they are.

    Raises:
        UserError: The file is no image.
    """
    with open_image(path) as image:
        if image.format == "PNG":
            return _chunks_of(path)
        found = []
        if profile := image.info.get("icc_profile"):
            found.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
        if dpi := image.info.get("dpi"):
            x, y = (float(dots) / _INCH for dots in dpi)
            if 0.5 < x < 2**31 and 0.5 < y < 2**31:  # not of a TIFF that has 0/0
                found.append((b"pHYs", struct.pack(">IIB", round(x), round(y), 1)))
        return tuple(found)


def fits(chunks: Chunks, grey: bool) -> bool:
    """Whether the colour profile among chunks is one for grey images, or for coloured ones."""
    profiles = [content for kind, content in chunks if kind == b"iCCP"]
    try:
        headers = [
            zlib.decompressobj().decompress(profile.partition(b"\0")[2][1:], _SPACE.stop)
            for profile in profiles
        ]
    except zlib.error:
        return False
    return all(header[_SPACE] == (b"GRAY" if grey else b"RGB ") for header in headers)


def differ(chunks: Chunks, others: Chunks) -> bool:
    """Whether two images are shown differently; one without a resolution is like any."""
    a, b = dict(chunks), dict(others)
    kinds = {kind for kind in (*a, *b) if kind != b"pHYs"}
    if b"pHYs" in a and b"pHYs" in b:
        kinds.add(b"pHYs")
    return any(a.get(kind) != b.get(kind) for kind in kinds)


def without_profile(chunks: Chunks) -> Chunks:
    """Chunks without the colour profile."""
    return tuple(chunk for chunk in chunks if chunk[0] != b"iCCP")


def encode_pixels(pixels: NDArray[Any], chunks: Chunks = ()) -> bytes:
    """Encode an image (H, W, C) as PNG of its own bit depth.

    Args:
        pixels: uint8 or uint16: grey, grey and opacity, RGB, or RGB and opacity for C = 1, 2, 3, 4.
        chunks: See `appearance`.
    """
    if pixels.dtype == np.uint16:
        return _encode_16_bits(pixels, chunks)
    encoded = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(encoded, "PNG")
    png = encoded.getvalue()
    begin = len(_SIGNATURE) + 25  # behind the header
    return png[:begin] + b"".join(_chunk(*chunk) for chunk in chunks) + png[begin:]


def _encode_16_bits(pixels: NDArray[np.uint16], chunks: Chunks) -> bytes:
    """Encoded here: Pillow writes 16 bits for grey alone."""
    height, width, channels = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = 2  # each byte as the difference from the one above
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks_of(path: Path) -> Chunks:
    """The chunks before the pixels that are kept."""
    found = []
    with path.open("rb") as file:
        file.seek(len(_SIGNATURE))
        while len(start := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", start)
            if kind == b"IDAT":
                break
            if kind in _KEPT:
                found.append((kind, file.read(length)))
                file.seek(4, io.SEEK_CUR)
            else:
                file.seek(length + 4, io.SEEK_CUR)
    return tuple(found)
