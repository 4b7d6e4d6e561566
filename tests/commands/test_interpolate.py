"""`interpolate` turns keyframes on disk into numbered drawings on disk, exactly as many as asked for."""

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

from inbetween.__main__ import main
from inbetween.commands.sequence_folder import SequenceFolder
from inbetween.modules.classical_flow import two_way_flow
from inbetween.weights.precision import has_fast_bfloat16
from tests.commands.known_methods import Gambler, Judge, OpaqueCrossFade, Painter, Waverer

Interpolated = Callable[..., Path]
Refused = Callable[..., str]
Paint = Callable[..., list[Path]]


@pytest.fixture
def method_file(tmp_path: Path) -> Callable[[type], str]:
    """The YAML file of a method."""

    def write(method: type) -> str:
        path = tmp_path / f"{method.__name__}.yaml"
        path.write_text(yaml.safe_dump({"model": {"class_path": f"{method.__module__}.{method.__name__}"}}))
        return str(path)

    return write


@pytest.fixture
def painter(method_file: Callable[[type], str]) -> str:
    return method_file(Painter)


def arguments(*args: str | int | float | Path) -> list[str]:
    return ["interpolate", "--accelerator", "cpu", "--precision", "32-true", *map(str, args)]


@pytest.fixture
def interpolated(tmp_path: Path) -> Interpolated:
    """Runs the command and gives the folder of drawings."""

    def run(*args: str | int | float | Path, output: str = "out") -> Path:
        assert main([*arguments(*args), "--output", str(tmp_path / output)]) == 0
        return tmp_path / output

    return run


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that has to fail without a trace, and gives its one sentence."""

    def run(*args: str | int | float | Path) -> str:
        before = sorted(tmp_path.rglob("*"))
        capfd.readouterr()
        assert main([*arguments("--output", tmp_path / "out", *args)]) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("inbetween: ")
        assert err.endswith(".\n")
        assert err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("inbetween: ").removesuffix("\n")

    return run


@pytest.fixture
def flat(tmp_path: Path) -> Paint:
    """Writes keyframes, each of one grey."""

    def write(*greys: int, size: tuple[int, int] = (12, 20), folder: str = "keys") -> list[Path]:
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = [tmp_path / folder / f"key{number}.png" for number in range(8, 8 + len(greys))]
        for path, grey in zip(paths, greys, strict=True):
            Image.new("RGB", size[::-1], (grey,) * 3).save(path)
        return paths

    return write


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix not in (".json", ".webp"))


def greys(folder: Path) -> list[int]:
    """The one grey of each drawing, in order."""
    found = []
    for name in names(folder):
        pixels = np.asarray(Image.open(folder / name))
        assert np.ptp(pixels) == 0
        found.append(int(pixels.flat[0]))
    return found


def squares(folder: Path, *lefts: int) -> list[Path]:
    """Keyframes with a dark, textured square of 32 pixels, `lefts` pixels from the left, on white paper."""
    texture = np.random.default_rng(0).integers(0, 160, (8, 8)).astype(np.uint8)
    texture = cv2.resize(texture, (32, 32), interpolation=cv2.INTER_CUBIC)
    folder.mkdir()
    paths = []
    for number, left in enumerate(lefts):
        sheet = np.full((96, 128, 3), 255, np.uint8)
        sheet[32:64, left : left + 32] = texture[..., None]
        paths.append(folder / f"{number}.png")
        Image.fromarray(sheet).save(paths[-1])
    return paths


def center(path: Path) -> float:
    """Where the ink is, in pixels from the left."""
    ink = 255.0 - np.asarray(Image.open(path).convert("L"))
    return float((ink.sum(0) * np.arange(ink.shape[1])).sum() / ink.sum())


def test_keyframes_and_drawings_are_numbered_as_they_are_shown(
    interpolated: Interpolated, flat: Paint, painter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = interpolated("--keyframes", *flat(10, 20, 30), "--method", painter, "--between", 3)
    assert names(out) == [f"{number:04d}.png" for number in range(9)]
    assert greys(out) == [10, 64, 128, 191, 20, 64, 128, 191, 30]
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"3 keyframes of 20x12 in RGB; between each two 3 frames at 0.25 0.5 0.75, by {painter}"
    assert told[-1] == f"frames: {out}"


def test_on_twos_every_drawing_is_there_twice(interpolated: Interpolated, flat: Paint, painter: str) -> None:
    out = interpolated("--keyframes", *flat(10, 20, 30), "--method", painter, "--hold", 2)
    assert greys(out) == [10, 10, 128, 128, 20, 20, 128, 128, 30, 30]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["--spacing", "ease_in", "--between", "3"], [16, 64, 143]),
        (["--spacing", "halves", "--between", "3"], [128, 191, 223]),
        (["--t", "0.1", "0.2", "0.9", "0.92"], [26, 51, 230, 235]),
    ],
)
def test_drawings_lie_where_the_chart_says(
    interpolated: Interpolated, flat: Paint, painter: str, keys: list[str], expected: list[int]
) -> None:
    assert greys(interpolated("--keyframes", *flat(10, 20), "--method", painter, *keys))[1:-1] == expected


def test_flow_moves_what_is_drawn_along_the_chart(interpolated: Interpolated, tmp_path: Path) -> None:
    keys = squares(tmp_path / "keys", 20, 32, 40)
    out = interpolated("--keyframes", *keys, "--method", "dis.yaml", "--t", 0.25, 0.5, 0.8)
    found = [center(out / name) for name in names(out)]
    expected = [20, 23, 26, 29.6, 32, 34, 36, 38.4, 40]
    start = found[0] - 20
    assert found == pytest.approx([start + place for place in expected], abs=0.4)


def test_a_folder_of_keyframes_is_taken_in_natural_order(
    interpolated: Interpolated, flat: Paint, painter: str
) -> None:
    folder = flat(50, 60, 70)[0].parent  # key8, key9, key10
    (folder / "notes.txt").write_text("no picture")
    assert greys(interpolated("--keyframes", folder, "--method", painter)) == [50, 128, 60, 128, 70]


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        (["L", "L"], "L"),
        (["I;16", "L"], "I;16"),
        (["L", "LA"], "LA"),
        (["RGB", "L"], "RGB"),
        (["P", "RGB"], "RGB"),
        (["RGBA", "L"], "RGBA"),
    ],
)
def test_drawings_are_stored_as_their_keyframes_are(
    interpolated: Interpolated, tmp_path: Path, modes: list[str], expected: str
) -> None:
    paths = []
    for number, mode in enumerate(modes):
        image = Image.new("L", (9, 7), 50 + 4 * number)
        if mode == "I;16":
            image = Image.fromarray(np.full((7, 9), 50 * 257, np.uint16))
        paths.append(tmp_path / f"{number}.png")
        (image if mode == "I;16" else image.convert(mode)).save(paths[-1])
    out = interpolated("--keyframes", *paths, "--method", "cross_fade.yaml")
    for name, grey in zip(names(out), [50, 52, 54], strict=True):
        image = Image.open(out / name)
        assert image.mode == expected
        if expected == "I;16":  # Pillow's conversion clips instead of scaling
            image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
        assert np.asarray(image.convert("RGBA")).reshape(-1, 4).tolist() == [[grey] * 3 + [255]] * 63


def disc(path: Path, x: float) -> Path:
    """A half-transparent red disc, antialiased, whose transparent surroundings hide green."""
    mask = np.zeros((96 * 8, 128 * 8), np.float32)
    cv2.circle(mask, (round(x * 8), 48 * 8), 20 * 8, 1, -1)
    mask = cv2.resize(mask, (128, 96), interpolation=cv2.INTER_AREA)
    pixels = np.where(mask[..., None] > 0, [200, 30, 60, 0], [0, 255, 0, 0]).astype(np.uint8)
    pixels[..., 3] = np.round(mask * 128)
    Image.fromarray(pixels).save(path)
    return path


def test_a_transparent_disc_moves_without_a_halo(interpolated: Interpolated, tmp_path: Path) -> None:
    keys = [disc(tmp_path / "a.png", 48), disc(tmp_path / "b.png", 60)]
    out = interpolated("--keyframes", *keys, "--method", "dis.yaml", "--t", 0.25, 0.5, 0.75)
    for number, x in enumerate([51, 54, 57], start=1):
        pixels = np.asarray(Image.open(out / f"{number:04d}.png")).astype(int)
        true = np.asarray(Image.open(disc(tmp_path / "true.png", x))).astype(int)
        alpha = pixels[..., 3]
        # of the disc's own colour wherever one sees it: neither paper nor what is hidden mixes in
        assert np.abs(pixels[alpha > 8, :3] - [200, 30, 60]).max() <= 255 / 8 / 2 + 1
        assert np.abs(pixels[alpha > 64, :3] - [200, 30, 60]).max() <= 2
        assert np.abs(alpha - true[..., 3]).mean() < 0.25
        assert alpha[48, x - 15 : x + 16].tolist() == [128] * 31
        assert alpha.max() <= 129


def test_methods_without_opacity_of_their_own_draw_it_beside(
    interpolated: Interpolated, tmp_path: Path, method_file: Callable[[type], str]
) -> None:
    keys = [disc(tmp_path / "a.png", 48), disc(tmp_path / "b.png", 60)]
    ours = interpolated("--keyframes", *keys, "--method", "cross_fade.yaml", output="ours")
    beside = interpolated("--keyframes", *keys, "--method", method_file(OpaqueCrossFade), output="beside")
    a, b = (np.asarray(Image.open(folder / "0001.png")).astype(int) for folder in (ours, beside))
    assert np.abs(a - b)[..., 3].max() == 0
    assert np.abs(a - b).max() <= 1
    # the middle of both discs, the edge of one, and what neither covers
    assert a[48, [54, 30, 4], 3].tolist() == [128, 64, 0]
    assert a[48, [54, 30], :3].tolist() == [[200, 30, 60]] * 2


def test_identical_keyframes_are_held(
    interpolated: Interpolated, flat: Paint, method_file: Callable[[type], str]
) -> None:
    out = interpolated("--keyframes", *flat(40, 40), "--method", method_file(Gambler), "--between", 2)
    assert greys(out) == [40] * 4


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.suffix in (".png", ".csv")
    }


@pytest.mark.parametrize(
    "method", ["dis.yaml", "spacing_flow.yaml=spacing_flow/weights.safetensors", "opaque"]
)
def test_drawings_do_not_depend_on_how_many_are_drawn_together(
    interpolated: Interpolated,
    tmp_path: Path,
    method_file: Callable[[type], str],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    keys = [disc(tmp_path / "a.png", 48), disc(tmp_path / "b.png", 60)]
    method = method_file(OpaqueCrossFade) if method == "opaque" else method
    args = ["--keyframes", *keys, "--method", method, "--between", 5]
    args += ["--candidates", 2] if "weights" in method else []
    together = contents(interpolated(*args, output="together"))
    flows = []
    monkeypatch.setattr(
        "inbetween.methods.optical_flow.two_way_flow", lambda *given: flows.append(1) or two_way_flow(*given)
    )
    monkeypatch.setattr("inbetween.interpolation.pair.PIXELS_AT_ONCE", 2 * 96 * 128)
    apart = contents(interpolated(*args, output="apart"))
    assert apart.keys() == together.keys()
    for name, content in apart.items():
        if name.endswith(".csv") or "weights" not in method:
            assert content == together[name], name
        else:  # a convolution rounds small pictures otherwise when they are alone
            a, b = (np.asarray(Image.open(io.BytesIO(png))).astype(int) for png in (content, together[name]))
            assert np.abs(a - b).max() <= 1
    assert len(flows) == (method == "dis.yaml")  # once for a pair of keyframes


def test_drawings_of_a_long_pair_are_written_while_it_is_drawn(
    interpolated: Interpolated,
    flat: Paint,
    method_file: Callable[[type], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Interrupted in the middle of a pair, what is there is whole, and the same command ends as ever."""
    monkeypatch.setattr("inbetween.interpolation.pair.PIXELS_AT_ONCE", 2 * 12 * 20)
    args = ["--keyframes", *flat(10, 20), "--method", method_file(Judge), "--between", 7]
    whole = contents(interpolated(*args, output="whole"))
    write_review, calls = Judge.interpolate_spaced, []

    def tired(
        self: Judge, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        calls.append(spacing.shape[1])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return write_review(self, first, last, spacing, candidate)

    monkeypatch.setattr(Judge, "interpolate_spaced", tired)
    assert main([*arguments(*args), "--output", str(tmp_path / "out")]) == 130
    written = {name: content for name, content in contents(tmp_path / "out").items() if name.endswith(".png")}
    assert sorted(written) == [f"{number:04d}.png" for number in range(1, 5)]
    assert all(whole[name] == content for name, content in written.items())
    assert contents(interpolated(*args)) == whole
    assert calls == [2, 2, 2, 2, 2, 2, 1]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_drawings(tmp_path: Path) -> None:
    """Seven drawings of 1920x1080 at once would take 3 GiB."""
    for number, left in enumerate((600, 700)):
        sheet = np.full((1080, 1920), 255, np.uint8)
        cv2.circle(sheet, (left, 500), 200, 90, -1)
        Image.fromarray(sheet).save(tmp_path / f"{number}.png")
    args = arguments("--keyframes", tmp_path / "0.png", tmp_path / "1.png", "--between", 7)
    program = (
        "import sys; from inbetween.__main__ import main; from inbetween.commands.machine import peak_memory;"
        "import torch; code = main(sys.argv[1:]); print(peak_memory(torch.device('cpu'))); sys.exit(code)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *args, "--output", str(tmp_path / "out")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(names(tmp_path / "out")) == 10  # and review.csv
    assert int(run.stdout.split()[-1]) < 2 * 2**30


def test_every_picture_of_an_animated_file_is_a_keyframe(
    interpolated: Interpolated, refused: Refused, painter: str, tmp_path: Path
) -> None:
    path = tmp_path / "clip.gif"
    pictures = [Image.new("RGB", (20, 12), (grey, grey, grey + 1)) for grey in (10, 20, 30)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])
    out = interpolated("--keyframes", path, "--method", painter, "--between", 2)
    assert names(out) == [f"{number:04d}.png" for number in range(7)]
    shown = [np.asarray(Image.open(out / f"{number:04d}.png"))[0, 0].tolist() for number in (0, 3, 6)]
    assert shown == [[10, 10, 11], [20, 20, 21], [30, 30, 31]]
    maps = [Image.new("L", (20, 12), grey) for grey in (40, 80, 120, 160)]
    maps[0].save(tmp_path / "maps.tif", save_all=True, append_images=maps[1:])
    args = ["--keyframes", path, "--method", painter, "--spacing_map"]
    followed = interpolated(*args, tmp_path / "maps.tif", output="followed")
    found = [int(np.asarray(Image.open(followed / f"{number:04d}.png"))[0, 0, 0]) for number in (1, 2, 4, 5)]
    assert found == [40, 80, 120, 160]
    maps[0].convert("RGB").save(tmp_path / "maps.tif", save_all=True, append_images=[pictures[1], *maps[2:]])
    assert refused(*args, tmp_path / "maps.tif").startswith(
        f"The spacing map {tmp_path / 'maps.tif'} (image 2) is not grey: "
    )


def test_a_picture_that_is_left_out_of_a_folder_is_named(
    interpolated: Interpolated, flat: Paint, painter: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = flat(50, 70)[0].parent
    Image.new("RGB", (20, 12), (60,) * 3).save(folder / "key8b.bmp")
    (folder / "key8c.psd").write_bytes(b"8BPS")
    (folder / "notes.txt").write_text("no picture")
    assert greys(interpolated("--keyframes", folder, "--method", painter)) == [50, 128, 60, 128, 70]
    warned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert warned == [
        f"warning: of a kind that is not read, and left out: {folder / 'key8c.psd'}; to use them, save them"
        " as PNG"
    ]


@pytest.mark.parametrize(("cuts", "middle"), [("repeat", "first"), ("interpolate", "half")])
def test_a_cut_is_held_or_drawn(
    interpolated: Interpolated,
    tmp_path: Path,
    painter: str,
    capsys: pytest.CaptureFixture[str],
    cuts: str,
    middle: str,
) -> None:
    paths = [tmp_path / "day.png", tmp_path / "night.png"]
    for seed, path in enumerate(paths):
        coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        Image.fromarray(coarse).resize((64, 64), Image.Resampling.NEAREST).save(path)
    out = interpolated("--keyframes", *paths, "--method", painter, "--cuts", cuts)
    expected = np.asarray(Image.open(paths[0])) if middle == "first" else np.full((64, 64, 3), 128)
    assert np.array_equal(np.asarray(Image.open(out / "0001.png")), expected)
    warned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    told = (
        f"{paths[0]} is repeated until then; --cuts interpolate interpolates instead"
        if cuts == "repeat"
        else "interpolating anyway"
    )
    assert warned == [f"warning: {paths[1]} seems to begin another shot: {told}"]


def test_candidates_differ_and_repeat_with_their_seed(
    interpolated: Interpolated, flat: Paint, method_file: Callable[[type], str]
) -> None:
    args = ["--keyframes", *flat(0, 9, 18), "--method", method_file(Gambler), "--candidates", 2]
    runs = [interpolated(*args, "--seed", seed, output=name) for name, seed in (("a", 3), ("b", 3), ("c", 4))]
    drawings = [
        [
            (run / folder / name).read_bytes()
            for folder in ("candidate_1", "candidate_2")
            for name in ("0001.png", "0003.png")
        ]
        for run in runs
    ]
    assert names(runs[0]) == ["candidate_1", "candidate_2"]
    assert names(runs[0] / "candidate_2") == [f"{number:04d}.png" for number in range(5)]
    assert len(set(drawings[0])) == 4
    assert drawings[0] == drawings[1]
    assert not set(drawings[0]) & set(drawings[2])
    single = interpolated(*args, "--candidates", 1, "--overwrite", "true", output="a")
    assert names(single) == [f"{number:04d}.png" for number in range(5)]


def test_candidates_of_a_method_that_knows_two_drawings(
    interpolated: Interpolated,
    flat: Paint,
    method_file: Callable[[type], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = ["--keyframes", *flat(0, 9), "--method", method_file(Waverer), "--candidates"]
    out = interpolated(*args, 2)
    drawings = [np.asarray(Image.open(out / f"candidate_{k}" / "0001.png")) for k in (1, 2)]
    assert [int(drawing.max()) for drawing in drawings] == [0, 255]
    assert main(arguments(*args, 3, "--output", tmp_path / "three")) == 2
    assert "has 2 candidates: give --candidates 2 or less." in capsys.readouterr().err
    assert not (tmp_path / "three").exists()


def test_a_spacing_map_says_how_far_each_region_has_gone(
    interpolated: Interpolated, flat: Paint, painter: str, tmp_path: Path
) -> None:
    maps = []
    for number, (left, right) in enumerate([(0, 51), (102, 255), (17, 34), (68, 85)]):
        picture = np.full((12, 20), left, np.uint8)
        picture[:, 10:] = right
        maps.append(tmp_path / f"map{number}.png")
        Image.fromarray(picture).save(maps[-1])
    out = interpolated("--keyframes", *flat(1, 2, 3), "--method", painter, "--spacing_map", *maps)
    assert names(out) == [f"{number:04d}.png" for number in range(7)]
    for name, path in zip(("0001", "0002", "0004", "0005"), maps, strict=True):
        drawing = np.asarray(Image.open(out / f"{name}.png"))
        assert np.array_equal(drawing, np.repeat(np.asarray(Image.open(path))[..., None], 3, 2))


def test_spacing_maps_alone_choose_the_method_that_follows_them(
    interpolated: Interpolated,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A square moves 16 pixels; the map says a quarter. The weights are those that ship."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))  # without RIFE
    keys = squares(tmp_path / "keys", 24, 40)
    path = tmp_path / "map.png"
    Image.fromarray(np.full((96, 128), 64, np.uint8)).save(path)
    out = interpolated("--keyframes", *keys, "--spacing_map", path)
    assert "by spacing_flow" in capsys.readouterr().out
    first, drawn = (center(out / name) for name in ("0000.png", "0001.png"))
    assert drawn - first == pytest.approx(4, abs=0.8)  # 5 % of the way
    assert (out / "review.csv").read_text().splitlines()[1].startswith("0001.png,")


def test_a_method_that_knows_how_sure_it_is_says_what_to_redraw(
    interpolated: Interpolated,
    flat: Paint,
    painter: str,
    method_file: Callable[[type], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyframes = ["--keyframes", *flat(10, 20, 20, 30)]
    args = [*keyframes, "--t", 0.25, 0.5, 0.75, "--hold", 2]
    write_review = method_file(Judge)
    out = interpolated(*args, "--method", write_review)
    labels = ["2.png,0.25000,easy", "4.png,0.50000,check", "6.png,0.75000,redraw"]
    labels = [f"000{line}" for line in labels] + ["0018.png,0.25000,easy", "0020.png,0.50000,check"]
    labels.append("0022.png,0.75000,redraw")  # nothing is drawn between equal keyframes
    text = "\n".join(["frame,expected_error,review", *labels, ""])
    assert (out / "review.csv").read_text() == text
    said = capsys.readouterr().out.splitlines()[-1]
    assert said == f"{out / 'review.csv'}: 2 easy; check 0004.png 0020.png; redraw 0006.png 0022.png"

    (out / "0004.png").unlink()
    interpolated(*args, "--method", write_review)  # only the first pair again
    assert (out / "review.csv").read_text() == text

    interpolated(*args, "--method", painter, "--overwrite", "true")
    assert not (out / "review.csv").exists()

    (out / "review.csv").write_text(text)
    for path in out.glob("*.png"):
        path.unlink()
    interpolated(
        *keyframes, "--t", 0.9, "--method", write_review
    )  # another job, where somebody has taken the drawings away
    assert (out / "review.csv").read_text().splitlines()[1:] == [
        "0001.png,0.90000,redraw",
        "0005.png,0.90000,redraw",
    ]


def test_a_job_goes_on_where_it_stopped(
    interpolated: Interpolated,
    flat: Paint,
    painter: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    calls: list[float] = []

    paint = Painter.interpolate_spaced

    def tired(
        self: Painter, first: Tensor, last: Tensor, spacing: Tensor, candidate: int = 0
    ) -> tuple[Tensor, Tensor]:
        calls.append(round(float(first.mean()) * 255))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return paint(self, first, last, spacing)

    monkeypatch.setattr(Painter, "interpolate_spaced", tired)
    args = ["--keyframes", *flat(10, 20, 30, 40), "--method", painter, "--hold", 2]
    assert main([*arguments(*args), "--output", str(tmp_path / "out")]) == 130
    assert "the same command continues where it stopped" in capsys.readouterr().err
    out = tmp_path / "out"
    assert names(out) == [f"{number:04d}.png" for number in range(8)]  # two pairs, and no file in the making
    (out / "0002.png").unlink()
    kept = (out / "0004.png").stat().st_mtime_ns
    interpolated(*args)
    assert calls == [10, 20, 30, 10, 30]
    assert (out / "0004.png").stat().st_mtime_ns == kept
    assert greys(out) == [10, 10, 128, 128, 20, 20, 128, 128, 30, 30, 128, 128, 40, 40]
    assert "1 of 3 pairs of keyframes are done already" in capsys.readouterr().out


def test_a_job_goes_on_whatever_else_the_machine_does(
    flat: Paint, painter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The precision is part of the job: what decides about it must not depend on how busy the machine is."""
    args = ["interpolate", "--accelerator", "cpu", "--keyframes", *map(str, flat(10, 20))]
    convolve = torch.nn.functional.conv2d
    for slow in (torch.float32, torch.bfloat16):

        def conv2d(x: Tensor, *args: object, slow: torch.dtype = slow, **named: object) -> Tensor:
            time.sleep(0.01 if x.dtype == slow else 0.0)
            return convolve(x, *args, **named)

        monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
        getattr(has_fast_bfloat16, "cache_clear", lambda: None)()  # as in a process of its own
        assert main([*args, "--method", painter, "--output", str(tmp_path / "out")]) == 0


def test_other_drawings_are_replaced_only_when_asked_to(
    interpolated: Interpolated, refused: Refused, flat: Paint, painter: str, tmp_path: Path
) -> None:
    keys = flat(10, 20)
    args = ["--keyframes", *keys, "--method", painter]
    out = interpolated(*args, "--between", 5)
    (out / "cover.png").write_bytes(b"mine")
    (out / "notes.txt").write_text("mine")
    says = (
        f"{out} already holds other images: give another folder with --output, or replace them with "
        "--overwrite true."
    )
    assert refused(*args, "--between", 2) == says
    Image.new("RGB", (20, 12), (99, 99, 99)).save(keys[0])
    assert refused(*args, "--between", 5) == says
    interpolated(*args, "--between", 2, "--overwrite", "true")
    assert names(out) == ["0000.png", "0001.png", "0002.png", "0003.png", "cover.png", "notes.txt"]
    assert json.loads((out / "interpolate.json").read_text())["t"] == pytest.approx([1 / 3, 2 / 3])


def test_keyframes_are_never_written_over(refused: Refused, flat: Paint, painter: str) -> None:
    keys = flat(10, 20)
    args = ["--keyframes", *keys, "--method", painter, "--output", keys[0].parent, "--overwrite", "true"]
    says = f"{keys[0]} lies where the frames are to go: give a folder of its own with --output."
    assert refused(*args) == says


def test_an_output_that_is_a_link_to_itself_is_named(
    refused: Refused, flat: Paint, painter: str, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    said = refused("--keyframes", *flat(10, 20), "--method", painter, "--output", tmp_path / "loop")
    assert said.startswith(f"{tmp_path / 'loop'} cannot be written (")


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (["--between", "0"], "between is 0: give a number of frames from 1 to "),
        (["--hold", "0"], "hold is 0: give 1 or more."),
        (["--candidates", "0"], "candidates is 0: give 1 or more."),
        (["--t", "0.5", "0.25"], "t is 0.5 0.25: give rising numbers between 0 and 1, such as 0.25 "),
        (["--t", "0", "0.5"], "t is 0.0 0.5: give rising numbers between 0 and 1, "),
        (["--t", "0.5", "--between", "1"], "t sets the number of frames and their positions: "),
        (["--spacing", "halves", "--between", "30"], "spacing halves leaves no room for 30 frames: "),
        (["--candidates", "2"], "OpticalFlow (dis.yaml) has one candidate only: leave out --candidates."),
        (["--method", "nowhere.yaml"], "There is no config file nowhere.yaml; "),
        (["--method", "dis.yaml=nowhere.ckpt"], "There is no checkpoint nowhere.ckpt; "),
        (["--accelerator", "abacus"], "accelerator abacus cannot be used here: use auto or cpu."),
        (["--spacing", "wild"], "spacing is wild, expected one of even, "),
        (["--between", "few"], "between is few, expected a whole number; "),
        (["--t", "half"], "t is half, expected a number; "),
        (["--sapcing", "even"], "There is no key --sapcing; "),
    ],
)  # fmt: skip
def test_keys_that_make_no_sense(refused: Refused, flat: Paint, keys: list[str], says: str) -> None:
    assert refused("--keyframes", *flat(10, 20), "--method", "dis.yaml", *keys).startswith(says)


def test_keyframes_that_cannot_be_used(refused: Refused, flat: Paint, tmp_path: Path) -> None:
    a, b, c = flat(10, 20, 30)
    assert refused().startswith("There are no keyframes and two are needed: ")
    assert refused("--keyframes", a).startswith("There is 1 keyframe and two are needed: ")
    assert refused("--keyframes", a, tmp_path / "no.png") == (
        f"There is no image or folder {tmp_path / 'no.png'}: check the path."
    )
    (tmp_path / "empty").mkdir()
    assert refused("--keyframes", tmp_path / "empty").startswith(f"{tmp_path / 'empty'} holds no image: ")
    c.write_bytes(c.read_bytes()[:60])
    assert refused("--keyframes", a, b, c) == (f"{c} is damaged or cut short: export it again or remove it.")
    Image.new("RGB", (20, 13)).save(c)
    assert refused("--keyframes", a, b, c) == (
        f"Keyframes differ in size: {a} has 20x12 pixels, {c} has 20x13: make them the same size."
    )
    (tmp_path / "taken").write_text("a file")
    text = refused("--keyframes", a, b, "--output", tmp_path / "taken")
    assert text.startswith(f"{tmp_path / 'taken'} cannot be written (")


def test_spacing_maps_that_cannot_be_used(refused: Refused, flat: Paint, painter: str) -> None:
    keys = flat(10, 20, 30)
    one, two = flat(100, 200, folder="maps")
    args = ["--keyframes", *keys, "--method", painter]
    assert refused("--keyframes", *keys, "--method", "dis.yaml", "--spacing_map", one, two) == (
        "OpticalFlow (dis.yaml) takes no spacing map: leave out --method, or give --t instead."
    )
    assert refused(*args, "--spacing_map", one) == (
        "There are 1 spacing maps for 2 pairs of keyframes: give equally many for each."
    )
    assert refused(*args, "--spacing_map", one, two, "--between", 1).startswith("spacing_map sets the ")
    Image.new("RGB", (20, 12), (1, 2, 3)).save(two)
    assert refused(*args, "--spacing_map", one, two).startswith(f"The spacing map {two} is not grey: ")
    Image.new("L", (10, 12)).save(two)
    assert refused(*args, "--spacing_map", one, two) == (
        f"Keyframes and spacing maps differ in size: {keys[0]} has 20x12 pixels, {two} has 10x12: make "
        "them the same size."
    )


def test_yaml_says_the_same_as_the_command_line(
    interpolated: Interpolated, flat: Paint, painter: str, tmp_path: Path
) -> None:
    sheet = {"keyframes": [str(path) for path in flat(7, 9)], "method": painter, "t": [0.2, 0.4], "hold": 2}
    (tmp_path / "sheet.yaml").write_text(yaml.safe_dump(sheet))
    assert greys(interpolated("--config", tmp_path / "sheet.yaml", "--hold", 1)) == [7, 51, 102, 9]


@pytest.mark.parametrize("change", ["size", "pixels", "removed"])
def test_a_keyframe_that_changes_while_the_command_runs_ends_it(
    interpolated: Interpolated,
    flat: Paint,
    painter: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    keys = flat(10, 20, 30)
    write = SequenceFolder.write

    def write_and_change(self: SequenceFolder, *args: Any) -> None:
        write(self, *args)
        if change == "removed":
            keys[2].unlink(missing_ok=True)
        else:
            Image.new("RGB", (20, 12) if change == "pixels" else (9, 9), (77,) * 3).save(keys[2])

    args = ["--keyframes", *keys, "--method", painter]
    with monkeypatch.context() as patch:
        patch.setattr(SequenceFolder, "write", write_and_change)
        assert main([*arguments(*args), "--output", str(tmp_path / "out")]) == 2
    says = f"{keys[2]} has been changed or removed since the command began: give the same command again, "
    assert capsys.readouterr().err.startswith(f"inbetween: {says}")
    Image.new("RGB", (20, 12), (40,) * 3).save(keys[2])
    assert greys(interpolated(*args, "--overwrite", "true"))[::2] == [10, 20, 40]


def test_too_little_memory_is_said_in_one_sentence(
    flat: Paint,
    painter: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def burst(*args: object) -> None:
        raise torch.OutOfMemoryError("Tried to allocate 99 GiB")

    monkeypatch.setattr(Painter, "interpolate_spaced", burst)
    args = arguments("--keyframes", *flat(10, 20), "--method", painter, "--output", tmp_path / "out")
    assert main(args) == 2
    assert capsys.readouterr().err == (
        "inbetween: The memory of cpu is too small for 2 keyframes of 20x12 in RGB: give smaller "
        "keyframes, or --accelerator cpu.\n"
    )


def test_untrained_weights_are_pointed_out(
    interpolated: Interpolated, flat: Paint, capsys: pytest.CaptureFixture[str]
) -> None:
    interpolated("--keyframes", *flat(0, 9), "--method", "spacing_flow.yaml", output="untrained")
    assert "warning: spacing_flow.yaml is not trained" in capsys.readouterr().out
    interpolated("--keyframes", *flat(0, 9), "--method", "dis.yaml", output="classical")
    assert "not trained" not in capsys.readouterr().out
