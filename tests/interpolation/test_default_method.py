"""Which method interpolates where the user names none, and spacing RIFE's weights on their fetched base."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import inbetween
from inbetween.__main__ import main
from inbetween.errors import UserError
from inbetween.interpolation.loading import default_method, find_model
from inbetween.methods import SpacingRife
from inbetween.methods.rife.weights import RIFE_SHA256, has_fetched_rife
from inbetween.methods.spacing_flow import SpacingFlow
from inbetween.paths import shipped
from tests.methods.rife.test_rife import random_rife

SHIPPED = "spacing_rife/weights.safetensors"
ADVICE = "`python -m inbetween fetch-weights rife` gives better frames"
Run = Callable[..., int]


class Files(NamedTuple):
    base: Path  # random weights in the place of the published ones
    part: Path  # a difference to them, as `WeightsWriter` writes it
    method: SpacingRife


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("rife")
    torch.save(random_rife().network.state_dict(), folder / "base.pkl")
    sha = hashlib.sha256((folder / "base.pkl").read_bytes()).hexdigest()
    method = SpacingRife(base=folder / "base.pkl", base_sha256=sha, perceptual_weight=0.0).eval()
    for name, parameter in method.network.difference.named_parameters():
        if "lastconv" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    weights = {name: value.half().contiguous() for name, value in method.state_dict().items()}
    about = {
        "method": f"{SpacingRife.__module__}.{SpacingRife.__name__}",
        "hyper_parameters": json.dumps({"base_sha256": sha}),
    }
    save_file(weights, folder / "part.safetensors", about)
    return Files(folder / "base.pkl", folder / "part.safetensors", method)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, in which nothing is yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "cache/inbetween").mkdir(parents=True)
    return tmp_path / "cache/inbetween"


@pytest.fixture
def ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files) -> None:
    """The project's shipped files, with these for spacing RIFE."""
    root = tmp_path / "project"
    (root / "checkpoints/spacing_rife").mkdir(parents=True)
    (root / "configs").symlink_to(shipped("configs"))
    for place in shipped("checkpoints").iterdir():
        if place.name != "spacing_rife":
            (root / "checkpoints" / place.name).symlink_to(place)
    (root / "checkpoints" / SHIPPED).symlink_to(files.part)
    monkeypatch.setattr("inbetween.paths.PACKAGE", root / "inbetween")


@pytest.fixture
def fetched(cache: Path, files: Files) -> Path:
    """The base in the user's cache."""
    (cache / "rife_4.26.pkl").write_bytes(files.base.read_bytes())
    return cache / "rife_4.26.pkl"


@pytest.fixture
def keys(tmp_path: Path) -> list[str]:
    """Two transparent keyframes of a textured square that moves by 16 pixels."""
    texture = np.random.default_rng(0).integers(0, 160, (8, 8, 3)).astype(np.uint8)
    paths = []
    for name, left in (("a", 16), ("b", 32)):
        sheet = np.full((64, 80, 4), 255, np.uint8)
        sheet[..., 3] = 0
        sheet[16:48, left : left + 32, :3] = cv2.resize(texture, (32, 32), interpolation=cv2.INTER_CUBIC)
        sheet[16:48, left : left + 32, 3] = 255
        Image.fromarray(sheet).save(tmp_path / f"{name}.png")
        paths.append(str(tmp_path / f"{name}.png"))
    return paths


@pytest.fixture
def run(tmp_path: Path, keys: list[str]) -> Run:
    def interpolate(*args: str, output: str = "out") -> int:
        call = ["interpolate", "--accelerator", "cpu", "--write", "none", "--cuts", "interpolate"]
        return main([*call, "--keyframes", *keys, "--output", str(tmp_path / output), *args])

    return interpolate


