"""`compare --cycle`, and scores by the share of the in-between that only one keyframe shows."""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inbetween.commands.compare.cycle import cycled
from inbetween.commands.compare.one_sided import by_one_sided, one_sided_table
from inbetween.commands.compare.summary import Row
from inbetween.data import FolderScenes, WindowSpec
from inbetween.methods import CrossFade, OpticalFlow, Repeat
from inbetween.metrics import LineChamferDistance, bootstrap_interval
from inbetween.metrics.feature_network import SHAPES
from tests.cli.conftest import Compare, write_yaml
from tests.tiny import blobs, random_batch

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
CYCLE = "cycle_line_chamfer_distance"


def read(name: str) -> list[dict[str, str]]:
    with Path(f"logs/compare/{name}").open(newline="") as file:
        return list(csv.DictReader(file))


def test_in_betweens_of_in_betweens() -> None:
    batch = random_batch(2, between=1)
    batch["t"] = torch.full((2, 1), 0.5)
    first, middle, last = batch["first"], batch["targets"][:, 0], batch["last"]
    torch.testing.assert_close(cycled(CrossFade(), batch)[:, 0], (first + 2 * middle + last) / 4)
    assert torch.equal(cycled(Repeat(), batch)[:, 0], first)
    # steady motion comes back, whoever can follow it
    first, middle, last = (blobs(shift) for shift in (0, 4, 8))
    batch = {**random_batch(1, between=1), "first": first, "targets": middle[:, None], "last": last}
    batch["t"] = torch.full((1, 1), 0.5)
    off = [
        float((cycled(method, batch)[:, 0] - middle)[..., 16:-16].abs().mean())
        for method in (OpticalFlow("dis"), CrossFade(), Repeat())
    ]
    assert off[0] < 0.5 * off[1] < off[2]


