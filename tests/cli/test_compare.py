"""`compare` measures methods on the same windows, prints a table and writes its numbers."""

import csv
import time
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inbetween.data import WindowSource, WindowSpec
from inbetween.data.source import WindowDataset
from inbetween.metrics import bootstrap_interval
from inbetween.metrics.feature_network import SHAPES
from inbetween.types import Split, Window
from inbetween.weights import precision
from tests.cli.conftest import Compare, Run, write_yaml
from tests.commands.known_methods import Slow
from tests.conftest import DrawScene
from tests.tiny import random_batch

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")


def means(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {
        line["method"]: {key: found["mean"] for key, found in line["metrics"].items()}
        for line in report["methods"]
    }


def test_table_and_files(compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    report = compare()
    out = capsys.readouterr().out
    assert report["windows"] == 6  # 9 drawings, windows of 4, at every drawing
    assert report["between"] == 2
    assert report["size"] == [32, 32]
    assert [line["method"] for line in report["methods"]] == ["repeat", "cross_fade", "dis"]
    for line in report["methods"]:
        assert set(line["metrics"]) == {"ssim", "psnr", "warping_error", "line_chamfer_distance"}
        for key, found in line["metrics"].items():
            assert found["n"] == 6
            assert found["low"] <= found["mean"] <= found["high"], key
        row = next(text for text in out.splitlines() if text.startswith(f"{line['method']} "))
        assert row.split()[1] == f"{line['metrics']['ssim']['mean']:.3f}"
    assert "6 windows of val" in out
    # The square moves: a still picture is worst, and following it is better than a dissolve.
    found = means(report)
    assert found["repeat"]["ssim"] < found["cross_fade"]["ssim"] < found["dis"]["ssim"]

    with Path("logs/compare/windows.csv").open(newline="") as file:
        windows = list(csv.DictReader(file))
    assert len(windows) == 3 * 6
    for method, metrics in found.items():
        scores = [float(row["ssim"]) for row in windows if row["method"] == method]
        assert sum(scores) / 6 == pytest.approx(metrics["ssim"], abs=1e-6)
    with Path("logs/compare/summary.csv").open(newline="") as file:
        summary = {(row["method"], row["metric"]): float(row["mean"]) for row in csv.DictReader(file)}
    assert summary == {
        (method, key): mean for method, metrics in found.items() for key, mean in metrics.items()
    }
    with Image.open("logs/compare/compare.png") as picture:
        assert picture.width > 4 * 32
        assert picture.height > 3 * 4 * 24  # three windows: the targets and three methods
    assert sorted(path.name for path in Path("logs/compare").iterdir()) == [
        "compare.json",
        "compare.png",
        "differences.csv",
        "report.html",
        "summary.csv",
        "summary.md",
        "windows.csv",
    ]
    head, line, *rows = Path("logs/compare/summary.md").read_text().splitlines()
    assert head.startswith("| method | ssim ↑ | psnr ↑ | ")
    assert {text.count("|") for text in (head, line, *rows)} == {head.count("|")}
    assert rows[0].startswith(f"| repeat | {found['repeat']['ssim']:.3f} [")


def test_same_figures_at_any_batch_size_and_in_any_company(
    compare: Compare, backbone: Path, tmp_path: Path
) -> None:
    model = {
        "class_path": "inbetween.methods.TemporalEncodingDiffusion",
        "init_args": {
            "backbone": {
                "class_path": "inbetween.methods.diffusion.Backbone",
                "init_args": {"pretrained": str(backbone)},
            }
        },
    }
    methods = ["dis.yaml", str(write_yaml(tmp_path / "tiny_exp1.yaml", {"model": model}))]
    at_4 = means(compare("--data.batch_size", "4", methods=methods))
    at_1 = means(compare("--data.batch_size", "1", methods=methods[::-1]))
    assert list(at_4) == ["repeat", "cross_fade", "dis", "tiny_exp1"]
    for method, metrics in at_4.items():
        # Convolutions of other batches round differently.
        assert metrics == pytest.approx(at_1[method], rel=1e-4 if method == "tiny_exp1" else 1e-6)


def test_a_still_scene_is_held_perfectly(compare: Compare, draw_scene: DrawScene, tmp_path: Path) -> None:
    root = tmp_path / "still"
    for split in ("train", "val"):
        draw_scene(root / split / "cat" / "sits", numbers=[2] * 7)
    found = means(compare("--data.collapse_holds", "false", root=root))
    for method in ("repeat", "cross_fade"):
        assert found[method]["ssim"] == pytest.approx(1, abs=1e-6)
        assert found[method]["line_chamfer_distance"] == 0
        assert found[method]["warping_error"] == pytest.approx(0, abs=1e-6)


def test_weights_of_a_checkpoint(
    compare: Compare, run: Run, exp1: list[str], backbone: Path, tmp_path: Path
) -> None:
    options = ["--model.init_args.trained", "all", "--model.init_args.optimizer.init_args.lr", "0.05"]
    run("fit", *exp1, *options, "--trainer.max_steps", "2")
    checkpoint = Path("logs/exp1/version_0/checkpoints/last.ckpt").resolve()
    own = {
        "model": {
            "class_path": "inbetween.methods.TemporalEncodingDiffusion",
            "init_args": {
                "backbone": {
                    "class_path": "inbetween.methods.diffusion.Backbone",
                    "init_args": {"pretrained": str(backbone)},
                },
                "trained": "all",
                "sampling": {"num_inference_steps": 4, "strength": 0.5},
            },
        }
    }
    path = write_yaml(tmp_path / "own.yaml", own)
    report = compare(methods=[str(path), f"{path}={checkpoint}"])
    assert [line["method"] for line in report["methods"]] == ["repeat", "cross_fade", "own", "own#2"]
    assert [line["checkpoint"] for line in report["methods"]] == [None, None, None, str(checkpoint)]
    found = means(report)
    assert found["own"]["psnr"] != pytest.approx(found["own#2"]["psnr"], rel=1e-4)


def test_hold_and_cross_fade_come_once(compare: Compare) -> None:
    report = compare("--image_windows", "0", methods=["cross_fade.yaml", "repeat.yaml"])
    assert [line["method"] for line in report["methods"]] == ["repeat", "cross_fade"]
    assert not Path("logs/compare/compare.png").exists()


def test_a_method_that_judges_itself(compare: Compare, capsys: pytest.CaptureFixture[str]) -> None:
    report = compare(methods=["spacing_flow.yaml"])
    with Path("logs/compare/windows.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "spacing_flow"]
    selective = sorted(rows, key=lambda row: float(row["expected_error"]))[:5]  # 80 % of 6
    mean = sum(float(row["ssim"]) for row in selective) / 5
    (line,) = (line for line in report["methods"] if line["method"] == "spacing_flow")
    assert line["selective"]["mean"] == pytest.approx(mean, abs=1e-6)
    told = capsys.readouterr().out
    assert f"and {mean:.3f} on the 80% of windows with the lowest expected error" in told
    rows.sort(key=lambda row: float(row["expected_error"]))
    risks = [1 - float(row["ssim"]) for row in rows]
    uncertainties = [row["expected_error"] for row in rows]
    equal = [
        [risk for risk, uncertainty in zip(risks, uncertainties, strict=True) if uncertainty == one]
        for one in uncertainties
    ]
    expected = [sum(group) / len(group) for group in equal]
    areas = [
        sum(sum(order[:k]) / k for k in range(1, len(order) + 1)) / len(order)
        for order in (expected, sorted(risks))
    ]
    assert line["selective"]["aurc"] == pytest.approx(areas[0])
    assert line["selective"]["excess_aurc"] == pytest.approx(areas[0] - areas[1])
    assert f"(AURC {areas[0]:.4f}, excess AURC {areas[0] - areas[1]:.4f})" in told
    errors = sorted(float(row["expected_error"]) for row in rows)
    half, most = line["selective"]["expected_error"]
    assert half == pytest.approx((errors[2] + errors[3]) / 2)
    assert most == pytest.approx(errors[4])
    assert f"median expected error {half:.5f}, 80th percentile {most:.5f}" in told
    assert all("selective" not in line for line in report["methods"] if line["method"] != "spacing_flow")


def test_figures_by_review_label(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare(methods=["spacing_flow.yaml"])
    with Path("logs/compare/windows.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "spacing_flow"]
    rows.sort(key=lambda row: float(row["expected_error"]))
    scores = [float(row["ssim"]) for row in rows]
    # between the second and the third of six windows, and beyond all
    limits = [(float(rows[1]["expected_error"]) + float(rows[2]["expected_error"])) / 2, 1.0]
    model = {"class_path": "inbetween.methods.SpacingFlow", "init_args": {"review_thresholds": limits}}
    report = compare(methods=[str(write_yaml(tmp_path / "judge.yaml", {"model": model}))])
    (line,) = (line for line in report["methods"] if line["method"] == "judge")
    found = line["selective"]["review"]
    assert {word: one["windows"] for word, one in found.items()} == {"easy": 2, "check": 4}
    assert found["easy"]["mean"] == pytest.approx(sum(scores[:2]) / 2, abs=1e-6)
    assert found["check"]["mean"] == pytest.approx(sum(scores[2:]) / 4, abs=1e-6)
    told = (
        f"by review label: easy {found['easy']['mean']:.3f} (2 windows), check {found['check']['mean']:.3f}"
    )
    assert told in capsys.readouterr().out


def test_differences_are_taken_window_by_window(compare: Compare) -> None:
    compare()
    with Path("logs/compare/windows.csv").open() as file:
        lines = list(csv.DictReader(file))
    score = {(line["method"], line["index"]): float(line["line_chamfer_distance"]) for line in lines}
    gaps = [score["dis", key] - score["cross_fade", key] for method, key in score if method == "dis"]
    with Path("logs/compare/differences.csv").open() as file:
        (found,) = (
            line
            for line in csv.DictReader(file)
            if (line["method"], line["other"], line["metric"])
            == ("dis", "cross_fade", "line_chamfer_distance")
        )
    assert int(found["n"]) == len(gaps) == 6
    assert float(found["mean"]) == pytest.approx(sum(gaps) / 6, rel=1e-5)
    assert float(found["low"]) <= float(found["mean"]) <= float(found["high"])
    # less is better
    assert float(found["better"]) == pytest.approx(sum(gap < 0 for gap in gaps) / 6)


def test_end_point_error_where_motion_is_known(compare: Compare, tmp_path: Path) -> None:
    synthetic = {
        "data": {
            "source": {"class_path": "inbetween.data.SyntheticAnimation", "init_args": {"truth": "targets"}},
            "val_windows": 2,
        }
    }
    report = compare("--config", write_yaml(tmp_path / "synthetic.yaml", synthetic))
    found = {line["method"]: line["metrics"].get("end_point_error") for line in report["methods"]}
    assert found["repeat"] is None  # warps nothing
    assert found["dis"]["n"] == 2
    assert found["dis"]["mean"] > 0


def test_seconds_are_those_of_drawing_alone(
    compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def synchronize(device: torch.device) -> None:
        time.sleep(Slow.waiting)
        Slow.waiting = 0.0

    monkeypatch.setattr("inbetween.commands.compare.evaluation.synchronize", synchronize)
    slow = write_yaml(tmp_path / "slow.yaml", {"model": {"class_path": "tests.commands.known_methods.Slow"}})
    report = compare(methods=[str(slow)])
    (line,) = (line for line in report["methods"] if line["method"] == "slow")
    # two batches, and each is waited for; neither the move nor the first drawing counts
    assert 0.04 < line["seconds_per_frame"] * 6 * 2 < 0.15


def test_one_that_draws_by_common_chance_is_the_same_in_any_company(compare: Compare, tmp_path: Path) -> None:
    model = {"class_path": "tests.commands.known_methods.Careless"}
    methods = [str(write_yaml(tmp_path / f"{name}.yaml", {"model": model})) for name in ("one", "other")]
    found = means(compare(methods=methods))
    assert found["one"] == found["other"]
    assert means(compare(methods=methods[1:]))["other"] == found["other"]


@pytest.mark.parametrize("pays", [False, True])
def test_what_was_computed_in_is_said(
    compare: Compare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pays: bool
) -> None:
    monkeypatch.setattr(precision, "has_fast_bfloat16", lambda: pays)
    report = compare("--precision", "bf16-mixed", "--accelerator", "cpu", methods=[])
    assert report["precision"] == ("bf16-mixed" if pays else "32-true")
    assert (precision.REPLACED in capsys.readouterr().out) is not pays


def intervals(name: str) -> list[dict[str, str]]:
    with Path(f"logs/compare/{name}").open(newline="") as file:
        return list(csv.DictReader(file))


def test_sketch_and_colour_of_all_scenes_are_one_animation(
    compare: Compare, draw_scene: DrawScene, tmp_path: Path
) -> None:
    root = tmp_path / "anita"
    for animation in ("ant", "bee"):
        for kind in ("sketch", "color"):
            for scene in ("one", "two"):
                draw_scene(root / "val" / animation / kind / scene, numbers=list(range(1, 7)))
    draw_scene(root / "train" / "cat" / "color" / "one", numbers=list(range(1, 7)))
    source = {"class_path": "inbetween.data.AnitaScenes", "init_args": {"root": str(root)}}
    config = write_yaml(tmp_path / "anita.yaml", {"data": {"source": source}})
    report = compare("--config", config, methods=[])
    rows = [row for row in intervals("windows.csv") if row["method"] == "repeat"]
    assert {row["animation"] for row in rows} == {"ant", "bee"}
    assert len({row["window"].rpartition("/")[0] for row in rows}) == 8
    scores = torch.tensor([float(row["psnr"]) for row in rows])
    groups = [row["animation"] for row in rows]
    (line,) = (line for line in report["methods"] if line["method"] == "repeat")
    found = line["metrics"]["psnr"]
    assert (found["low"], found["high"]) == pytest.approx(bootstrap_interval(scores, groups=groups))
    assert found["mean"] == pytest.approx(float(scores.mean()))
    other = {
        row["index"]: float(row["psnr"]) for row in intervals("windows.csv") if row["method"] != "repeat"
    }
    gaps = torch.tensor([other[row["index"]] - float(row["psnr"]) for row in rows])
    (found,) = (row for row in intervals("differences.csv") if row["metric"] == "psnr")
    expected = bootstrap_interval(gaps, groups=groups)
    assert (float(found["low"]), float(found["high"])) == pytest.approx(expected, abs=1e-5)


def test_windows_that_name_no_animation(compare: Compare, tmp_path: Path) -> None:
    source = {"class_path": "tests.cli.test_compare.OwnSource"}
    compare("--config", write_yaml(tmp_path / "own.yaml", {"data": {"source": source}}), methods=[])
    found = {row["window"]: row["animation"] for row in intervals("windows.csv")}
    assert found == {"mine/0-1": "mine", "a/b/0-3": "a/b", "alone": "alone"}


class OwnSource(WindowSource):
    """A user's own, which knows nothing of animations."""

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        return OwnWindows()


class OwnWindows(WindowDataset):
    names = ("mine/0-1", "a/b/0-3", "alone")

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: tuple[int, int]) -> Window:
        batch = random_batch(3, between=2)
        window: dict[str, Any] = {name: value[key[1]] for name, value in batch.items()}
        return cast(Window, {**window, "name": self.names[key[1]]})


def test_what_methods_could_do_if_told_the_spacing(compare: Compare, tmp_path: Path) -> None:
    stream = torch.Generator().manual_seed(0)
    weights = tmp_path / "alexnet.safetensors"
    save_file({name: torch.randn(shape, generator=stream) / 50 for name, shape in SHAPES.items()}, weights)
    asked = ("--lpips_network", str(weights), "--data.size", "64")
    without = means(compare(*asked))
    found = means(compare(*asked, "--spacings", "7"))
    for method, metrics in found.items():
        told = metrics.pop("lpips_oracle_timing")
        assert metrics == without[method]
        # thirds, where the targets of two between are, are among the sixths
        assert 0 < told <= metrics["lpips"] + 1e-6
    with Path("logs/compare/windows.csv").open() as file:
        assert "lpips_oracle_timing" in file.readline().split(",")