@pytest.mark.usefixtures("ships", "fetched")
def test_where_rife_is_fetched_spacing_rife_is_the_default(
    run: Run, keys: list[str], tmp_path: Path, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    assert default_method() == ("spacing_rife", "")
    assert run("--t", "0.3") == 0
    said = capsys.readouterr().out
    assert ", by spacing_rife\n" in said
    assert "fetch-weights" not in said
    assert "not trained" not in said
    images = [Image.open(path) for path in keys]
    sequence = inbetween.interpolate(images, t=0.3, device="cpu", cuts="interpolate")
    model = inbetween.load("spacing_rife", device="cpu")
    assert isinstance(model.method, SpacingRife)
    drawn = [np.asarray(Image.open(tmp_path / f"out/{number:04d}.png")) for number in range(3)]
    for frame, ours in zip(drawn, sequence, strict=True):
        assert np.array_equal(frame, ours)
    plain = inbetween.load("spacing_flow", device="cpu").interpolate(*images, t=0.3)[0]
    assert np.abs(np.asarray(plain).astype(int) - drawn[1]).max() > 8
    # base and difference together
    for name, value in files.method.network.difference.named_parameters():
        assert torch.equal(model.method.network.difference.get_parameter(name), value.half().float())
    for name, value in files.method.network.base.named_buffers():
        assert torch.equal(model.method.network.base.get_buffer(name), value)


@pytest.mark.usefixtures("ships")
def test_where_it_is_not_spacing_flow_is_and_one_line_says_how_to_get_it(
    run: Run, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert default_method() == ("spacing_flow", ADVICE)
    assert run("--between", "2") == 0
    said = capsys.readouterr().out
    assert ", by spacing_flow\n" in said
    assert said.splitlines().count(ADVICE) == 1
    # not to those who chose a method, nor in Python
    assert run("--method", "spacing_flow", output="chosen") == 0
    images = [Image.open(path) for path in keys]
    frames = [
        np.asarray(inbetween.interpolate(images, cuts="interpolate", device="cpu", **chosen)[1])
        for chosen in ({}, {"method": "spacing_flow"})
    ]
    assert np.array_equal(*frames)
    out, err = capsys.readouterr()
    assert "fetch-weights" not in out + err


@pytest.mark.usefixtures("ships", "fetched")
@pytest.mark.parametrize("way", ["--method", "--config"])
def test_a_users_choice_always_wins(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    (tmp_path / "mine.yaml").write_text("method: spacing_flow\n")
    assert run(way, "spacing_flow" if way == "--method" else str(tmp_path / "mine.yaml")) == 0
    assert ", by spacing_flow\n" in capsys.readouterr().out


def test_without_the_shipped_part_or_a_cache_it_is_spacing_flow(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    request.getfixturevalue("ships")
    shipped("checkpoints", SHIPPED).unlink()
    assert default_method() == ("spacing_flow", "")
    request.getfixturevalue("fetched")
    assert has_fetched_rife()
    assert default_method() == ("spacing_flow", "")

    def homeless() -> Path:
        raise RuntimeError

    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setattr(Path, "home", homeless)
    assert not has_fetched_rife()
    assert default_method().name == "spacing_flow"


@pytest.mark.usefixtures("ships", "fetched")
def test_it_takes_what_spacing_flow_takes(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Spacing maps, candidates, transparency, review thresholds, and `compare`."""
    path = tmp_path / "map.png"
    Image.fromarray(np.full((64, 80), 64, np.uint8)).save(path)
    (tmp_path / "labelled.yaml").write_text(
        "model: {class_path: inbetween.methods.SpacingRife, init_args: {review_thresholds: [0.01, 0.02]}}"
    )
    method = f"{tmp_path / 'labelled.yaml'}={SHIPPED}"
    assert run("--candidates", "3", "--spacing_map", str(path), "--method", method) == 0
    assert capsys.readouterr().out.count("review.csv: ") == 3
    drawn = [np.asarray(Image.open(tmp_path / f"out/candidate_{n}/0001.png")) for n in (1, 2, 3)]
    assert all(frame.shape == (64, 80, 4) and frame[..., 3].any() for frame in drawn)
    assert not np.array_equal(drawn[1], drawn[2])
    assert find_model(shipped("checkpoints", SHIPPED)) == find_model("spacing_rife")
    weights = f"spacing_rife.yaml={SHIPPED}"
    data = tmp_path / "data.yaml"
    data.write_text(
        "data: {source: {class_path: inbetween.data.SyntheticAnimation, init_args: {length: {val: 1}}},"
        " size: [64, 64], batch_size: 1, num_workers: 0}"
    )
    call = ["compare", "--config", str(data), "--image_windows", "0", "--accelerator", "cpu"]
    assert main([*call, "--methods", "spacing_flow", weights, "--output", str(tmp_path / "compared")]) == 0
    said = capsys.readouterr().out
    assert "\nspacing_rife " in said
    assert said.count("(review_thresholds)") == 2


@pytest.mark.usefixtures("ships")
@pytest.mark.parametrize(
    ("method", "damage"),
    [
        ("spacing_rife", "missing"),
        (f"spacing_rife.yaml={SHIPPED}", "damaged"),
        ("the file", "another"),
        ("none", "damaged"),
    ],
)
def test_without_its_base_it_is_refused_in_one_sentence(
    run: Run,
    fetched: Path,
    tmp_path: Path,
    method: str,
    damage: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    reason = "does not hold the expected weights of RIFE (other SHA-256)"
    remedy = "`python -m inbetween fetch-weights rife` downloads them again.\n"
    if damage == "missing":
        fetched.unlink()
        reason, remedy = (
            "RIFE's weights are not here",
            "`python -m inbetween fetch-weights rife` gets them.\n",
        )
    else:
        fetched.write_bytes(b"of another network")
    if damage == "another":
        found = hashlib.sha256(fetched.read_bytes()).hexdigest()
        monkeypatch.setattr("inbetween.methods.rife.weights.RIFE_SHA256", found)
        reason, remedy = "belongs to another base", "give that one's file as `base` in the YAML.\n"
    name = {"the file": str(shipped("checkpoints", SHIPPED))}.get(method, method)
    assert run(*([] if method == "none" else ["--method", name])) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("inbetween: ")
    assert reason in err
    assert err.endswith(remedy)
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="RIFE"):
        inbetween.load("spacing_rife", device="cpu")


@pytest.mark.parametrize("size", [(96, 128), (100, 132)])
def test_the_real_weights_move_a_square(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    """The real ones, a quarter of 16 pixels."""
    monkeypatch.undo()  # the user's own cache
    if not (has_fetched_rife() and shipped("checkpoints", SHIPPED).is_file()):
        pytest.skip("needs RIFE's weights (`fetch-weights rife`) and the shipped weights of spacing RIFE")
    model = inbetween.load(default_method().name, device="cpu", precision="32-true")
    assert isinstance(model.method, SpacingRife)
    assert isinstance(model.method, SpacingFlow)
    assert model.method.hparams["base_sha256"] == RIFE_SHA256
    assert model.method.review_thresholds, "spacing_rife.yaml needs its own, which `compare` prints"
    texture = np.random.default_rng(0).integers(0, 160, (8, 8)).astype(np.uint8)
    texture = cv2.resize(texture, (32, 32), interpolation=cv2.INTER_CUBIC)
    pair = [np.full((*size, 3), 255, np.uint8) for _ in range(2)]
    for image, left in zip(pair, (24, 40), strict=True):
        image[32:64, left : left + 32] = texture[..., None]
    ink = 255.0 - model.interpolate(*pair, t=0.25)[0].mean(-1)
    assert float((ink.sum(0) * np.arange(size[1])).sum() / ink.sum()) == pytest.approx(24 + 4 + 15.5, abs=0.8)
