"""Mistakes about folders that are written to, and disks that are full."""

from pathlib import Path
from typing import Any

from tests.cli.mistakes.place import UNWRITABLE, Place, callback, logger
from tests.cli.mistakes.row import Row, row


def in_a_file(place: Place) -> Path:
    """A folder below a file."""
    return place.write("file", "x") / "below"


def rows() -> list[Row]:
    """All of them."""
    logs = ("logs*", "logs/**/*")
    found: list[Row] = []
    for name, where in {
        "is_a_file": lambda p: p.write("file", "x"),
        "below_a_file": in_a_file,
        "read_only": lambda p: UNWRITABLE / "nowhere",
    }.items():
        found += [
            row(
                f"logs_{name}",
                lambda p, w=where: p.fit(trainer={"logger": logger(w(p))}),
                "file" if "file" in name else "/proc",
            ),
            row(
                f"root_{name}",
                lambda p, w=where: p.fit(trainer={"logger": False, "default_root_dir": str(w(p))}),
                "file" if "file" in name else "/proc",
            ),
            row(
                f"test_logs_{name}",
                lambda p, w=where: p.trainer("test", trainer={"logger": logger(w(p))}),
                "file" if "file" in name else "/proc",
            ),
            row(
                f"predict_{name}",
                lambda p, w=where: p.trainer("predict", trainer={"callbacks": [writer(w(p))]}),
                "file" if "file" in name else "/proc",
            ),
            row(f"interpolate_output_{name}", lambda p, w=where: p.interpolate("--output", w(p)), "--output"),
            row(f"compare_output_{name}", lambda p, w=where: p.compare("--output", w(p)), "--output"),
            row(f"benchmark_output_{name}", lambda p, w=where: p.benchmark("--output", w(p)), "--output"),
            row(
                f"cache_{name}",
                lambda p, w=where: p.folder_data(
                    "validate", p.shared.folder / "scenes", "--data.cache_dir", w(p)
                ),
                "cache_dir",
            ),
            row(
                f"dirpath_{name}",
                lambda p, w=where: p.fit(
                    trainer=callback("ModelCheckpoint", dirpath=str(w(p)), every_n_train_steps=1)
                ),
                "file" if "file" in name else "/proc",
                leaves=logs,
            ),
        ]
    found += [
        row(
            "logs_disk_full",
            lambda p: p.fit(trainer={"logger": logger(p.folder / "logs")}),
            "File too large",
            leaves=logs,
            room=3000,
        ),
        row(
            "checkpoint_disk_full",
            lambda p: p.fit(
                trainer={"logger": False}
                | callback("ModelCheckpoint", dirpath=str(p.folder / "logs"), every_n_train_steps=1)
            ),
            "File too large",
            leaves=("logs*", "cwd/checkpoints"),
            room=3000,
        ),
        row(
            "interpolate_disk_full",
            lambda p: p.interpolate("--output", p.folder / "logs"),
            "make room",
            leaves=("logs",),
            room=300,
        ),
        row(
            "compare_disk_full",
            lambda p: p.compare("--output", p.folder / "logs"),
            "compare.json cannot be written",
            leaves=("logs*",),
            room=2600,
        ),
        row(
            "store_disk_full",
            lambda p: p.folder_data("validate", p.shared.folder / "scenes"),
            "cache_dir",
            leaves=("cache", "cache/*", "cache/*/lock"),
            room=3000,
        ),
        row(
            "predict_disk_full",
            lambda p: p.trainer(
                "predict", "--data.size", "128", trainer={"callbacks": [writer(p.folder / "out")]}
            ),
            "cannot be written",
            leaves=("logs*", "logs/**/*", "out*", "out/**/*"),
            room=3000,
        ),
        row(
            "predict_into_a_full_folder",
            lambda p: p.trainer("predict", trainer={"callbacks": [writer(p.keys)]}),
            "is not empty",
        ),
        row(
            "interpolate_into_others",
            lambda p: p.interpolate("--output", p.keyframes(lambda path: None)),
            "already holds other images",
        ),
        row(
            "interpolate_into_its_keyframes",
            lambda p: p.interpolate("--output", p.keys),
            "lies where the frames are to go",
        ),
    ]
    return found


def writer(directory: Path) -> dict[str, Any]:
    """Where predictions go."""
    return {"class_path": "inbetween.callbacks.PredictionWriter", "init_args": {"directory": str(directory)}}
