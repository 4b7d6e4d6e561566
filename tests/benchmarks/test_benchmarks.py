"""The benchmark beside what is not the project's own: a plain loop, ffmpeg, a backbone of real size."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.__main__ import main
from benchmarks.baseline import BaselineLoop
from benchmarks.sd15 import sd15_parts
from inbetween.commands.machine import peak_memory
from inbetween.methods.diffusion import Backbone
from tests.tiny import random_batch


def run(*args: str) -> None:
    assert main(args) == 0


@pytest.mark.usefixtures("small_machine")
def test_methods_side_by_side(exp1: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    run(
        *(*exp1, "--methods", "repeat.yaml", "dis.yaml", "--sizes", "32x48:2", "32x32:1"),
        *("--repeats", "3", "--memory", "false", "--precision", "32-true"),
    )
    out = capsys.readouterr().out
    report = json.loads(Path("logs/benchmark/benchmark.json").read_text())
    assert report["machine"]["threads"] == torch.get_num_threads()
    assert report["machine"]["torch"] == torch.__version__
    assert set(report["operations_per_second"]) == {
        f"{dtype} {work}" for dtype in ("bfloat16", "float32") for work in ("convolution", "matrix product")
    }
    assert [line["method"] for line in report["training"]] == ["baseline loop (exp1)", "exp1"]
    for line in report["training"]:
        assert (line["size"], line["batch_size"]) == ("32x32:2", 2)  # of the overlay
        rate = line["samples_per_second"]
        assert 0 < rate["low"] <= rate["median"] <= rate["high"]
    assert [(line["method"], line["size"]) for line in report["inference"]] == [
        (name, size)
        for row in (["baseline loop (exp1)", "exp1"], ["repeat"], ["dis"])
        for size in ("32x48:2", "32x32:1")
        for name in row
    ]
    for line in (*report["training"], *report["inference"]):
        assert (line["speedup"] is None) == (line["method"] != "exp1")
        assert line["peak_bytes"] is None
        (*_,) = [text for text in out.splitlines() if text.startswith(line["method"])]
    assert "3 rounds" in out


@pytest.mark.usefixtures("small_machine")
def test_a_refining_denoiser_is_not_compared() -> None:
    quick = ("--sizes", "32x32:1", "--repeats", "1", "--memory", "false")
    run("--methods", "latent_slerp.yaml", *quick)
    report = json.loads(Path("logs/benchmark/benchmark.json").read_text())
    assert [line["method"] for line in report["inference"]] == ["latent_slerp"]


@pytest.mark.slow
@pytest.mark.usefixtures("small_machine")
def test_memory_of_a_process_of_its_own(exp1: list[str]) -> None:
    ballast = torch.ones(2**28)  # a gigabyte here is none there
    run(*exp1, "--sizes", "32x32:1", "--repeats", "1", "--baseline", "false")
    report = json.loads(Path("logs/benchmark/benchmark.json").read_text())
    for (line,) in (report["training"], report["inference"]):
        assert 2e8 < line["peak_bytes"] < min(ballast.nbytes + 5e8, peak_memory(torch.device("cpu")) - 5e8)


def test_the_baseline_trains_as_told(backbone: Path) -> None:
    baseline = BaselineLoop(Backbone(str(backbone)))
    assert type(baseline.unet.conv_norm_out) is nn.GroupNorm
    before = {name: value.clone() for name, value in baseline.backbone.named_parameters()}
    encoded = []
    baseline.vae.encoder.register_forward_pre_hook(lambda _, inputs: encoded.append(len(inputs[0])))
    baseline.train(random_batch(4))
    assert encoded == [4, 4, 4]  # both keyframes and the target
    changed = {
        name for name, value in baseline.backbone.named_parameters() if not torch.equal(value, before[name])
    }
    assert changed
    assert all(".attn2." in name for name in changed)
    assert all(parameter.grad is not None for parameter in baseline.unet.parameters())
    assert {parameter.dtype for parameter in baseline.backbone.parameters()} == {torch.float32}


def test_the_baseline_samples_frame_by_frame(backbone: Path) -> None:
    baseline = BaselineLoop(Backbone(str(backbone)))
    samples = []
    baseline.unet.register_forward_pre_hook(lambda _, inputs: samples.append(len(inputs[0])))
    frames = baseline.interpolate(random_batch(2, between=3, height=30, width=34), steps=5)
    assert frames.shape == (2, 3, 3, 30, 34)
    assert samples == [1] * (2 * 3 * 5)


def test_sd15_has_the_published_size() -> None:
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in sd15_parts().items()}
    assert sizes == {"unet": 859_520_964, "vae": 83_653_863, "image_encoder": 303_966_208}
    attn2 = [p.numel() for name, p in sd15_parts()["unet"].named_parameters() if ".attn2." in name]
    assert sum(attn2) == 43_962_560


def test_a_missing_ffmpeg(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["--config", "repeat.yaml", "--minterpolate", "true"]) == 2
    assert "There is no ffmpeg on PATH" in capsys.readouterr().err
    assert not Path("logs").exists()
