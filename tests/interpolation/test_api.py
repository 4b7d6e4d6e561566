"""`inbetween.load` and `inbetween.interpolate`: images of any kind in, the same kind out."""

import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import inbetween
from inbetween.errors import UserError
from inbetween.functional.spacing import spacing_chart
from inbetween.interpolation.loading import find_model, shipped_names
from inbetween.methods import CrossFade, OpticalFlow, SpacingFlow, TemporalEncodingDiffusion
from inbetween.paths import shipped
from tests.commands.known_methods import Gambler, OpaqueCrossFade

PARTS = [0.25, 0.5, 0.75]


@pytest.fixture(scope="module")
def model() -> inbetween.Interpolator:
    return inbetween.load("cross_fade", device="cpu")


def noise(channels: int = 3, number: int = 0, size: tuple[int, int] = (24, 40)) -> np.ndarray:
    """An image (H, W, channels) uint8 whose opacity, if any, has whole areas of none and of all."""
    stream = np.random.default_rng(number)
    image = stream.integers(0, 256, (*size, channels), np.uint8)
    if channels == 4:
        image[: size[0] // 2, :, 3] = 255
        image[:, : size[1] // 4, 3] = 0
    return image


def as_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


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


def test_methods_without_alpha_interpolate_opacity_beside(model: inbetween.Interpolator) -> None:
    a, b = noise(4, 0), noise(4, 1)
    beside = inbetween.Interpolator(OpaqueCrossFade()).interpolate(a, b, PARTS)
    assert np.abs(beside[..., 3].astype(int) - model.interpolate(a, b, PARTS)[..., 3]).max() <= 1


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


def test_what_ships_is_found_by_name_and_by_its_weights(tmp_path: Path) -> None:
    names = shipped_names()
    assert {"spacing_flow", "dis", "optical_flow", "cross_fade", "exp1", "exp2", "repeat"} <= set(names)
    own = shipped("checkpoints", "exp1", "weights.safetensors")
    assert (
        find_model("exp1")
        == find_model(own)
        == find_model(str(own))
        == (shipped("configs", "exp1.yaml"), own)
    )
    assert find_model("exp1_slerp").weights == own  # of its class
    assert find_model("dis").weights is None
    assert isinstance(inbetween.load("optical_flow").method, OpticalFlow)
    run = tmp_path / "version_0"
    run.mkdir()
    (run / "weights.safetensors").write_bytes(own.read_bytes())
    assert find_model(run / "weights.safetensors").config == shipped("configs", "exp1.yaml")
    (run / "config.yaml").write_text("model: {}")
    assert find_model(run / "weights.safetensors").config == run / "config.yaml"


def test_shipped_weights_are_what_is_loaded() -> None:
    model = inbetween.load("spacing_flow", device="cpu", precision="32-true")
    assert isinstance(model.method, SpacingFlow)
    assert not model.method.training
    assert model.candidates == 3
    again = inbetween.load(shipped("checkpoints", "spacing_flow", "weights.safetensors"), device="cpu")
    for ours, theirs in zip(model.method.parameters(), again.method.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    a, b = (np.full((64, 64, 3), 255, np.uint8) for _ in range(2))
    a[20:40, 10:30], b[20:40, 18:38] = 30, 30
    (middle,) = model.interpolate(a, b)
    assert np.abs(middle[22:38, 16:32].astype(int) - 30).mean() < 3
    assert not np.array_equal(model.interpolate(a, b, candidate=1)[0], middle)


@pytest.mark.slow
def test_every_method_that_ships_interpolates() -> None:
    for name in shipped_names():
        model = inbetween.load(name, device="cpu", precision="32-true")
        frames = model.interpolate(noise(4, 0), noise(4, 1), PARTS[:2])
        assert frames.shape == (2, 24, 40, 4), name
    assert isinstance(inbetween.load("exp1").method, TemporalEncodingDiffusion)


@pytest.mark.parametrize(
    ("first", "last", "asked", "says"),
    [
        (noise(), noise(4), {}, "first has the shape (24, 40, 3) and last (24, 40, 4): give "),
        (noise(), noise(size=(24, 41)), {}, "first has the shape (24, 40, 3) and last (24, 41, 3): "),
        (noise(), as_tensor(noise()), {}, "first is a ndarray and last a Tensor: give all of one kind."),
        (noise(), "b.png", {}, "last is a str: give PIL images, numpy arrays (H, W, 3 or 4) uint8, "),
        (noise()[..., 0], noise()[..., 0], {}, "first has the shape (24, 40): give an array (H, W, 3) or "),
        (noise() / 255, noise() / 255, {}, "first is of float64: give an array of uint8, from 0 to 255."),
        (noise().astype(int), noise(), {}, "first is of int64: give an array of uint8, from 0 to 255."),
        (torch.ones(2, 8, 8), torch.ones(2, 8, 8), {}, "first has the shape (2, 8, 8): give a tensor "),
        (torch.ones(3, 8, 8), torch.full((3, 8, 8), -1.0), {}, "last has values from -1 to -1: give "),
        (torch.full((3, 8, 8), torch.nan), torch.ones(3, 8, 8), {}, "first has values from nan to nan"),
        (torch.ones(3, 8, 8).byte(), torch.ones(3, 8, 8).byte(), {}, "first is of torch.uint8: give "),
        (torch.ones(2, 3, 8, 8), torch.ones(1, 3, 8, 8), {}, "first has 2 images and last 1: give "),
        (Image.new("CMYK", (8, 8)), Image.new("RGB", (8, 8)), {}, "first has CMYK colours, "),
        (noise(), noise(), {"t": 0}, "t has 0: give numbers between 0 (first) and 1 (last), both excluded."),
        (noise(), noise(), {"t": [0.5, 1.0]}, "t has 1: give numbers between 0 (first) and 1 (last)"),
        (noise(), noise(), {"t": []}, "t has 0 numbers: give 1 to "),
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
        ([noise()] * 2, {"between": 0}, "between is 0: give a number of frames from 1 to "),
        ([noise()] * 2, {"spacing": "wild"}, "There is no spacing wild: give one of even, ease_in, "),
        ([noise()] * 2, {"t": [0.5, 0.25]}, "t is 0.5 0.25: give rising numbers between 0 and 1, such as "),
        ([noise()] * 2, {"t": [0.5], "between": 1}, "t says how many frames there are and where: leave out "),
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


def test_weights_of_a_class_that_does_not_ship_ask_for_their_config(tmp_path: Path) -> None:
    path = tmp_path / "mine.ckpt"
    torch.save({"method": "my.own.Method", "hyper_parameters": {}, "state_dict": {}}, path)
    with pytest.raises(
        UserError, match=r"is of Method, which does not ship: give its config, as in my\.yaml="
    ):
        inbetween.load(path)
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({"model": {"class_path": "inbetween.methods.CrossFade"}})
    )
    assert isinstance(inbetween.load(tmp_path / "mine.yaml").method, CrossFade)


def test_loading_and_interpolating_change_nothing_global(model: inbetween.Interpolator) -> None:
    def state() -> tuple[object, ...]:
        return (
            torch.get_rng_state().tolist(),
            random.getstate(),
            str(np.random.get_state()),
            torch.is_grad_enabled(),
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.backends.cudnn.benchmark,
            list(warnings.filters),
            warnings.formatwarning,
        )

    inbetween.load("exp1")  # what libraries do when they are imported is theirs
    before = state()
    inbetween.load("exp1").interpolate(noise(), noise(number=1))
    inbetween.load("dis").interpolate(noise(), noise(number=1))
    frames = inbetween.load("spacing_flow", device="cpu").in_betweens(
        torch.zeros(4, 8, 8), torch.ones(4, 8, 8), 3, lambda part: torch.full((1, len(part)), 0.5)
    )
    next(frames)  # a context left open would be seen now
    assert state() == before


def test_importing_the_package_is_light_and_leaves_warnings_alone() -> None:
    program = (
        "import sys, warnings; before = list(warnings.filters); import inbetween;"
        "assert warnings.filters == before; assert not {'torch', 'numpy', 'PIL'} & set(sys.modules);"
        "import torch, lightning, cv2, PIL.Image, transformers, diffusers, torchmetrics, jsonargparse, lpips;"
        "from lightning.pytorch.cli import LightningCLI; from torch.utils import tensorboard;"
        "before = list(warnings.filters); inbetween.load('dis'); assert list(warnings.filters) == before,"
        "set(map(str, warnings.filters)) - set(map(str, before))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
