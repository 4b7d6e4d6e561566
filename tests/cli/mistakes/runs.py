"""Mistakes about what is drawn from, what a run is watched by, and how much memory it takes."""

from pathlib import Path
from typing import Any

from tests.cli.mistakes.place import TRAINER, Place, callback
from tests.cli.mistakes.row import Row, row

NEEDS = {"model": {"init_args": {"needs": 10**15}}}  # numbers: no machine has so much memory


def needy(place: Place) -> Path:
    """A method that asks for more memory than there is."""
    return place.overlay(
        {"model": {"class_path": "tests.cli.mistakes.blend.Blend", **NEEDS["model"]}}, "n.yaml"
    )


def rows() -> list[Row]:
    """All of them."""
    logs = ("logs*", "logs/**/*")
    return [
        row(
            "no_split",
            lambda p: p.folder_data("fit", p.one_animation()),
            "no animation for the val split",
            leaves=("cache*", "cache/**/*"),
        ),
        row("no_such_root", lambda p: p.folder_data("validate", p.folder / "no"), "There is no folder"),
        row("root_is_a_file", lambda p: p.folder_data("validate", p.blend), "There is no folder"),
        row("root_without_scenes", lambda p: p.folder_data("validate", p.folder), "has no scenes"),
        row(
            "too_few_frames",
            lambda p: p.folder_data("validate", p.shared.folder / "scenes", "--data.between", "8"),
            "No scene is long enough",
            leaves=("cache*", "cache/**/*"),
        ),
        row(
            "more_processes_than_windows",
            lambda p: p.trainer(
                "validate", "--trainer.devices", "4", "--trainer.strategy", "ddp", "--data.batch_size", "4"
            ),
            "for 4 processes",
        ),
        row(
            "anita_kinds",
            lambda p: p.trainer(
                "validate", data=source("AnitaScenes", root=str(p.shared.folder / "scenes"), kinds=["sketch"])
            ),
            "Anita",
        ),
        row(
            "video_exclude_nothing",
            lambda p: p.trainer(
                "validate", data=source("VideoScenes", root=str(p.folder), exclude=["no.mp4"])
            ),
            "video",
        ),
        row(
            "video_junk",
            lambda p: p.trainer(
                "validate",
                data=source(
                    "VideoScenes",
                    root=str(p.write("v/a.mp4", b"junk").parent),
                    cache_dir=str(p.folder / "cache"),
                ),
            ),
            "no video file",
            leaves=("cache*", "cache/**/*"),
        ),
        row(
            "video_side",
            lambda p: p.trainer("validate", data=source("VideoScenes", root=str(p.folder), side=0)),
            "side",
        ),
        row(
            "lottie_nothing",
            lambda p: p.trainer("validate", data=source("LottieScenes", root=str(p.folder / "cwd"))),
            "Lottie",
        ),
        row(
            "mixture_weights",
            lambda p: p.trainer(
                "validate",
                data=source(
                    "MixedWindows",
                    sources=[{"class_path": "inbetween.data.SyntheticAnimation"}],
                    weights=[0.0],
                ),
            ),
            "weights",
        ),
        row(
            "early_stopping_on_lpips",
            lambda p: p.fit(trainer=callback("EarlyStopping", monitor="val/lpips")),
            "val/lpips",
            "val/ssim",
            leaves=logs,
        ),
        row(
            "early_stopping_on_nothing",
            lambda p: p.fit(trainer=callback("EarlyStopping", monitor="val/beauty")),
            "val/beauty",
            "val/ssim",
            "val/loss",
            leaves=logs,
        ),
        row(
            "best_of_lpips",
            lambda p: p.fit(trainer=callback("ModelCheckpoint", monitor="val/lpips")),
            "val/lpips",
            "val/ssim",
            leaves=logs,
        ),
        row(
            "best_of_nothing_after_a_sanity_check",
            lambda p: p.fit(
                trainer={"num_sanity_val_steps": 1} | callback("ModelCheckpoint", monitor="val/beauty")
            ),
            "val/beauty",
            "val/ssim",
            leaves=logs,
        ),
        row(
            "best_of_nothing",
            lambda p: p.fit(trainer=callback("ModelCheckpoint", monitor="val/beauty")),
            "val/beauty",
            "val/ssim",
            leaves=logs,
        ),
        row(
            "best_of_a_mode",
            lambda p: p.fit(trainer=callback("ModelCheckpoint", monitor="val/ssim", mode="most")),
            "mode",
        ),
        row(
            "stop_patience",
            lambda p: p.fit(trainer=callback("EarlyStopping", monitor="val/ssim", patience="long")),
            "patience",
        ),
        row("save_top_k", lambda p: p.fit(trainer=callback("ModelCheckpoint", save_top_k=-3)), "save_top_k"),
        row(
            "save_top_k_without_monitor",
            lambda p: p.fit(trainer=callback("ModelCheckpoint", save_top_k=3)),
            "save_top_k",
        ),
        row(
            "checkpoint_triggers",
            lambda p: p.fit(trainer=callback("ModelCheckpoint", every_n_train_steps=2, every_n_epochs=2)),
            "every_n_train_steps",
        ),
        row(
            "two_same_callbacks",
            lambda p: p.fit(trainer={"callbacks": [*TRAINER["callbacks"], TRAINER["callbacks"][2]]}),
            "ModelCheckpoint",
        ),
        row(
            "lr_monitor_without_logger",
            lambda p: p.fit(
                trainer={"logger": False, "default_root_dir": str(p.folder)} | callback("LearningRateMonitor")
            ),
            "LearningRateMonitor",
            leaves=("config.yaml",),
        ),
        row(
            "device_stats_without_logger",
            lambda p: p.fit(
                trainer={"logger": False, "default_root_dir": str(p.folder)} | callback("DeviceStatsMonitor")
            ),
            "DeviceStatsMonitor",
            leaves=("config.yaml",),
        ),
        row(
            "lr_monitor_interval",
            lambda p: p.fit(trainer=callback("LearningRateMonitor", logging_interval="hour")),
            "logging_interval",
        ),
        row(
            "swa_lr", lambda p: p.fit(trainer=callback("StochasticWeightAveraging", swa_lrs=-1.0)), "swa_lrs"
        ),
        row(
            "checkpointing_off_with_checkpoint",
            lambda p: p.fit("--trainer.enable_checkpointing", "false"),
            "enable_checkpointing",
        ),
        row(
            "progress_bar_off_with_bar",
            lambda p: p.fit(trainer=callback("TQDMProgressBar")),
            "enable_progress_bar",
        ),
        row(
            "less_than_a_batch",
            lambda p: p.fit("--trainer.limit_train_batches", "0.00001"),
            "limit_train_batches",
            leaves=logs,
        ),
        row("fit_memory", lambda p: p.fit(**NEEDS), "memory", "data.batch_size", leaves=logs),
        row(
            "validate_memory",
            lambda p: p.trainer("validate", **NEEDS),
            "memory",
            "data.batch_size",
            leaves=logs,
        ),
        row(
            "predict_memory",
            lambda p: p.trainer("predict", **NEEDS),
            "memory",
            "data.batch_size",
            leaves=logs,
        ),
        row(
            "interpolate_memory",
            lambda p: p.interpolate("--method", needy(p), "--output", p.folder / "logs"),
            "memory",
            "keyframes",
            leaves=logs,
        ),
        row("compare_memory", lambda p: p.compare("--methods", needy(p)), "memory", "data.batch_size"),
        row("benchmark_memory", lambda p: p.benchmark("--methods", needy(p)), "memory", "sizes"),
        row("model_memory", lambda p: p.fit("--model.init_args.width", str(10**14)), "memory"),
        row(
            "precision_true_16",
            lambda p: p.fit("--trainer.precision", "transformer-engine"),
            "trainer.precision",
        ),
    ]


def source(name: str, **init_args: Any) -> dict[str, Any]:
    """Another source of windows."""
    return {"source": {"class_path": f"inbetween.data.{name}", "init_args": init_args}}
