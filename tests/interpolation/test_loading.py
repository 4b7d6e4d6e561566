"""Methods by name, and nothing global changed by loading them."""

import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import inbetween
from inbetween.commands.compare.command import named_rows
from inbetween.errors import UserError
from inbetween.interpolation.loading import as_written, find_model, shipped_names
from inbetween.methods import CrossFade, OpticalFlow, SpacingFlow, TemporalEncodingDiffusion
from inbetween.methods.rife.weights import cached_rife
from inbetween.paths import shipped
from tests.interpolation.images import noise

PARTS = [0.25, 0.5, 0.75]


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
    run = tmp_path / "sign=in_name"
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


def test_commands_take_the_same_names() -> None:
    assert as_written("spacing_flow") == ("spacing_flow.yaml", "spacing_flow/weights.safetensors")
    assert as_written("dis") == ("dis.yaml", None)
    assert as_written("exp1.yaml=my.ckpt") == ("exp1.yaml", "my.ckpt")
    assert as_written("mine.yaml") == ("mine.yaml", None)
    rows = [(row.name, row.checkpoint) for row in named_rows(["exp1_slerp", "exp1_slerp.yaml=my.ckpt"])]
    assert rows == [("exp1_slerp", "exp1/weights.safetensors"), ("exp1_slerp#2", "my.ckpt")]


def test_a_method_whose_weights_are_fetched_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("rife", "spacing_rife"):
        with pytest.raises(
            UserError, match=r"^RIFE's weights are not here: `python -m inbetween fetch-weights"
        ):
            inbetween.load(name, device="cpu")


@pytest.mark.slow
def test_every_method_that_ships_interpolates() -> None:
    for name in shipped_names():
        if "rife" in name and not cached_rife().is_file():
            continue
        if "FirstLastVideo" in shipped("configs", f"{name}.yaml").read_text():  # whose weights users download
            continue
        model = inbetween.load(name, device="cpu", precision="32-true")
        frames = model.interpolate(noise(4, 0), noise(4, 1), PARTS[:2])
        assert frames.shape == (2, 24, 40, 4), name
    assert isinstance(inbetween.load("exp1").method, TemporalEncodingDiffusion)


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


def test_importing_the_package_is_light() -> None:
    program = (
        "import sys, time, warnings; before, start = list(warnings.filters), time.perf_counter();"
        "import inbetween; took = time.perf_counter() - start; assert warnings.filters == before;"
        "assert not {'torch', 'numpy', 'PIL', 'lightning'} & set(sys.modules); assert took < 0.3, took"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert set(inbetween.__all__) == {"Guides", "Interpolator", "UserError", "interpolate", "load"}
    assert inbetween.UserError is UserError
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(inbetween, "nothing")  # noqa: B009 - as a user would ask


@pytest.mark.slow  # a new process imports all libraries
def test_loading_leaves_warnings_alone() -> None:
    program = (
        "import warnings, inbetween;"
        "import torch, lightning, cv2, PIL.Image, transformers, diffusers, torchmetrics, jsonargparse, lpips;"
        "from lightning.pytorch.cli import LightningCLI; from torch.utils import tensorboard;"
        "before = list(warnings.filters); inbetween.load('dis'); assert list(warnings.filters) == before,"
        "set(map(str, warnings.filters)) - set(map(str, before))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
