"""PNG files hold what was drawn, and are there whole or not at all."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.io.files import write_whole
from inbetween.io.frames import encode_png, write_image


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_every_channel_is_stored_to_the_nearest_value(channels: int, mode: str) -> None:
    image = torch.rand(channels, 5, 7, generator=torch.Generator().manual_seed(0))
    stored = Image.open(io.BytesIO(encode_png(image)))
    assert stored.mode == mode
    expected = np.floor(image.double().numpy() * 255 + 0.5).astype(np.uint8)
    assert np.array_equal(np.asarray(stored).reshape(5, 7, channels), expected.transpose(1, 2, 0))


def test_values_out_of_range_are_cut_off() -> None:
    stored = Image.open(io.BytesIO(encode_png(torch.tensor([[[-0.3, 1.7]]]))))
    assert np.asarray(stored).tolist() == [[0, 255]]


@pytest.mark.parametrize("mishap", [KeyboardInterrupt, OSError])
def test_a_mishap_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mishap: type[BaseException]
) -> None:
    def fail(*args: object) -> None:
        raise mishap

    path = tmp_path / "a" / "drawing ä.png"
    write_whole(path, b"old")
    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(mishap):
        write_image(path, torch.zeros(3, 2, 2))
    assert [found.name for found in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == b"old"
