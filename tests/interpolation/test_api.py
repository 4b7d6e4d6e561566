"""Images of any kind in, the same kind out."""

import numpy as np
import pytest
import torch
from PIL import Image

import inbetween
from inbetween.errors import UserError
from inbetween.functional.spacing import spacing_chart
from tests.commands.known_methods import Gambler, OpaqueCrossFade
from tests.interpolation.images import as_tensor, noise

PARTS = [0.25, 0.5, 0.75]


@pytest.mark.parametrize("channels", [3, 4])
def test_every_kind_gives_its_own_kind_and_the_same_frames(
    model: inbetween.Interpolator, channels: int
) -> None:
    a, b = noise(channels, 0), noise(channels, 1)
    arrays = model.interpolate(a, b, t=PARTS)
    assert arrays.dtype == np.uint8
    assert arrays.shape == (3, 24, 40, channels)
    images = model.interpolate(Image.fromarray(a), Image.fromarray(b), t=PARTS)
    assert [image.mode for image in images] == ["RGB" if channels == 3 else "RGBA"] * 3
    assert np.array_equal(np.stack(images), arrays)
    tensors = model.interpolate(as_tensor(a), as_tensor(b), t=PARTS)
    assert tensors.shape == (3, channels, 24, 40)
    assert np.abs(tensors.permute(0, 2, 3, 1).numpy() * 255 - arrays).max() <= 0.51
    # a cross-fade's own definition, where all is opaque
    expected = a[:12, 10:, :3] * 0.75 + b[:12, 10:, :3] * 0.25
    assert np.abs(arrays[0, :12, 10:, :3] - expected).max() <= 0.51


def test_a_batch_of_tensors_is_interpolated_pair_by_pair(model: inbetween.Interpolator) -> None:
    a, b = (torch.stack([as_tensor(noise(3, k)) for k in pair]).double() for pair in ((0, 1), (2, 3)))
    frames = model.interpolate(a, b, t=[0.5, 0.1])
    assert frames.shape == (2, 2, 3, 24, 40)
    assert frames.dtype == torch.float64
    for one, first, last in zip(frames, a, b, strict=True):
        assert torch.equal(one, model.interpolate(first, last, t=[0.5, 0.1]))