def test_cycle_is_a_metric_of_windows_with_three_keyframes(
    compare: Compare, scenes_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = torch.Generator().manual_seed(0)
    weights = tmp_path / "alexnet.safetensors"
    save_file({name: torch.randn(shape, generator=stream) / 50 for name, shape in SHAPES.items()}, weights)
    given = ("--data.between", "3", "--data.size", "64", "--lpips_network", str(weights))
    without = compare(*given)
    assert all("cycle_lpips" not in line["metrics"] for line in without["methods"])
    assert "cycle_lpips" not in read("windows.csv")[0]
    capsys.readouterr()
    report = compare(*given, "--cycle")
    out = capsys.readouterr().out
    assert "Cycle consistency is of 2 of 5 windows: for the others the source has no three evenly" in out
    assert "cycle_lpips ↓" in out
    for line, plain in zip(report["methods"], without["methods"], strict=True):
        # drawings 0, 4 and 8 of nine, from the first window and from the last
        found = {key: line["metrics"].pop(key) for key in (CYCLE, "cycle_lpips")}
        assert [one["n"] for one in found.values()] == [2, 2]
        assert found["cycle_lpips"]["mean"] > 0
        assert line["metrics"] == plain["metrics"]
    lines = [line for line in read("windows.csv") if line["method"] == "repeat"]
    assert [line[CYCLE] == "" for line in lines] == [False, True, True, True, False]
    assert {(line["method"], line["n"]) for line in read("summary.csv") if line["metric"] == CYCLE} == {
        (method, "2") for method in ("repeat", "cross_fade", "dis")
    }
    differences = [line for line in read("differences.csv") if line["metric"] == CYCLE]
    assert {line["n"] for line in differences} == {"2"}
    assert len(differences) == 3
    # repeat gives drawing 0 for drawing 4; padding does not count
    spec = WindowSpec(between=3, size=(64, 64), stride=1, cache_dir=tmp_path / "frames")
    triplet = FolderScenes(scenes_root).dataset("val", spec).keyframe_triplet(0)
    assert triplet is not None
    expected = float(LineChamferDistance()(triplet[None, 0, :, 8:56], triplet[None, 1, :, 8:56]))
    assert float(lines[0][CYCLE]) == pytest.approx(expected, rel=1e-5)


def test_cycle_of_windows_that_are_a_whole_motion(compare: Compare, tmp_path: Path) -> None:
    source = {"class_path": "inbetween.data.SyntheticAnimation"}
    config = write_yaml(tmp_path / "synthetic.yaml", {"data": {"source": source, "val_windows": 3}})
    given = ("--config", str(config), "--cycle", "--image_windows", "0")
    report = compare(*given, "--data.between", "1", methods=[])
    assert [line["metrics"][CYCLE]["n"] for line in report["methods"]] == [3, 3]
    # without a target at t = 1/2
    report = compare(*given, "--data.between", "2", methods=[])
    assert all(CYCLE not in line["metrics"] for line in report["methods"])


def test_scores_by_what_one_keyframe_shows(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = {"class_path": "inbetween.data.SyntheticAnimation", "init_args": {"truth": True}}
    content = {"data": {"source": source, "val_windows": 16, "size": 48, "between": 1}}
    config = str(write_yaml(tmp_path / "synthetic.yaml", content))
    report = compare("--config", config, "--reference", "cross_fade")
    rows = read("windows.csv")
    shares = {row["index"]: float(row["one_sided"]) for row in rows}
    assert all(float(row["one_sided"]) == shares[row["index"]] for row in rows)
    scores = {row["method"]: {} for row in rows}
    for row in rows:
        scores[row["method"]][row["index"]] = float(row["ssim"])
    chosen = [index for index, share in shares.items() if 0.02 <= share < 0.1]
    assert 0 < len(chosen) < 16
    (line,) = (line for line in report["methods"] if line["method"] == "dis")
    assert line["one_sided"]["metric"] == "ssim"
    assert line["one_sided"]["reference"] == "cross_fade"
    assert sum(found["windows"] for found in line["one_sided"]["bins"].values()) == 16
    found = line["one_sided"]["bins"]["2 to 10 %"]
    assert found["windows"] == len(chosen)
    mean = sum(scores["dis"][index] for index in chosen) / len(chosen)
    gaps = torch.tensor([scores["dis"][index] - scores["cross_fade"][index] for index in chosen])
    low, high = bootstrap_interval(gaps)
    assert found["mean"] == pytest.approx(mean, abs=1e-6)
    assert found["difference"]["mean"] == pytest.approx(float(gaps.mean()), abs=1e-6)
    assert (found["difference"]["low"], found["difference"]["high"]) == pytest.approx((low, high), abs=1e-6)
    out = capsys.readouterr().out
    assert f"2 to 10 % (n={len(chosen)})" in out
    gap = found["difference"]
    assert f"{gap['mean']:+.3f} [{gap['low']:+.3f}, {gap['high']:+.3f}]" in out
    assert "the difference to cross_fade with its 95 % interval" in out


def test_the_reference_is_the_first_method_given(compare: Compare) -> None:
    report = compare("--image_windows", "0")
    assert {line["one_sided"]["reference"] for line in report["methods"]} == {"dis"}
    assert {line["one_sided"]["reference"] for line in compare(methods=[])["methods"]} == {"repeat"}


def test_windows_without_a_share_are_in_no_bin() -> None:
    row = Row("one", "one.yaml", None, scores={"lpips": {0: 0.1, 1: 0.2, 2: 0.3}})
    found = by_one_sided(row, row, {0: 0.1, 1: float("nan"), 2: 0.019}, dict.fromkeys(range(3), "a"))
    assert found["bins"] == {
        "under 2 %": {"windows": 1, "mean": 0.3},
        "10 % or more": {"windows": 1, "mean": 0.1},
    }
    assert "under 2 % (n=1)  10 % or more (n=1)" in one_sided_table([{"method": "one", "one_sided": found}])
    empty = by_one_sided(row, row, dict.fromkeys(range(3), float("nan")), {})
    assert one_sided_table([{"method": "one", "one_sided": empty}]) == ""
