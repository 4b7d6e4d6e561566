"""`benchmark` measures speed and memory of training and inference."""

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

from inbetween.__main__ import main
from inbetween.commands.benchmark import measuring
from inbetween.commands.benchmark.command import parse_size
from inbetween.commands.benchmark.experiments import experiments
from inbetween.commands.benchmark.measuring import Line, with_whole_trainings
from inbetween.commands.benchmark.report import inference_entry, training_entry
from inbetween.commands.benchmark.subject import Phase, Task
from inbetween.commands.machine import operations
from inbetween.errors import UserError
from inbetween.modules.perceptual import LAYERS
from tests.cli.conftest import Run, write_yaml

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.mark.usefixtures("small_machine")
def test_an_experiment_and_methods_side_by_side(
    run: Run, exp1: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("--sizes", "32x48:2", "--repeats", "2", "--memory", "false", "--precision", "32-true")
    run("benchmark", *exp1, "--methods", "repeat.yaml", *quick)
    report = json.loads(Path("logs/benchmark/benchmark.json").read_text())
    (training,) = report["training"]
    assert (training["method"], training["size"], training["batch_size"]) == ("exp1", "32x32:2", 2)
    assert [(line["method"], line["size"]) for line in report["inference"]] == [
        ("exp1", "32x48:2"),
        ("repeat", "32x48:2"),
    ]
    assert all(line["speedup"] is None for line in (training, *report["inference"]))
    assert "2 rounds" in capsys.readouterr().out


@pytest.fixture
def small_spacing_flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Spacing flow as it ships, on tiny windows, and a VGG16 of random weights that nobody has yet."""
    weights = {}
    for numbers, (before, channels) in zip(LAYERS, ((3, 64), (64, 128), (128, 256)), strict=True):
        for number in numbers:
            weights[f"features.{number}.weight"] = torch.randn(channels, before, 3, 3) / 50
            weights[f"features.{number}.bias"] = torch.zeros(channels)
            before = channels
    save_file(weights, tmp_path / "vgg.safetensors")
    monkeypatch.setattr("inbetween.modules.perceptual.PerceptualLoss.forward", slow_loss)
    model = {"init_args": {"crop": 32}}
    overlay = write_yaml(tmp_path / "o.yaml", {"model": model, "data": {"size": 32, "batch_size": 1}})
    quick = ["--sizes", "32x32:1", "--repeats", "2", "--memory", "false", "--precision", "32-true"]
    return ["benchmark", "--config", "spacing_flow.yaml", "--config", str(overlay), *quick]


def slow_loss(self: nn.Module, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """In the place of LPIPS: takes longer than all the rest."""
    time.sleep(0.3)
    return (images - targets).square().mean()


@pytest.mark.usefixtures("small_machine")
def test_training_with_and_without_the_perceptual_loss(
    run: Run, small_spacing_flow: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "path.yaml"
    write_yaml(path, {"model": {"init_args": {"perceptual_network": str(tmp_path / "vgg.safetensors")}}})
    run(*small_spacing_flow, "--config", path)
    report = json.loads(Path("logs/benchmark/benchmark.json").read_text())
    assert report["left_out"] == []
    before, late, whole = report["training"]
    assert [(line["phase"], line["share_of_training"]) for line in (before, late, whole)] == [
        ("before LPIPS", 0.3),
        ("with LPIPS", 0.7),
        ("whole training", 1.0),
    ]
    seconds = [1 / line["samples_per_second"]["median"] for line in (before, late, whole)]
    assert seconds[0] < 0.3 < seconds[1]
    assert seconds[0] < seconds[2] < seconds[1]
    out = capsys.readouterr().out
    for text in ("before LPIPS (30%) ", "with LPIPS (70%) ", "whole training "):
        assert f"spacing_flow, {text}" in out


@pytest.mark.usefixtures("small_machine")
def test_training_without_vgg_says_what_is_left_out(
    run: Run, small_spacing_flow: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    run(*small_spacing_flow)
    report = json.loads(Path("logs/benchmark/benchmark.json").read_text())
    (line,) = report["training"]
    assert line["phase"] == "without LPIPS"
    (text,) = report["left_out"]
    assert text.startswith("spacing_flow is measured without its perceptual loss, which 70% of its training")
    assert text in capsys.readouterr().out


def test_a_whole_training_takes_each_phase_in_its_share() -> None:
    subject = SimpleNamespace()
    first, second = line("train", [1.0, 10.0], subject=subject), line("train", [3.0, 30.0], subject=subject)
    first.phase, second.phase = Phase("a", 0.25), Phase("b", 0.75)
    first.operations, second.operations = 40, 80
    first.peak_bytes, second.peak_bytes = 5, 7
    alone = line("train", [4.0, 4.0], subject=SimpleNamespace())
    *given, whole = with_whole_trainings([alone, first, second])
    assert given == [alone, first, second]
    assert (whole.seconds, whole.operations, whole.peak_bytes) == ([2.5, 25.0], 70, 7)


@pytest.mark.usefixtures("small_machine")
def test_methods_without_training_have_no_table_of_it(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("benchmark", "--config", "repeat.yaml", "--sizes", "32x32:1", "--repeats", "1", "--memory", "false")
    out = capsys.readouterr().out
    assert "inference " in out
    assert "training " not in out


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts the parent on Linux alone")
def test_peak_memory_is_the_processes_own() -> None:
    """A large parent does not count, and what was freed again does."""
    ballast = torch.ones(2**28)
    program = (
        "import torch; from inbetween.commands.machine import peak_memory as peak;"
        "cpu = torch.device('cpu'); before = peak(cpu); torch.ones(10**8); print(before, peak(cpu))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CONFIGS.parent
    )
    before, after = map(int, ended.stdout.split())
    assert before < ballast.nbytes
    assert after - before == pytest.approx(4e8, rel=0.05)


def test_operations_by_hand() -> None:
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    conv = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    forward = 2 * (2 * 5 * 8 * 8) * (3 * 3 * 3)
    assert operations(lambda: conv(x)) == forward
    assert operations(lambda: conv(x).sum().backward()) == 3 * forward
    conv.requires_grad_(False)
    assert operations(lambda: conv(x).sum().backward()) == 2 * forward
    q, k = torch.randn(2, 4, 6, 16, requires_grad=True), torch.randn(2, 4, 10, 16)
    product = 2 * (2 * 4) * 6 * 10 * 16
    assert operations(lambda: F.scaled_dot_product_attention(q, k, k)) == 2 * product
    assert operations(lambda: F.scaled_dot_product_attention(q, k, k).sum().backward()) == 7 * product


def test_a_devices_first_run_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """It loads kernels: what takes long for that alone was measured over a single run ever after."""
    calls: list[float] = []

    def run() -> None:
        time.sleep(0.1 if not calls else 0.001)
        calls.append(time.perf_counter())

    monkeypatch.setattr(measuring, "synchronize", lambda device: None)
    monkeypatch.setattr(measuring, "LEAST_SECONDS", 0.05)
    clock = measuring._clock(run, torch.device("cuda"))
    made = len(calls)
    assert clock() < 0.05
    assert len(calls) - made > 1


def line(kind: str, seconds: list[float], reference: Line | None = None, subject: object = None) -> Line:
    task = Task(kind, 32, 64, 3, windows=4)
    return Line("x", task, None, subject, reference, operations=80, seconds=seconds)


def test_ratios_are_taken_within_a_round() -> None:
    """The machine is ten times slower in the second round, for both."""
    baseline = line("train", [8.0, 80.0, 12.0])
    ours = line("train", [2.0, 20.0, 2.0], baseline, SimpleNamespace())
    rates = {"bfloat16 a": [100.0, 10.0, 100.0], "bfloat16 b": [1.0, 20.0, 1.0], "float32 a": [9.0, 9.0, 9.0]}
    entry = training_entry(ours, rates, "bf16-mixed")
    assert entry["speedup"] == {"median": 4, "low": 4, "high": 6}
    assert entry["samples_per_second"] == {"median": 2, "low": 0.2, "high": 2}
    assert entry["operations_per_sample"] == 20
    assert entry["share"] == {"median": 0.4, "low": 0.2, "high": 0.4}
    assert training_entry(ours, rates, "32-true")["share"]["high"] == pytest.approx(40 / 9)
    # some compute in float32 whatever the methods do
    baseline.mixed = False
    assert training_entry(baseline, rates, "bf16-mixed")["share"]["high"] == pytest.approx(10 / 9)
    assert inference_entry(line("interpolate", [3.0]))["seconds_per_frame"]["median"] == 1


def test_files_add_up_like_those_of_fit(tmp_path: Path) -> None:
    overlay = write_yaml(tmp_path / "o.yaml", {"data": {"batch_size": 3}, "model": {"init_args": {"a": 1}}})
    (alone,) = experiments(["exp1.yaml", "backbone/sd15.yaml", str(overlay)], [], {"pretrained": "here"})
    arguments = alone.keys["model"]["init_args"]
    assert arguments["backbone"]["class_path"] == "inbetween.methods.diffusion.Backbone"
    assert arguments["backbone"]["init_args"]["pretrained"] == "here"
    assert "channels" not in arguments["backbone"]["init_args"]  # another class, other arguments
    assert arguments["a"] == 1
    assert arguments["sampling"]["num_inference_steps"] == 20
    assert alone.training_task(None) == Task("train", 224, 224, 3, 3)
    assert alone.training_task(5).windows == 5
    # without a method of their own they are laid over each
    both = experiments([str(overlay)], ["repeat.yaml", "exp1.yaml=a.ckpt", "exp1.yaml"])
    assert [row.name for row in both] == ["repeat", "exp1", "exp1#2"]
    assert [row.checkpoint for row in both] == [None, "a.ckpt", None]
    assert {row.keys["data"]["batch_size"] for row in both} == {3}


@pytest.mark.parametrize("text", ["256x256", "256:3", "0x256:3", "256x256:0", "256x256:3 "])
def test_sizes_that_are_none(text: str) -> None:
    assert parse_size("1080x1920:1") == (1080, 1920, 1)
    with pytest.raises(UserError, match="HEIGHTxWIDTH:N"):
        parse_size(text)


def test_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    for args, text in (
        (["--repeats", "2"], "Nothing says what to measure"),
        (["--config", "repeat.yaml", "--repeats", "0"], "repeats is 0"),
    ):
        assert main(["benchmark", *args]) == 2
        assert text in capsys.readouterr().err
    assert not Path("logs").exists()
