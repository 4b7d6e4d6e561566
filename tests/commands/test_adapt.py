"""`adapt` from a folder of drawings to weights, or to the old ones."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inbetween.__main__ import main
from inbetween.commands.adapt import adapt, command
from inbetween.commands.adapt.training import Run
from inbetween.configs import read_config
from inbetween.errors import UserError
from inbetween.interpolation.loading import find_model
from inbetween.weights.checkpoints import read_weights
from tests.conftest import DrawScene
from tests.data.layer_pictures import disc

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
QUICK: dict[str, Any] = {"steps": 2, "accelerator": "cpu", "precision": "32-true"}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mine(draw_scene: DrawScene) -> Path:
    """Three scenes of 13 drawings, of 64x64."""
    for seed, name in enumerate(("walk", "run", "jump")):
        draw_scene(Path("mine") / name, 13, 64, 64, seed)
    return Path("mine")


def changed(monkeypatch: pytest.MonkeyPatch, change: float) -> None:
    """Measurements after the training find the SSIM of before, changed by an amount."""
    measured, seen = command.measured, {}

    def measure(name: str, *rest: Any) -> Any:
        row, names = measured(name, *rest)
        seen[name] = row
        if name == "after":
            row.scores = {"ssim": {index: s + change for index, s in seen["before"].scores["ssim"].items()}}
            seen["before"].scores.pop("line_chamfer_distance", None)
        return row, names

    monkeypatch.setattr(command, "measured", measure)


def refusal(mine: Path, given: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    """What `adapt` says when it refuses."""
    options = {"drawings": str(mine), "output": "out", "steps": 2} | given
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    assert main(["adapt", *words]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"drawings": "missing"}, "There is no folder missing"),
        ({"drawings": "empty"}, "empty has no drawings"),
        ({"drawings": "one"}, "one has one drawing only"),
        ({"minutes": 0}, "minutes is 0: give a number above 0"),
        ({"minutes": math.nan}, "minutes is nan"),
        ({"steps": 0}, "steps is 0"),
        ({"method": "dis"}, "dis cannot be adapted: give spacing_flow"),
        ({"method": "exp1"}, "exp1 cannot be adapted"),
        ({"method": "nothing"}, "There is no method nothing"),
        ({"method": "spacing_flow.yaml"}, "spacing_flow.yaml is not trained"),
        ({"network": "vgg.pth"}, "There is no file vgg.pth"),
        ({"output": "mine/adapted"}, "lie in each other"),
        ({"output": "."}, "lie in each other"),
        ({"output": "full"}, "full is not empty"),
        ({"output": "full/notes.txt"}, "cannot be written"),
        ({"lpips_network": "full/notes.txt"}, "not a readable weights file"),
    ],
)
def test_mistakes_leave_nothing(
    given: dict[str, str],
    sentence: str,
    mine: Path,
    draw_scene: DrawScene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("empty").mkdir()
    draw_scene(Path("one"), 1)
    Path("full").mkdir()
    Path("full/notes.txt").write_text("mine")
    error = refusal(mine, given, capsys)
    assert sentence in error
    assert error.count("\n") == 1
    assert not Path("out").exists()
    assert Path("full/notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"drawings": "few"}, "too few to keep some for the test"),
        ({"lpips_network": "mine/walk/0001.png"}, "not a readable weights file"),
        ({"method": "spacing_flow.yaml=out/weights.safetensors"}, "weights.safetensors lies in out"),
        ({"network": "out/weights.safetensors"}, "weights.safetensors lies in out"),
        ({"accelerator": "abacus"}, "abacus"),
    ],
)
def test_mistakes_leave_what_would_be_replaced(
    given: dict[str, str],
    sentence: str,
    mine: Path,
    draw_scene: DrawScene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    draw_scene(Path("few"), 7, 64, 64)
    Path("out").mkdir()
    Path("out/adapt.json").write_text("{}")
    shutil.copy(find_model("spacing_flow").weights or "", "out/weights.safetensors")
    assert sentence in refusal(mine, {"overwrite": "true", **given}, capsys)
    assert {path.name for path in Path("out").iterdir()} == {"adapt.json", "weights.safetensors"}


def test_the_perceptual_loss_takes_what_was_fetched(tmp_path: Path) -> None:
    find = command.perceptual_network
    assert find(None, False) is None
    fetched = tmp_path / "cache/inbetween/vgg16_features.safetensors"
    fetched.parent.mkdir(parents=True)
    fetched.touch()
    assert find(None, False) == fetched
    assert find(None, True) is None  # keyframes alone have the cycle
    own = tmp_path / "vgg.safetensors"
    own.touch()
    assert find(own, False) == own


def test_too_little_time(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "seconds_per_step", lambda _: 10.0)
    with pytest.raises(UserError, match=r"There is time for \d+ steps only, of 10\.0 seconds each"):
        adapt(mine, Path("out"), minutes=1.0, accelerator="cpu", precision="32-true")
    assert not Path("out").exists()


@pytest.mark.slow
def test_the_time_sets_the_steps(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured, found = Run.seconds_per_step, []

    def slow(self: Run) -> float:
        found.append(measured(self))
        return 10.0

    monkeypatch.setattr(Run, "seconds_per_step", slow)
    monkeypatch.setattr(command, "FEWEST_STEPS", 1)
    adapt(mine, Path("out"), minutes=1.5, accelerator="cpu", precision="32-true")
    assert 0 < found[0] < 30
    steps = read_config(Path("out/training.yaml"))["trainer"]["max_steps"]
    assert 1 <= steps <= 8
    assert "a step takes 10.00 seconds here" in capsys.readouterr().out


@pytest.mark.slow
def test_better_weights_are_written(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(monkeypatch, 0.01)
    assert adapt(mine, Path("out"), **QUICK).better
    told = capsys.readouterr().out
    assert "ssim" in told
    assert "The weights of VGG16 are not on this machine" in told
    assert "interpolate --method spacing_flow.yaml=out/weights.safetensors" in told
    report = json.loads(Path("out/adapt.json").read_text())
    assert report["better"]
    assert report["steps"] == 2
    files = {path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file()}
    assert {"weights.safetensors", "training.yaml", "windows.csv", "differences.csv"} <= files
    assert not any("ckpt" in name or "unfinished" in name for name in files)
    words = ["--keyframes", "mine/walk", "--method", "spacing_flow.yaml=out/weights.safetensors"]
    assert main(["interpolate", *words, "--output", "drawn", "--write", "none"]) == 0
    assert len(list(Path("drawn").glob("*.png"))) == 25
    # it can be repeated and grown: `fit` takes the YAML, and the same steps give the same weights
    about = ["--config", "out/training.yaml", "--ckpt_path", "spacing_flow/weights.safetensors"]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.accelerator", "cpu"]
    assert main(["fit", *about, *quiet, "--trainer.precision", "32-true", "--data.num_workers", "0"]) == 0
    (fitted,) = Path("logs").rglob("weights.safetensors")
    ours, theirs = (read_weights(path)["state_dict"] for path in (Path("out/weights.safetensors"), fitted))
    assert all(ours[name].equal(theirs[name]) for name in ours)


@pytest.mark.slow
def test_old_weights_stay(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(monkeypatch, -0.01)
    words = ["--drawings", str(mine), "--output", "out", "--steps", "2", "--accelerator", "cpu"]
    assert main(["adapt", *words]) == 0
    assert (
        "not better: ssim got worse. The old weights stay; no weights are written." in capsys.readouterr().out
    )
    assert not list(Path("out").rglob("*.safetensors"))
    assert not list(Path("out").rglob("*.ckpt"))
    assert not json.loads(Path("out/adapt.json").read_text())["better"]
    with pytest.raises(UserError, match="out is not empty"):
        adapt(mine, Path("out"), **QUICK)


@pytest.mark.slow
def test_an_interrupted_training_goes_on(
    mine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = trained_by(monkeypatch, lambda: adapt(mine, Path("whole"), **QUICK | {"steps": 3}))
    from inbetween.callbacks import Interruption

    original = Interruption.on_train_batch_start

    def interrupted(self: Interruption, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == 2:
            raise KeyboardInterrupt
        original(self, trainer, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Interruption, "on_train_batch_start", interrupted)
        with pytest.raises(KeyboardInterrupt, match="the same command continues"):
            adapt(mine, Path("out"), **QUICK | {"steps": 3})
    assert not list(Path("out").rglob("*.safetensors"))
    with pytest.raises(UserError, match="out is not empty"):
        adapt(mine, Path("out"), **QUICK | {"steps": 4})
    capsys.readouterr()
    rest = trained_by(monkeypatch, lambda: adapt(mine, Path("out"), **QUICK | {"steps": 3}))
    assert "from where it stopped" in capsys.readouterr().out
    assert all(whole[name].equal(rest[name]) for name in whole)


def trained_by(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> dict[str, Any]:
    """The weights that an adaptation trains, whether it keeps them or not."""
    found: list[dict[str, Any]] = []
    train = Run.train

    def remembered(self: Run, folder: Path) -> Path:
        path = train(self, folder)
        found.append(read_weights(path)["state_dict"])
        return path

    with monkeypatch.context() as patch:
        patch.setattr(Run, "train", remembered)
        work()
    return found[0]


@pytest.mark.slow
def test_an_interruption_before_the_training_leaves_nothing(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "measured", interrupted)
    with pytest.raises(KeyboardInterrupt):
        adapt(mine, Path("out"), **QUICK)
    assert not Path("out").exists()


@pytest.mark.slow
def test_static_drawings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        path = Path(f"sheets/{number}.png")
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(disc(number, 64, 48 + number)).save(path)
    paper = np.full((64, 64, 3), 255, np.uint8)
    paper[16:48, 16:40] = (30, 120, 200)
    Image.fromarray(paper).save("sheets/paper.png")
    verdict = adapt(Path("sheets"), Path("out"), **QUICK)
    told = capsys.readouterr().out
    assert "static drawings: 5 (4 with transparency, 1 cut from flat paper); they move as layers" in told
    assert "moving layers of 1 drawings, which training has not seen" in told
    assert verdict.windows == 48
    (source, _) = read_config(Path("out/training.yaml"))["data"]["source"]["init_args"]["sources"]
    assert source["class_path"] == "inbetween.data.LayeredImages"


@pytest.mark.slow
def test_keyframes_alone(draw_scene: DrawScene, capsys: pytest.CaptureFixture[str]) -> None:
    for seed, name in enumerate(("walk", "run")):
        draw_scene(Path("keys") / name, [0, 3, 6, 9, 12, 14, 16], 64, 64, seed)
    shutil.copy("keys/walk/0001.png", "keys/pose.png")
    words = ["--drawings", "keys", "--keyframes", "true", "--steps", "2", "--accelerator", "cpu"]
    assert main(["adapt", *words, "--output", "out"]) == 0
    told = capsys.readouterr().out
    assert "each must come back from in-betweens before and after it" in told
    assert "static drawings: 1, not used here" in told
    assert "cycle_line_chamfer_distance" in told
    model = read_config(Path("out/training.yaml"))["model"]["init_args"]
    assert (model["cycle_weight"], model["l1_weight"], model["flow_weight"]) == (1.0, 0.0, 0.02)
