"""`audit` finds drawings that are in two splits, and methods that draw from memory."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from inbetween.__main__ import main
from inbetween.commands.audit.features import AlexNetFeatures, squared_distances
from inbetween.data.augment import recolor
from inbetween.data.synthetic.scene import KINDS, SyntheticScene
from inbetween.io.images import Pixels
from inbetween.metrics.feature_network import SHAPES, lpips_network, read_alexnet
from inbetween.metrics.perceptual import PerceptualDistance
from tests.cli.conftest import write_yaml
from tests.commands.test_report_page import data_of, image_of
from tests.tiny import write_tiny_backbone

Audit = Callable[..., dict[str, Any]]
FRAMES = 5


def write_scene(folder: Path, index: int) -> list[Path]:
    """Five frames of 64x64 of a synthetic scene."""
    folder.mkdir(parents=True)
    scene = SyntheticScene(9, index, KINDS[index % 3], 0.5)
    paths = [folder / f"{number}.png" for number in range(FRAMES)]
    for number, path in enumerate(paths):
        Image.fromarray(scene.draw(number / (FRAMES - 1), (64, 64))).save(path)
    return paths


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights, whose features are good enough to tell drawings apart."""
    stream = torch.Generator().manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "alexnet.safetensors"
    save_file({name: torch.randn(shape, generator=stream) / 50 for name, shape in SHAPES.items()}, path)
    return path


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six animations of train and six of val, none of which is in both."""
    folder = tmp_path_factory.mktemp("scenes")
    for index in range(12):
        write_scene(folder / ("train" if index < 6 else "val") / f"animation_{index}", index)
    return folder


@pytest.fixture
def root(rendered: Path, tmp_path: Path) -> Path:
    """A copy of them."""
    return Path(shutil.copytree(rendered, tmp_path / "scenes"))


@pytest.fixture
def audit(root: Path, tmp_path: Path) -> Audit:
    """Audits the scenes, expects an exit code, and gives audit.json."""

    def call(*args: str | Path, code: int) -> dict[str, Any]:
        source = {"class_path": "inbetween.data.FolderScenes", "init_args": {"root": str(root)}}
        data = {
            "source": source,
            "between": 3,
            "size": 64,
            "batch_size": 2,
            "cache_dir": str(tmp_path / "frames"),
        }
        config = write_yaml(tmp_path / "audit.yaml", {"data": data})
        args = ("audit", "--config", config, "--precision", "32-true", "--accelerator", "cpu", *args)
        assert main([str(arg) for arg in args]) == code
        report: dict[str, Any] = json.loads(Path("logs/audit/audit.json").read_text())
        return report

    return call


def rows(name: str) -> list[dict[str, str]]:
    with Path(f"logs/audit/{name}").open(newline="") as file:
        return list(csv.DictReader(file))


def plant(path: Path, copy: Callable[[Pixels], Pixels], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(copy(np.asarray(Image.open(path))))).save(target)


COPIES: dict[str, Callable[[Pixels], Pixels]] = {
    "same": lambda image: image,
    "mirrored": lambda image: image[:, ::-1],
    "recoloured": lambda image: 255 - image,
    "mirrored and recoloured": lambda image: recolor(255 - image[None, :, ::-1], np.array([0.0, 0.0, 0.5]))[
        0
    ],
}


def test_a_clean_split_passes(audit: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    report = audit(code=0)
    assert report["frames"] == {"train": 30, "val": 30}  # test is val, and not compared twice
    assert report["copies"] == [{"train": "train", "held_out": "val", "frames": 0, "kinds": {}}]
    assert report["features"] == "hashes"
    assert rows("duplicates.csv") == []
    assert not Path("logs/audit/duplicates.png").exists()
    out = capsys.readouterr().out
    assert "30 of train, 30 of val frames" in out
    assert "threshold 0.14 of hashes, seed 0" in out
    assert "fetch-weights lpips" in out  # with hashes alone, which is said
    assert "result: clean" in out


@pytest.mark.parametrize("deep", [False, True], ids=["hashes", "deep features"])
def test_planted_copies_are_found(
    audit: Audit, root: Path, alexnet: Path, capsys: pytest.CaptureFixture[str], deep: bool
) -> None:
    expected = {}
    for animation, (kind, copy) in zip((7, 8, 10, 11), COPIES.items(), strict=True):  # those with colours
        original, target = root / f"val/animation_{animation}/2.png", root / f"train/leak_{animation}/0.png"
        plant(original, copy, target)
        expected[str(original)] = kind, str(target)
    args = ("--lpips_network", alexnet, "--threshold", "0.0005") if deep else ()
    report = audit(*args, code=1)
    found = {row["held_out"]: (row["kind"], row["train"]) for row in rows("duplicates.csv")}
    assert {original: found[original] for original in expected} == expected
    assert report["copies"][0]["frames"] == len(found)
    assert Image.open("logs/audit/duplicates.png").width > 128
    shown = {copy["frame"]: copy for copy in data_of(Path("logs/audit/report.html").read_text())["copies"]}
    for original, (kind, target) in expected.items():
        assert (shown[original]["kind"], shown[original]["copy"]) == (kind, target)
        for image, path in zip(shown[original]["images"], (original, target), strict=True):
            stored = np.asarray(Image.open(path).convert("RGB"))
            assert (image_of(image)[: len(stored)] == stored).all()
    out = capsys.readouterr().out
    assert "result: FOUND" in out
    assert ("fetch-weights" in out) is not deep


def test_files_of_an_earlier_audit_are_removed(audit: Audit, root: Path) -> None:
    leak = root / "train/leak/0.png"
    plant(root / "val/animation_7/2.png", COPIES["same"], leak)
    audit(code=1)
    assert Path("logs/audit/duplicates.png").exists()
    leak.unlink()
    audit(code=0)
    assert not Path("logs/audit/duplicates.png").exists()


def test_blank_frames_are_no_copies(audit: Audit, root: Path) -> None:
    for split in ("train", "val"):
        folder = root / split / f"empty_{split}"
        folder.mkdir()
        for number, value in enumerate((255, 0, 254)):
            Image.new("RGB", (64, 64), (value,) * 3).save(folder / f"{number}.png")
    assert audit(code=0)["blank"] >= 4  # of three each; those that are held count once


def test_repeats_within_a_split_are_counted(audit: Audit, root: Path) -> None:
    before = audit(code=0)["repeated_within"]["train"]
    plant(root / "train/animation_1/2.png", COPIES["mirrored"], root / "train/again/0.png")
    assert audit(code=0)["repeated_within"]["train"] >= before + 2


def test_three_splits(audit: Audit, root: Path) -> None:
    write_scene(root / "test" / "animation_20", 20)
    plant(root / "test/animation_20/0.png", COPIES["mirrored"], root / "val/leak/0.png")
    report = audit(code=1)
    found = {(one["train"], one["held_out"]): one["frames"] for one in report["copies"]}
    assert found[("train", "val")] == found[("train", "test")] == 0
    assert found[("val", "test")] >= 1
    assert {row["held_out_split"] for row in rows("duplicates.csv")} == {"test"}


def test_the_distance_of_features_is_lpips(alexnet: Path) -> None:
    network = lpips_network(read_alexnet(alexnet))
    features, lpips = AlexNetFeatures(network, torch.device("cpu")), PerceptualDistance(network)
    stream = torch.Generator().manual_seed(1)
    one, other = torch.rand(2, 3, 3, 48, 40, generator=stream)
    found = squared_distances(features.embed(one), features.embed(other))
    expected = lpips.between(lpips.features(one), lpips.features(other))
    torch.testing.assert_close(found.diagonal(), expected, atol=1e-5, rtol=1e-4)


def test_features_of_a_clip(audit: Audit, root: Path, tmp_path: Path) -> None:
    folder = write_tiny_backbone(tmp_path / "backbone") / "image_encoder"
    plant(root / "val/animation_7/2.png", COPIES["mirrored"], root / "train/leak/0.png")
    report = audit("--features", folder, "--threshold", "1e-6", code=1)
    assert report["features"] == "CLIP"
    assert report["threshold"] == 1e-6
    (found,) = (row for row in rows("duplicates.csv") if row["held_out"].endswith("animation_7/2.png"))
    assert found["kind"] == "mirrored"


def test_frames_that_are_rendered(tmp_path: Path) -> None:
    synthetic = {"class_path": "inbetween.data.SyntheticAnimation"}
    mixture = {
        "class_path": "inbetween.data.MixedWindows",
        "init_args": {"sources": [synthetic], "weights": [1.0]},
    }
    config = write_yaml(tmp_path / "a.yaml", {"data": {"source": mixture, "between": 1, "size": 64}})
    assert main(["audit", "--config", str(config), "--windows", "4"]) == 0
    report = json.loads(Path("logs/audit/audit.json").read_text())
    assert report["frames"] == {"train": 12, "val": 12, "test": 12}


def method(tmp_path: Path, root: Path, name: str) -> Path:
    model = {
        "class_path": f"tests.commands.known_methods.{name}",
        "init_args": {"folder": str(root / "train")},
    }
    return write_yaml(tmp_path / f"{name.lower()}.yaml", {"model": model})


def test_a_method_that_draws_from_memory(
    audit: Audit, root: Path, alexnet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = method(tmp_path, root, "Memorizer")
    report = audit("--lpips_network", alexnet, "--threshold", "0", "--method", config, code=1)
    found = report["memory"]
    assert found["windows"] == found["animations"] == 6
    assert found["nearer_to_train"] == [1, 1, 1]
    assert found["attraction"][1] > 2
    assert found["from_memory"]
    assert f"{config} draws from memory: in 100% [100%, 100%] of 6 windows" in capsys.readouterr().out
    lines = rows("memory.csv")
    assert len(lines) == 6
    for line in lines:
        assert float(line["drawn_to_train"]) < 1e-4 < float(line["true_to_train"])
        assert float(line["drawn_to_held_out"]) > 1e-4
        assert "/train/" in line["nearest_train"]
    assert Image.open("logs/audit/memory.png").width > 3 * 64
    shown = data_of(Path("logs/audit/report.html").read_text())["memory"]
    assert shown["verdict"] == found["verdict"]
    assert [[one["mean"], one["low"], one["high"]] for one in shown["shares"]] == [
        found[key] for key in ("nearer_to_train", "nearer_to_held_out", "attraction")
    ]
    by_window = {line["window"]: line for line in lines}
    for one in shown["windows"]:
        assert one["nearest"] == by_window[one["window"]]["nearest_train"]
        drawn, _, nearest = (image_of(image).astype(int) for image in one["images"])
        assert abs(drawn - nearest).max() <= 1  # it draws that one


def test_a_method_that_does_not(audit: Audit, alexnet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = audit("--lpips_network", alexnet, "--threshold", "0", "--method", "cross_fade", code=0)
    assert not report["memory"]["from_memory"]
    assert report["memory"]["attraction"][1] <= 1 <= report["memory"]["attraction"][2]
    assert "cross_fade shows no sign of drawing from memory" in capsys.readouterr().out


def test_windows_of_a_method_are_limited(audit: Audit, alexnet: Path) -> None:
    args = ("--lpips_network", alexnet, "--threshold", "0", "--method", "cross_fade", "--windows", "3")
    assert audit(*args, code=0)["memory"]["windows"] == 3


def test_without_another_animation_there_is_no_verdict(
    audit: Audit, root: Path, alexnet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(7, 12):
        (root / "val" / f"animation_{index}").rename(root / "train" / f"animation_{index}")
    config = method(tmp_path, root, "Memorizer")
    report = audit("--lpips_network", alexnet, "--threshold", "0", "--method", config, code=0)
    assert report["memory"]["nearer_to_held_out"] is None
    assert "cannot be judged" in capsys.readouterr().out


MISTAKES: dict[str, tuple[list[str], str]] = {
    "threshold": (["--threshold", "-1"], "threshold is -1"),
    "threshold_nan": (["--threshold", "nan"], "threshold is nan"),
    "windows": (["--windows", "0"], "windows is 0"),
    "no_features": (["--method", "cross_fade"], "fetch-weights lpips"),
    "features": (["--features", "."], "The CLIP . cannot be loaded"),
    "network": (["--lpips_network", "no.pth"], "There is no LPIPS network no.pth"),
    "output": (["--output", "/proc/audit"], "--output"),
    "accelerator": (["--accelerator", "toaster"], "accelerator toaster"),
    "key": (["--nonsense", "1"], "There is no key --nonsense"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(mistake: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args, says = MISTAKES[mistake]
    told = mistake_of(["--config", "data/folder.yaml", "--data.source.root", str(root), *args], capsys)
    assert says in told
    assert not Path("logs").exists()


def test_a_method_that_is_not_there(root: Path, alexnet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--config", "data/folder.yaml", "--data.source.root", str(root), "--lpips_network", str(alexnet)]
    assert "There is no config file nowhere.yaml" in mistake_of([*args, "--method", "nowhere.yaml"], capsys)


def test_one_split_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_scene(tmp_path / "scenes" / "train" / "cat", 0)
    args = ["--config", "data/folder.yaml", "--data.source.root", str(tmp_path / "scenes")]
    assert "no animation for the val split" in mistake_of(args, capsys)


def test_a_damaged_test_split_is_no_clean_one(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = write_scene(root / "test" / "animation_20", 20)[2]
    damaged.write_bytes(damaged.read_bytes()[:40])
    args = ["--config", "data/folder.yaml", "--data.source.root", str(root)]
    assert "2.png" in mistake_of(args, capsys)


def mistake_of(args: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["audit", *args]) == 2
    err = capsys.readouterr().err
    assert err.startswith("inbetween: ")
    assert "Traceback" not in err
    return err
