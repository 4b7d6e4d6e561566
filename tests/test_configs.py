"""YAML files that stand on others."""

from pathlib import Path

import pytest

from inbetween.configs import merged, read_config
from inbetween.errors import UserError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_merged_leaves_its_arguments_alone() -> None:
    under, over = {"a": {"b": 1, "c": [1, 2]}}, {"a": {"c": [3]}}
    assert merged(under, over) == {"a": {"b": 1, "c": [3]}}
    assert under == {"a": {"b": 1, "c": [1, 2]}}


def test_a_list_replaces_and_a_plus_appends() -> None:
    under = {"a": {"b": [1]}}
    assert merged(under, {"a": {"b": [2]}}) == {"a": {"b": [2]}}
    assert merged(under, {"a": {"b+": [2]}}) == {"a": {"b": [1, 2]}}
    assert under == {"a": {"b": [1]}}
    assert merged({}, {"b+": [2]}) == {"b+": [2]}  # appended to what the command line has by default


def test_another_class_brings_its_arguments_along() -> None:
    under = {"m": {"class_path": "A", "init_args": {"x": 1}}}
    assert merged(under, {"m": {"init_args": {"y": 2}}})["m"]["init_args"] == {"x": 1, "y": 2}
    other = {"class_path": "B", "init_args": {"y": 2}}
    assert merged(under, {"m": other}) == {"m": other}
    # a base may leave the class to those that stand on it
    assert merged({"m": {"init_args": {"x": 1}}}, {"m": other})["m"]["init_args"] == {"x": 1, "y": 2}


def test_bases_are_found_beside_a_file_and_among_those_that_ship(tmp_path: Path) -> None:
    write(tmp_path / "base/low.yaml", "base: base/evaluation.yaml\ntrainer: {max_steps: 3, devices: 1}\n")
    keys = read_config(write(tmp_path / "mine.yaml", "base: base/low.yaml\ntrainer: {max_steps: 5}\n"))
    assert (keys["trainer"]["max_steps"], keys["trainer"]["devices"]) == (5, 1)
    assert keys["trainer"]["use_distributed_sampler"] is False  # of the one that ships
    assert "base" not in keys


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base: mine.yaml", "stands on mine.yaml itself"),
        ("base: other.yaml", "stands on other.yaml itself"),
        ("base: nowhere.yaml", "no config file nowhere.yaml"),
        ("base: [a.yaml]", "give a YAML file"),
        ("base: broken.yaml", "broken.yaml is no valid YAML"),
    ],
)
def test_bases_that_cannot_be(text: str, said: str, tmp_path: Path) -> None:
    write(tmp_path / "other.yaml", "base: mine.yaml\n")
    write(tmp_path / "broken.yaml", "a: [\n")
    with pytest.raises(UserError, match=said):
        read_config(write(tmp_path / "mine.yaml", f"{text}\n"))
