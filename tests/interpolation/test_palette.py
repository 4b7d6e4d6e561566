"""Frames in their keyframes' own flat colours: `palette="keep"`."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import inbetween
from inbetween.__main__ import main
from inbetween.interpolation.palette import flat_colours, pack, unpack
from tests.interpolation.images import as_tensor, noise

PAPER, RED, BLUE, INK = (255, 250, 240), (220, 40, 60), (30, 90, 200), (10, 10, 20)


def drawing(left: float, antialiased: bool = True, paper: tuple[int, ...] | None = PAPER) -> np.ndarray:
    """A red disc with a blue square before it, `left` pixels from the left; RGBA without paper, else RGB."""
    scale = 8 if antialiased else 1
    sheet = np.zeros((96 * scale, 128 * scale, 4), np.uint8)
    if paper:
        sheet[:] = (*paper, 255)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * scale), round(y * scale)

    cv2.circle(sheet, at(left + 24, 44), 22 * scale, (*RED, 255), -1)
    cv2.rectangle(sheet, at(left + 24, 48), at(left + 38.4, 70.7), (*BLUE, 255), -1)
    premultiplied = sheet.astype(np.float32)
    premultiplied[..., :3] *= premultiplied[..., 3:] / 255
    small = cv2.resize(premultiplied, (128, 96), interpolation=cv2.INTER_AREA)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1e-3)
    image = small.round().clip(0, 255).astype(np.uint8)
    return image[..., :3].copy() if paper else image


def off_palette(frame: np.ndarray, *colours: tuple[int, ...]) -> np.ndarray:
    """Largest difference (H, W) of each channel to a colour or a mixture of any two; transparent is one."""

    def lit(pixels: np.ndarray) -> np.ndarray:
        pixels = np.asarray(pixels, np.float64)
        return np.concatenate([pixels[..., :3] * pixels[..., 3:] / 255, pixels[..., 3:]], -1)

    opaque = np.dstack([frame, np.full(frame.shape[:2], 255)]) if frame.shape[2] == 3 else frame
    shown, least = lit(opaque), np.full(frame.shape[:2], np.inf)
    ends = [lit(np.array([*colour, 255][:4])) for colour in colours]
    for a in ends:
        for b in ends:
            step = b - a
            share = ((shown - a) @ step / max(step @ step, 1)).clip(0, 1)
            least = np.minimum(least, np.abs(shown - a - share[..., None] * step).max(-1))
    return least


def flat(frame: np.ndarray, *colours: tuple[int, ...]) -> np.ndarray:
    """Where a frame has one of these colours (H, W)."""
    return np.any([(frame == np.array(colour)).all(-1) for colour in colours], axis=0)


@pytest.mark.parametrize("antialiased", [True, False])
def test_areas_are_colours_of_a_palette_and_mixtures_of_antialiasing_are_not(antialiased: bool) -> None:
    found = flat_colours(np.dstack([drawing(10, antialiased), np.full((96, 128), 255, np.uint8)]))
    assert {tuple(colour) for colour in unpack(found.packed).tolist()} == {
        (*c, 255) for c in (PAPER, RED, BLUE)
    }
    assert found.hard != antialiased


def test_frames_have_flat_colours_and_mixtures_of_two_where_they_meet(model: inbetween.Interpolator) -> None:
    keys = [drawing(10), drawing(34)]
    tinted = model.interpolate(*keys, 0.4)[0]
    frame = model.interpolate(*keys, 0.4, palette="keep")[0]
    assert off_palette(frame, PAPER, RED, BLUE).max() <= 1.5
    # a cross-fade's tints are gone: what is no flat colour lies at an edge of two
    labels = np.select([flat(frame, c) for c in (PAPER, RED, BLUE)], (1, 2, 4), 0).astype(np.uint8)
    several = sum((cv2.dilate((labels == c).astype(np.uint8), np.ones((7, 7))) for c in (1, 2, 4)), 0)
    assert (several[labels == 0] >= 2).mean() > 0.95
    assert (labels == 0).mean() < 0.5 * (~flat(tinted, PAPER, RED, BLUE)).mean()


def test_transparent_is_a_colour(model: inbetween.Interpolator) -> None:
    keys = [drawing(10, paper=None), drawing(16, paper=None)]
    frame = model.interpolate(*keys, palette="keep")[0]
    nothing = (0, 0, 0, 0)
    assert off_palette(frame, nothing, RED, BLUE).max() <= 1.5
    # edges to transparency keep the colour of what is inside
    soft = (frame[..., 3] > 40) & (frame[..., 3] < 255)
    assert soft.any()
    assert (np.abs(frame[soft][:, :3].astype(int) - RED).max(-1) <= 4).mean() > 0.6
    assert (frame[..., 3] == 0).any()
    assert (frame == (*RED, 255)).all(-1).sum() > 800


def test_edges_without_antialiasing_stay_without(model: inbetween.Interpolator) -> None:
    keys = [drawing(10, antialiased=False), drawing(18, antialiased=False)]
    frame = model.interpolate(*keys, 0.3, palette="keep")[0]
    assert flat(frame, PAPER, RED, BLUE).all()


@pytest.mark.parametrize("antialiased", [True, False])
def test_lines_of_one_pixel_survive(antialiased: bool) -> None:
    keys = []
    for shift in (0, 5):
        scale = 8 if antialiased else 1
        sheet = np.full((96 * scale, 128 * scale, 3), PAPER, np.uint8)
        cv2.circle(sheet, ((40 + shift) * scale, 48 * scale), 24 * scale, RED, -1)
        cv2.circle(sheet, ((40 + shift) * scale, 48 * scale), 30 * scale, INK, scale)
        cv2.line(sheet, ((84 + shift) * scale, 10 * scale), ((96 + shift) * scale, 80 * scale), INK, scale)
        keys.append(cv2.resize(sheet, (128, 96), interpolation=cv2.INTER_AREA))
    model = inbetween.load("spacing_flow", device="cpu")
    drawn = model.interpolate(*keys)[0]
    kept = model.interpolate(*keys, palette="keep")[0]
    assert off_palette(kept, PAPER, RED, INK).max() <= 1.5
    dark = [frame.astype(int).sum(-1) < 600 for frame in (drawn, kept)]
    lines = dark[0] & ~cv2.dilate(flat(drawn, RED).astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert lines.sum() > 150
    # at edges that are not antialiased, of a line that lies between two pixels one stays
    near = cv2.dilate(dark[1].astype(np.uint8), np.ones((3, 3))).astype(bool)
    assert near[lines].mean() > 0.99
    assert dark[1][lines].mean() > (0.9 if antialiased else 0.6)


def test_what_both_keyframes_share_stays_as_it_is(model: inbetween.Interpolator) -> None:
    keys = [drawing(10), drawing(10)]
    keys[1][:40] = drawing(14)[:40]
    frame = model.interpolate(*keys, palette="keep")[0]
    assert np.array_equal(frame[44:], keys[0][44:])


@pytest.mark.parametrize("palette", [{}, {"palette": "none"}])
def test_without_the_option_frames_are_as_drawn(model: inbetween.Interpolator, palette: dict) -> None:
    a, b = noise(3, 0), noise(3, 1)
    expected = np.rint((as_tensor(a) * 0.75 + as_tensor(b) * 0.25).permute(1, 2, 0).numpy() * 255)
    assert np.abs(model.interpolate(a, b, 0.25, **palette)[0] - expected).max() <= 1
    assert np.array_equal(model.interpolate(a, b, 0.25, **palette), model.interpolate(a, b, 0.25))


def test_kinds_and_sequences_agree(model: inbetween.Interpolator) -> None:
    keys = [drawing(10), drawing(20), drawing(26)]
    sequence = inbetween.interpolate(keys, method=model, cuts="interpolate", palette="keep")
    assert all(np.array_equal(sequence[2 * number], key) for number, key in enumerate(keys))
    assert np.array_equal(sequence[3], model.interpolate(*keys[1:], palette="keep")[0])
    tensors = model.interpolate(
        torch.stack([as_tensor(key) for key in keys[:2]]),
        torch.stack([as_tensor(key) for key in keys[1:]]),
        palette="keep",
    )
    assert np.array_equal((tensors[1, 0] * 255).round().byte().permute(1, 2, 0).numpy(), sequence[3])


def gradient() -> np.ndarray:
    ramp = np.linspace(0, 255, 128).astype(np.uint8)
    return np.dstack(
        [np.tile(ramp, (96, 1)), np.tile(ramp[:96, None], (1, 128)), np.full((96, 128), 90, np.uint8)]
    )


@pytest.mark.parametrize(
    "image", [gradient(), noise(3, 5, (96, 128)), cv2.GaussianBlur(noise(3, 5, (96, 128)), (0, 0), 5)]
)
def test_gradients_and_textures_are_refused(model: inbetween.Interpolator, image: np.ndarray) -> None:
    with pytest.raises(
        inbetween.UserError, match=r"^(last has|More than 62 flat colours are in last, as in) "
    ):
        model.interpolate(drawing(10), image, palette="keep")


def test_an_unknown_palette_is_refused(model: inbetween.Interpolator) -> None:
    with pytest.raises(inbetween.UserError, match=r"^palette is own: give one of none, keep\.$"):
        model.interpolate(drawing(10), drawing(20), palette="own")  # type: ignore[arg-type]


def test_the_command_writes_what_the_api_gives(tmp_path: Path) -> None:
    keys = [drawing(10, paper=None), drawing(16, paper=None), drawing(30, paper=None)]
    paths = [str(tmp_path / f"{number}.png") for number in range(3)]
    for path, key in zip(paths, keys, strict=True):
        Image.fromarray(key).save(path)
    out = tmp_path / "out"
    asked = ["--method", "dis", "--accelerator", "cpu", "--between", "2", "--palette", "keep"]
    assert main(["interpolate", *asked, "--keyframes", *paths, "--output", str(out)]) == 0
    frames = inbetween.interpolate(keys, between=2, method="dis", device="cpu", palette="keep")
    for number, frame in enumerate(frames):
        assert np.array_equal(pack(np.asarray(Image.open(out / f"{number:04d}.png"))), pack(frame))


def test_the_command_refuses_in_one_sentence_before_it_writes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = [str(tmp_path / name) for name in ("flat.png", "soft.png")]
    for path, image in zip(paths, (drawing(10), gradient()), strict=True):
        Image.fromarray(image).save(path)
    given = ["--keyframes", *paths, "--method", "cross_fade", "--output", str(tmp_path / "out")]
    assert main(["interpolate", "--accelerator", "cpu", "--palette", "keep", *given]) == 2
    message = capfd.readouterr().err
    assert message.startswith("inbetween: ")
    assert message.count("\n") == 1
    assert "soft.png" in message
    assert message.endswith(": use palette none, or give flat-coloured drawings.\n")
    assert not (tmp_path / "out").exists()
