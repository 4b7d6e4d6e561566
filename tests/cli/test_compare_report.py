"""`compare` writes a report with the same numbers as its tables, and with windows that play."""

import csv
from pathlib import Path
from typing import Any

import pytest

from inbetween.commands.compare import page as compare_page
from inbetween.commands.compare.page import clear_winners
from tests.cli.conftest import Compare
from tests.commands.test_report_page import data_of, image_of

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
REPORT = Path("logs/compare/report.html")


def shown() -> Any:
    return data_of(REPORT.read_text())


def rows_of(name: str) -> list[dict[str, str]]:
    with Path(f"logs/compare/{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_numbers_are_those_of_the_tables(compare: Compare) -> None:
    report = compare(methods=["dis.yaml", "spacing_flow.yaml"])
    found = shown()
    assert found["methods"] == report["methods"]
    names = [line["method"] for line in found["methods"]]
    for row in rows_of("windows"):
        method = names.index(row["method"])
        (place,) = (n for n, one in enumerate(found["windows"]) if one["index"] == int(row["index"]))
        assert found["windows"][place]["name"] == row["window"]
        for key in found["metrics"]:
            assert found["scores"][key][method][place] == pytest.approx(float(row[key]), rel=1e-5)
        expected = found["expected"][method][place]
        assert (expected is None) == (row["expected_error"] == "")
        if expected is not None:
            assert expected == pytest.approx(float(row["expected_error"]), rel=1e-5)
    differences = [
        {key: str(line[key]) for key in ("method", "other", "metric", "mean", "low", "high", "better", "n")}
        for line in found["differences"]
    ]
    assert differences == rows_of("differences")
    for line in found["differences"]:
        assert 0 <= line["better"] + line["worse"] <= 1
    facts = dict(found["facts"])
    assert facts["Data"].endswith("scenes, val")
    assert facts["Windows"] == "6 of 1 animations"
    assert facts["Size"] == "32 x 32 pixels"
    assert found["lead"] == "4 methods on 6 windows of val, from 1 animation"


def test_frames_and_their_predicted_errors(compare: Compare) -> None:
    compare(methods=["spacing_flow.yaml"])
    found = shown()
    assert found["kept"].startswith("All 6 windows play. Pictures are WebP, lossless (6).")
    assert found["frames"][:2] == [None, None]  # repeat and cross-fade predict nothing
    predicted, errors = found["frames"][2]["predicted"], found["frames"][2]["errors"]
    assert len(predicted) == len(errors) == len(found["frames"][2]["labels"]) == 6 * 2
    windows = [sum(predicted[2 * k : 2 * k + 2]) / 2 for k in range(6)]
    assert windows == pytest.approx(found["expected"][2], rel=1e-4)
    # half of the windows are the worst, the last is the best, and their pictures are the methods' own
    order = [player["index"] for player in found["players"]]
    scores = dict(enumerate(found["scores"]["ssim"][2]))
    ranked = sorted(order, key=lambda index: scores[index])
    assert [*order[:3], order[-1]] == [*ranked[:3], ranked[-1]]
    for player in found["players"]:
        truth = image_of(player["truth"]).reshape(4, 24, 32, 3)  # without padding
        repeat = image_of(player["strips"][0]).reshape(2, 24, 32, 3)
        assert (repeat == truth[:1]).all()
        (place,) = (n for n, one in enumerate(found["windows"]) if one["index"] == player["index"])
        gap = abs(image_of(player["strips"][2]).reshape(2, 24, 32, 3) / 255 - truth[1:-1] / 255).mean(
            (1, 2, 3)
        )
        first = 2 * place
        assert gap.tolist() == pytest.approx(errors[first : first + 2], abs=2e-3)
        assert [bool(source) for source in player["errors"]] == [False, False, True]


def test_few_windows_play_and_numbers_are_bounded(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_page, "NUMBERS", 3 * 4 * 2)  # two windows of three methods by four metrics
    compare("--report_windows", "3")
    found = shown()
    assert len(found["players"]) == 3
    playing = {player["index"] for player in found["players"]}
    listed = [one["index"] for one in found["windows"]]
    assert playing <= set(listed)
    assert 3 <= len(listed) < 6
    assert found["notes"][0].startswith(f"Distributions and the table of windows show {len(listed)} of the 6")
    assert "3 of 6 windows play: by ssim of dis the 2 worst and the 0 best, and 1 more" in found["kept"]


def test_no_report_of_an_earlier_comparison_stays(compare: Compare) -> None:
    compare()
    assert REPORT.exists()
    compare("--report_windows", "0")
    assert not REPORT.exists()


def line(name: str, **means: float) -> dict[str, Any]:
    return {"method": name, "metrics": {key: {"mean": mean} for key, mean in means.items()}}


def gap(method: str, other: str, low: float, high: float, metric: str = "ssim") -> dict[str, Any]:
    return {"method": method, "other": other, "metric": metric, "low": low, "high": high}


def test_only_a_clear_winner_is_bold() -> None:
    two = {0: "cat", 1: "dog"}
    summary = [line("a", ssim=0.8), line("b", ssim=0.9), line("c", ssim=0.7)]
    clear = [gap("b", "a", 0.05, 0.15), gap("c", "a", -0.3, 0.1), gap("c", "b", -0.3, -0.1)]
    assert clear_winners(summary, clear, two) == {"ssim": "b"}
    assert clear_winners(summary, [*clear[:2], gap("c", "b", -0.3, 0.1)], two) == {}
    assert clear_winners(summary, clear, {0: "cat", 1: "cat"}) == {}  # intervals without width
    lower = [line("a", lpips=0.1, temporal_coherence=0.0), line("b", lpips=0.2, temporal_coherence=0.1)]
    gaps = [gap("b", "a", 0.1, 0.2, "lpips"), gap("b", "a", 0.1, 0.2, "temporal_coherence")]
    assert clear_winners(lower, gaps, two) == {"lpips": "a"}