@pytest.mark.parametrize("kind", ["pil", "array", "tensor", "one array", "one tensor"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_sequence_holds_its_keyframes_bit_exact(
    model: inbetween.Interpolator, kind: str, channels: int
) -> None:
    arrays = [noise(channels, number) for number in range(3)]
    keys = {
        "pil": [Image.fromarray(array) for array in arrays],
        "array": arrays,
        "tensor": [as_tensor(array) for array in arrays],
        "one array": np.stack(arrays),
        "one tensor": torch.stack([as_tensor(array) for array in arrays]),
    }[kind]
    frames = inbetween.interpolate(keys, between=2, spacing="ease_out", method=model, cuts="interpolate")
    assert len(frames) == 7
    assert type(frames) is (list if kind == "pil" else torch.Tensor if "tensor" in kind else np.ndarray)
    for number, key in enumerate(keys):
        same = torch.equal if "tensor" in kind else np.array_equal
        assert same(frames[3 * number], key if "tensor" in kind else np.asarray(key))
    pair = model.interpolate(keys[0], keys[1], t=spacing_chart("ease_out", 2))
    assert all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(frames[1:3], pair, strict=True))


@pytest.mark.parametrize(
    ("modes", "expected"),
    [(["L", "L"], "L"), (["LA", "L"], "LA"), (["P", "L"], "RGB"), (["RGBA", "1"], "RGBA")],
)
def test_pil_images_of_several_modes(model: inbetween.Interpolator, modes: list[str], expected: str) -> None:
    keys = [Image.new("L", (9, 7), level).convert(mode) for level, mode in zip((255, 0), modes, strict=True)]
    frames = inbetween.interpolate(keys, t=[0.2], method=model, cuts="interpolate")
    assert [frame.mode for frame in frames] == [expected] * 3
    assert [frame.convert("L").getpixel((3, 3)) for frame in frames] == [255, 204, 0]


def test_grey_with_premultiplied_opacity(model: inbetween.Interpolator) -> None:
    straight = [Image.new("LA", (9, 7), pixel) for pixel in ((200, 128), (100, 128))]
    expected = inbetween.interpolate(straight, t=0.5, method=model, cuts="interpolate")
    frames = inbetween.interpolate(
        [image.convert("La") for image in straight], t=0.5, method=model, cuts="interpolate"
    )
    assert [frame.mode for frame in frames] == ["LA"] * 3
    difference = [np.asarray(a).astype(int) - np.asarray(b) for a, b in zip(frames, expected, strict=True)]
    assert np.abs(difference).max() <= 1


def test_methods_without_alpha_interpolate_opacity_beside(model: inbetween.Interpolator) -> None:
    a, b = noise(4, 0), noise(4, 1)
    beside = inbetween.Interpolator(OpaqueCrossFade()).interpolate(a, b, PARTS)
    assert np.abs(beside[..., 3].astype(int) - model.interpolate(a, b, PARTS)[..., 3]).max() <= 1


def test_numbers_may_be_of_any_kind(model: inbetween.Interpolator) -> None:
    a, b = noise(), noise(number=1)
    expected = model.interpolate(a, b, t=[0.25, 0.5])
    for t in ((0.25, 0.5), np.array([0.25, 0.5]), torch.tensor([0.25, 0.5])):
        assert np.array_equal(model.interpolate(a, b, t=t), expected)
        sequence = inbetween.interpolate((image for image in (a, b)), t=t, method=model, cuts="interpolate")
        assert np.array_equal(sequence[1:3], expected)
    for t in (0.5, np.float32(0.5), [0.5]):
        assert np.array_equal(model.interpolate(a, b, t=t), expected[1:])


def test_a_cut_is_held_unless_it_is_to_be_drawn(model: inbetween.Interpolator) -> None:
    keys = [np.repeat(np.repeat(noise(3, k, (8, 8)), 8, 0), 8, 1) for k in (0, 1)]
    held = inbetween.interpolate(keys, between=2, method=model)
    assert all(np.array_equal(frame, keys[0]) for frame in held[:3])
    assert not np.array_equal(inbetween.interpolate(keys, method=model, cuts="interpolate")[1], keys[0])


def test_a_seed_decides_about_chance() -> None:
    gambler = inbetween.Interpolator(Gambler())
    keys = [as_tensor(noise(3, k)) for k in range(3)]
    once, again, other, next_one = (
        inbetween.interpolate(keys, 2, method=gambler, cuts="interpolate", **asked)
        for asked in ({}, {}, {"seed": 1}, {"candidate": 1})
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert not torch.equal(once, next_one)
    # a pair's frames are those of its own in a sequence, whatever they are asked for with
    assert torch.equal(gambler.interpolate(keys[0], keys[1], [0.1, 0.2]), once[1:3])
    batch = gambler.interpolate(torch.stack(keys[:2]), torch.stack(keys[1:]), [0.1, 0.2])
    assert torch.equal(batch.flatten(0, 1), torch.cat([once[1:3], once[4:6]]))


def test_arrays_that_cannot_be_written_are_taken(
    model: inbetween.Interpolator, recwarn: pytest.WarningsRecorder
) -> None:
    array = np.asarray(Image.fromarray(noise()))
    assert not array.flags.writeable
    assert np.array_equal(model.interpolate(array, array)[0], array)
    assert np.array_equal(model.interpolate(array[::-1, ::-1], array[::-1, ::-1])[0], array[::-1, ::-1])
    assert not recwarn


@pytest.mark.parametrize("channels", [3, 4])
def test_arrays_of_16_bits_give_16_bits(model: inbetween.Interpolator, channels: int) -> None:
    random = np.random.default_rng(0)
    a, b = (random.integers(0, 65536, (24, 40, channels)).astype(np.uint16) for _ in range(2))
    for array in (a, b):
        array[..., 3:] = 65535
    frames = inbetween.interpolate([a, b], t=0.25, method=model, cuts="interpolate")
    assert frames.dtype == np.uint16
    assert np.array_equal(frames[0], a)
    assert np.array_equal(frames[2], b)
    assert np.abs(frames[1] - (a * 0.75 + b * 0.25)).max() <= 1
    assert np.array_equal(model.interpolate(a, b, t=0.25)[0], frames[1])
    flat = [np.full((24, 40, channels), level, np.uint16) for level in (0, 65535)]
    kept = inbetween.interpolate([flat[1], flat[1]], method=model, palette="keep")
    assert np.array_equal(kept[1], flat[1])
    with pytest.raises(UserError, match="image 0 is of uint16 and image 1 of uint8: give one dtype"):
        inbetween.interpolate([a, noise(channels)], method=model)
    with pytest.raises(UserError, match="is of float64: give an array of uint8, from 0 to 255, or uint16"):
        inbetween.interpolate([a / 1.0, b / 1.0], method=model)


def test_grey_pil_images_of_16_bits_give_16_bits(model: inbetween.Interpolator) -> None:
    a, b = (np.random.default_rng(seed).integers(0, 65536, (9, 7)).astype(np.uint16) for seed in (0, 1))
    keys = [Image.fromarray(a), Image.fromarray(b)]
    frames = inbetween.interpolate(keys, method=model, cuts="interpolate")
    assert [frame.mode for frame in frames] == ["I;16"] * 3
    assert np.array_equal(np.asarray(frames[0]), a)
    assert np.abs(np.asarray(frames[1]) - (a / 2 + b / 2)).max() <= 1
    mixed = inbetween.interpolate([keys[0], Image.new("L", (7, 9), 200)], method=model, cuts="interpolate")
    assert [frame.getpixel((3, 3)) for frame in mixed[::2]] == [int(a[3, 3]), 200 * 257]
    # Pillow has no colours of 16 bits
    assert inbetween.interpolate([keys[0], Image.new("RGB", (7, 9))], method=model)[0].mode == "RGB"


def test_a_fade_is_blended_and_a_flash_is_shown_once() -> None:
    model = inbetween.Interpolator(Gambler())
    image = np.repeat(np.repeat(noise(3, 0, (8, 8)), 8, 0), 8, 1)
    keys = [image, image // 2, np.zeros_like(image)]
    frames = inbetween.interpolate(keys, t=[0.25, 0.5], method=model)
    assert np.abs(frames[1] - (image * 0.75 + image // 2 * 0.25)).max() <= 0.51
    assert np.abs(frames[4] - image // 2 * 0.75).max() <= 0.51
    flash = inbetween.interpolate([image, np.zeros_like(image), image], between=2, method=model)
    expected = [image] * 3 + [np.zeros_like(image)] + [image] * 3
    assert np.array_equal(flash, expected)
    assert not np.array_equal(inbetween.interpolate(keys, method=model, cuts="interpolate")[1], frames[2])
