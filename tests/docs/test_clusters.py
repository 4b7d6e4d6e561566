"""The commands of the manual that start processes, and its SLURM script, with a stand-in for SLURM."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from inbetween.__main__ import main
from tests.conftest import drawing
from tests.docs.blocks import PROGRAM, ROOT, all_commands
from tests.docs.newcomer import DATA, TRAINER
from tests.processes import in_processes
from tests.tiny_video import write_tiny_wan

SCRIPT = ROOT / "docs/examples/train.sbatch"
SMALL = {"data": DATA, "trainer": {**TRAINER, "precision": "32-true"}}
# of shards in the manual, in whose place is a folder here
STORE = "s3://my-bucket/my_shards"
# what SLURM says to one process on one machine
JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "inbetween",
    "SLURM_JOB_NUM_NODES": "1",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_NODELIST": "localhost",
}
SRUN = """#!/bin/sh
export SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_STEP_ID=0
echo $$ > pid
exec "$@"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where things are small, with a `.venv` that is this one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/activate").write_text("")
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    programs = f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        **os.environ,
        **{"PATH": programs, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")},
        **{"TORCH_HOME": str(folder / "torch"), "OMP_NUM_THREADS": "1"},
        **more,
    }


def programs(folder: Path, **texts: str) -> None:
    (folder / "bin").mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)


