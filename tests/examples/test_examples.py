"""What lies in `examples` works: keyframes to try at once, their scripts, and a notebook."""

import json
import runpy
from ast import literal_eval
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from inbetween import Guides
from inbetween.__main__ import main

EXAMPLES = Path(__file__).parents[2] / "examples"
SETS = sorted(path for path in (EXAMPLES / "keyframes").iterdir() if path.is_dir())
LARGEST = 1_500_000  # bytes


def test_keyframes_are_few_and_small() -> None:
    files = [path for folder in SETS for path in folder.iterdir()]
    assert 6 <= len(files) <= 10
    assert sum(path.stat().st_size for path in files) < LARGEST
    opacity = np.asarray(Image.open(EXAMPLES / "keyframes" / "transparent" / "00.png"))[..., 3]
    assert (opacity == 0).mean() > 0.5
    assert (opacity == 255).mean() > 0.2


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_keyframes_can_be_interpolated_at_once(folder: Path, tmp_path: Path) -> None:
    small = tmp_path / "keyframes"
    small.mkdir()
    for path in folder.iterdir():
        Image.open(path).resize((96, 96)).save(small / path.name)
    args = ["--keyframes", str(small), "--between", "3", "--output", str(tmp_path / "out")]
    assert main(["interpolate", "--accelerator", "cpu", *args]) == 0
    count = 4 * (len(list(folder.iterdir())) - 1) + 1
    assert len(list((tmp_path / "out").glob("*.png"))) == count
    with Image.open(tmp_path / "out" / "animation.webp") as animation:
        assert animation.n_frames == count


def test_the_script_draws_these_keyframes(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "draw_keyframes.py"))
    assert sorted(script["EXAMPLES"]) == [folder.name for folder in SETS]
    for name, example in script["EXAMPLES"].items():
        drawn = script["keyframes"](example)
        paths = sorted((EXAMPLES / "keyframes" / name).glob("*.png"))
        for image, path in zip(drawn, paths, strict=True):
            there = Image.open(path)
            assert image.mode == there.mode
            # another OpenCV may round otherwise
            assert np.abs(np.asarray(image).astype(int) - np.asarray(there)).mean() < 0.5


def test_the_readmes_image_plays_and_is_small() -> None:
    path = EXAMPLES.parent / "docs" / "images" / "inbetween.webp"
    assert path.stat().st_size < LARGEST
    with Image.open(path) as image:
        assert sum(1 for _ in ImageSequence.Iterator(image)) == 16
        assert image.info["loop"] == 0


@pytest.mark.slow  # half a minute
def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat", reason="the extra dev installs what runs notebooks")
    nbclient = pytest.importorskip("nbclient", reason="the extra dev installs what runs notebooks")
    path = EXAMPLES / "tour.ipynb"
    assert path.stat().st_size < 50_000
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells)  # committed without what it shows
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": EXAMPLES}}).execute()
    (shown,) = [cell.outputs[0]["data"] for cell in cells if cell.source.endswith("\nresults")]
    ssim = {name: found["SSIM"] for name, found in literal_eval(shown["text/plain"]).items()}
    assert max(ssim, key=ssim.get) == "spacing_flow"
    assert min(ssim, key=ssim.get) == "repeat"
    errors = [output for cell in cells for output in cell.outputs if output.output_type == "stream"]
    assert not errors, errors


def test_the_script_draws_the_guides(tmp_path: Path) -> None:
    script = runpy.run_path(str(EXAMPLES / "draw_guides.py"))
    for number in (0, 1):
        there = np.asarray(Image.open(EXAMPLES / "guides" / "keyframes" / f"{number}.png"))
        assert np.abs(np.asarray(script["keyframe"](number)).astype(int) - there).mean() < 0.5
    files = {path.stem: json.loads(path.read_text()) for path in (EXAMPLES / "guides").glob("*.json")}
    assert json.loads(json.dumps(script["guides"]())) == files
    for values in files.values():
        assert Guides.from_dict(values)
