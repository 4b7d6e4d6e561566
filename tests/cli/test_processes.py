"""Two processes give what one gives."""

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.cli.conftest import write_yaml
from tests.cli.test_runs import events, last_figures

# `python -m inbetween`, with the network's door shut: Lightning starts the second process from this file.
COMMAND = """
import sys
import inbetween.metrics.backbone
from inbetween.__main__ import main
inbetween.metrics.backbone.download_backbone = lambda: None
if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def runs(
    tmp_path: Path, exp1: list[str], folder_data: list[str]
) -> dict[str, subprocess.CompletedProcess[str]]:
    """exp1 for three steps with one process, and with two."""
    overlay: dict[str, Any] = {
        "model": {"init_args": {"optimizer": {"init_args": {"lr": 0.01}}, "sampled_batches": 9}},
        "data": {"stride": 1, "between": 1, "batch_size": 4, "val_batch_size": 2},
        "trainer": {
            "max_steps": 3,
            "val_check_interval": 3,
            "callbacks+": [
                {
                    "class_path": "inbetween.callbacks.PredictionWriter",
                    "init_args": {"directory": "logs/unused"},
                }
            ],
        },
    }
    script = tmp_path / "command.py"
    script.write_text(COMMAND)
    options = [*exp1, *folder_data, "--config", str(write_yaml(tmp_path / "processes.yaml", overlay))]
    ended = {}
    for name, devices in {"one": [], "two": ["--trainer.devices", "2", "--trainer.strategy", "ddp"]}.items():
        for command in ("fit", "predict"):
            place = ["--trainer.logger.init_args.version", name if command == "fit" else f"{name}_predict"]
            extra = [
                "--data.test_split",
                "val",
                "--trainer.callbacks.init_args.directory",
                f"logs/drawn_{name}",
            ]
            extra += ["--ckpt_path", "logs/exp1/one/checkpoints/last.ckpt"] if command == "predict" else []
            ended[f"{command} {name}"] = subprocess.run(
                [sys.executable, str(script), command, *options, *devices, *place, *extra],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
                capture_output=True,
                text=True,
                timeout=240,
            )
    return ended


@pytest.mark.slow  # six new processes import everything
def test_two_processes_give_what_one_gives(runs: dict[str, subprocess.CompletedProcess[str]]) -> None:
    for name, ended in runs.items():
        assert ended.returncode == 0, (name, ended.stderr)
        assert "Traceback" not in ended.stderr, name
    one, two = (events(Path(f"logs/exp1/{name}")) for name in ("one", "two"))
    # 9 drawings, windows of 3: 7 for two processes
    assert two.Scalars("val/windows")[-1].value == 7
    figures = last_figures(one, "val")
    assert last_figures(two, "val") == pytest.approx(figures, rel=1e-3)
    assert [event.value for event in two.Scalars("train/loss")] == pytest.approx(
        [event.value for event in one.Scalars("train/loss")], rel=1e-4
    )
    saved = [
        torch.load(f"logs/exp1/{name}/checkpoints/last.ckpt", weights_only=True) for name in ("one", "two")
    ]
    torch.testing.assert_close(saved[1]["state_dict"], saved[0]["state_dict"], rtol=1e-3, atol=1e-4)

    drawn = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.png")}
        for folder in (Path("logs/drawn_one"), Path("logs/drawn_two"))
    ]
    assert len(drawn[0]) == 7 * 3
    assert drawn[0].keys() == drawn[1].keys()
    for path, content in drawn[0].items():
        pair = [np.asarray(Image.open(BytesIO(data))).astype(int) for data in (content, drawn[1][path])]
        assert abs(pair[0] - pair[1]).max() <= 1, path