def submit(folder: Path, *given: str) -> subprocess.Popen[str]:
    """Start the script as SLURM would."""
    return subprocess.Popen(
        ["bash", str(SCRIPT), "--config", "exp1.yaml", *given],
        env=environment(folder, **JOB),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_script_asks_for_what_it_uses_and_requeues(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(
        folder,
        srun='#!/bin/sh\nprintf "%s\\n" "$@" > told\nexit 130\n',
        scontrol='#!/bin/sh\necho "$@" > requeued\n',
    )
    asked = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in SCRIPT.read_text().splitlines()
        if line.startswith("#SBATCH")
    )
    assert asked["ntasks-per-node"] == asked["gpus-per-node"]
    assert asked["signal"].startswith("TERM@")
    job = submit(folder, "--config", "small.yaml")
    assert job.wait(timeout=60) == 130
    assert Path("requeued").read_text() == "requeue 7\n"

    words = Path("told").read_text().splitlines()
    assert words[:4] == [*PROGRAM, "fit"]
    with pytest.raises(SystemExit):
        main([*words[3:], "--print_config"])
    found = yaml.safe_load(capsys.readouterr().out)["trainer"]
    assert (found["num_nodes"], str(found["devices"]), found["strategy"]) == (1, "1", "ddp")
    assert found["logger"]["init_args"]["version"] == "job_7"


@pytest.mark.slow  # two new processes import everything
def test_a_job_that_is_stopped_goes_on_when_it_is_requeued(folder: Path) -> None:
    programs(folder, srun=SRUN, scontrol='#!/bin/sh\necho "$@" >> requeued\n')
    last = Path("logs/slurm/job_7/checkpoints/last.ckpt")
    every = ["--config", "small.yaml", "--config", "every.yaml"]
    saving = {"class_path": "lightning.pytorch.callbacks.ModelCheckpoint"}
    saving["init_args"] = {"save_last": True, "every_n_train_steps": 1, "save_on_exception": True}
    Path("every.yaml").write_text(yaml.safe_dump({"trainer": {"callbacks": [saving]}}))

    job = submit(folder, *every, "--trainer.max_steps", "100000")
    deadline = time.monotonic() + 180
    while not last.is_file() and job.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(int(Path("pid").read_text()), signal.SIGTERM)  # SLURM tells the steps of a job, not its script
    out, _ = job.communicate(timeout=120)
    assert job.returncode == 130, out
    assert Path("requeued").read_text() == "requeue 7\n"
    stopped = torch.load(last, weights_only=True)["global_step"]

    again = submit(folder, *every, "--trainer.max_steps", str(stopped + 2))
    out, _ = again.communicate(timeout=240)
    assert again.returncode == 0, out
    assert Path("requeued").read_text() == "requeue 7\n"
    assert torch.load(last, weights_only=True)["global_step"] == stopped + 2
    assert [path.name for path in Path("logs/slurm").iterdir()] == ["job_7"]


def drawings(folder: Path) -> None:
    """Write three short animations to `drawings`."""
    for seed, name in enumerate(("cat", "dog", "hen")):
        (folder / "drawings" / name).mkdir(parents=True)
        for number in range(9):
            Image.fromarray(drawing(number, seed=seed)).save(folder / f"drawings/{name}/{number}.png")


def started() -> Mapping[str, list[str]]:
    """The commands of all pages that start processes which a machine without GPUs can have, each once."""
    commands = {" ".join(words): words for words in all_commands()}
    return {told: words for told, words in commands.items() if words[0] == "torchrun" or "ddp" in words}


@pytest.mark.slow  # two new processes import everything
@pytest.mark.parametrize("told", started())
def test_a_command_that_starts_processes_works(folder: Path, told: str) -> None:
    words = started()[told]
    if words[0] == "torchrun":
        programs_own = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
        ]
        words = [*programs_own, *words[words.index("-m") :]]
    else:
        words = [sys.executable, *words[1:]]
    if STORE in words:
        drawings(folder)
        assert main(["shard", "--root", "drawings", "--output", "my_shards"]) == 0
        words = ["my_shards" if word == STORE else word for word in words]
    two = ["--trainer.devices", "2", "--trainer.num_nodes", "1"]
    ended = subprocess.run(
        [*words, "--config", "small.yaml", *two],
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ended.returncode == 0, ended.stderr
    saved = torch.load("logs/exp1/version_0/checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 2


VIDEO = {
    "model": {
        "init_args": {
            **{"pretrained": "model", "latent_cache": "latents", "lora_rank": 2},
            **{"sampling": {"steps": 1, "guidance_scale": 1.0}},
        }
    },
    "data": {**DATA, "between": 3, "source": {"init_args": {"root": "drawings"}}},
    "trainer": {**TRAINER, "precision": "32-true"},
}


def sharded() -> Mapping[str, list[str]]:
    """The commands of all pages that shard weights, each once."""
    return {" ".join(words): words for words in all_commands() if "trainer/fsdp2.yaml" in words}


def run_main(words: list[str]) -> None:
    assert main(words) == 0


@pytest.mark.slow  # trains a video model
@pytest.mark.parametrize("told", sharded())
def test_a_command_that_shards_weights_works(folder: Path, told: str) -> None:
    write_tiny_wan(folder / "model")
    drawings(folder)
    Path("video.yaml").write_text(yaml.safe_dump(VIDEO))
    words = [*sharded()[told][len(PROGRAM) :], "--config", "video.yaml"]
    two = ["--trainer.devices", "2", "--data.batch_size", "2", "--data.val_batch_size", "2"]
    in_processes(2, run_main, [*words, *two])
    (run,) = Path("logs/wan_14b").iterdir()
    last = run / "checkpoints/last.ckpt"
    whole = torch.load(last, weights_only=True)
    assert whole["global_step"] == 2
    assert len(load_file(run / "lora/pytorch_lora_weights.safetensors")) == len(whole["state_dict"])

    # one process goes on
    place = words.index("trainer/fsdp2.yaml")
    alone = [*words[: place - 1], *words[place + 1 :]]
    in_processes(1, run_main, [*alone, "--ckpt_path", str(last), "--trainer.max_steps", "3", *two[2:]])
    (again,) = set(Path("logs/wan_14b").iterdir()) - {run}
    assert torch.load(again / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 3


def test_a_method_that_shards_nothing_is_refused_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["fit", "--config", "exp1.yaml", "--config", "small.yaml", "--config", "trainer/fsdp2.yaml"]
    assert main(words) == 2
    assert "TemporalEncodingDiffusion does not shard its weights: use the strategy ddp." in (
        capsys.readouterr().err
    )
    assert not Path("logs").exists()


def test_the_script_leaves_the_strategy_to_the_overlay(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    programs(folder, srun='#!/bin/sh\nprintf "%s\\n" "$@" > told\n')
    assert submit(folder, "--config", "trainer/fsdp2.yaml").wait(timeout=60) == 0
    words = Path("told").read_text().splitlines()
    with pytest.raises(SystemExit):
        main([*words[3:], "--print_config"])
    found = yaml.safe_load(capsys.readouterr().out)["trainer"]
    assert found["strategy"]["class_path"] == "inbetween.modules.fsdp.FSDP2Strategy"
