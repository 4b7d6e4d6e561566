"""A mistake in what is given to the Python API is said in one sentence."""

import pytest
import torch
from PIL import Image

import inbetween
from inbetween.errors import UserError
from tests.interpolation.images import as_tensor, noise


@pytest.mark.parametrize(
    ("first", "last", "asked", "says"),
    [
        (noise(), noise(4), {}, "first has the shape (24, 40, 3) and last (24, 40, 4): give "),
        (noise(), noise(size=(24, 41)), {}, "first has the shape (24, 40, 3) and last (24, 41, 3): "),
        (noise(), as_tensor(noise()), {}, "first is a ndarray and last a Tensor: give all of one kind."),
        (noise(), "b.png", {}, "last is a str: give PIL images, numpy arrays (H, W, 3 or 4) uint8 or "),
        (noise()[..., 0], noise()[..., 0], {}, "first has the shape (24, 40): give an array (H, W, 3) or "),
        (noise() / 255, noise() / 255, {}, "first is of float64: give an array of uint8, from 0 to 255, "),
        (noise().astype(int), noise(), {}, "first is of int64: give an array of uint8, from 0 to 255, "),
        (torch.ones(2, 8, 8), torch.ones(2, 8, 8), {}, "first has the shape (2, 8, 8): give a tensor "),
        (torch.ones(3, 8, 8), torch.full((3, 8, 8), -1.0), {}, "last has values from -1 to -1: give "),
        (torch.full((3, 8, 8), torch.nan), torch.ones(3, 8, 8), {}, "first has values from nan to nan"),
        (torch.ones(3, 8, 8).byte(), torch.ones(3, 8, 8).byte(), {}, "first is of torch.uint8: give "),
        (torch.ones(2, 3, 8, 8), torch.ones(1, 3, 8, 8), {}, "first has 2 images and last 1: give "),
        (Image.new("CMYK", (8, 8)), Image.new("RGB", (8, 8)), {}, "first has CMYK colours, "),
        (noise(), noise(), {"t": 0}, "t has 0: give numbers between 0 (first) and 1 (last), both excluded."),
        (noise(), noise(), {"t": [0.5, 1.0]}, "t has 1: give numbers between 0 (first) and 1 (last)"),
        (noise(), noise(), {"t": []}, "t has 0 numbers: give 1 to "),
        (noise(), noise(), {"t": "half"}, "t is 'half': give numbers between 0 and 1, such as "),
        (noise(), noise(), {"t": None}, "t is None: give numbers between 0 and 1, such as "),
        (noise(), noise(), {"t": [[0.5]]}, "t is [[0.5]]: give numbers between 0 and 1, such as "),
        (noise(), noise(), {"candidate": 0.5}, "candidate is 0.5: give a whole number."),
        (noise(), noise(), {"seed": "x"}, "seed is 'x': give a whole number."),
        (Image.new("RGB", (8, 9)), Image.new("RGB", (7, 9)), {}, "first has 8x9 pixels and last 7x9: give "),
        (noise(), noise(), {"candidate": 1}, "candidate is 1, and CrossFade has one only: give 0."),
    ],
)  # fmt: skip
def test_a_mistake_is_said_in_one_sentence(
    model: inbetween.Interpolator, first: object, last: object, asked: dict, says: str
) -> None:
    with pytest.raises(UserError) as caught:
        model.interpolate(first, last, **asked)
    assert str(caught.value).startswith(says)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    ("images", "asked", "says"),
    [
        ([noise()], {}, "Two images are needed at least: "),
        (Image.new("RGB", (8, 8)), {}, "Two images are needed at least: "),
        (noise(), {}, "images has the shape (24, 40, 3): give an array (K, H, W, C) or "),
        ([noise(), noise(), noise(4)], {}, "image 0 has the shape (24, 40, 3) and image 2 (24, 40, 4): "),
        ([noise()] * 2, {"cuts": "draw"}, "cuts is draw: give one of repeat, interpolate."),
        ([noise()] * 2, {"between": 0}, "between is 0: give a number of frames from 1 to "),
        (None, {}, "images is a NoneType: give a list of keyframes in order."),
        ([noise()] * 2, {"between": 1.5}, "between is 1.5: give a whole number."),
        ([noise()] * 2, {"between": "3"}, "between is '3': give a whole number."),
        ([noise()] * 2, {"t": "ab"}, "t is 'ab': give numbers between 0 and 1, such as "),
        ([noise()] * 2, {"method": 3}, "The method is a int: give its name, such as 'spacing_flow'."),
        ([noise()] * 2, {"spacing": "wild"}, "There is no spacing wild: give one of even, ease_in, "),
        ([noise()] * 2, {"t": [0.5, 0.25]}, "t is 0.5 0.25: give rising numbers between 0 and 1, such as "),
        ([noise()] * 2, {"t": [0.5], "between": 1}, "t sets the number of frames and their positions: "),
        ([noise()] * 2, {"method": "nowhere"}, "There is no method nowhere: give a YAML file, "),
        ([noise()] * 2, {"method": "nowhere.yaml"}, "There is no config file nowhere.yaml; "),
        ([noise()] * 2, {"method": "no.safetensors"}, "There is no checkpoint no.safetensors; "),
        ([noise()] * 2, {"method": "dis", "device": "abacus"}, "There is no device abacus here: give cpu"),
    ],
)  # fmt: skip
def test_a_mistake_about_a_sequence_is_said_in_one_sentence(images: object, asked: dict, says: str) -> None:
    with pytest.raises(UserError) as caught:
        inbetween.interpolate(images, **asked)
    assert str(caught.value).startswith(says)


def test_an_unknown_precision_is_said_in_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^precision is fp16: give one of 32-true, bf16-mixed\.$"):
        inbetween.load("dis", precision="fp16")  # type: ignore[arg-type]
