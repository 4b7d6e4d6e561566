"""`python -m benchmarks`: the speed of methods beside a plain float32 loop and beside ffmpeg."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.baseline import Baselines
from benchmarks.minterpolate import minterpolate_clock
from benchmarks.sd15 import write_sd15_sized_backbone
from inbetween.__main__ import exit_code
from inbetween.cli import guarded
from inbetween.cli.functions import EXPERIMENTS, Function
from inbetween.commands.benchmark.command import Size, checked, measure
from inbetween.commands.benchmark.experiments import experiments
from inbetween.commands.benchmark.subject import Task, windows_for
from inbetween.commands.machine import open_fabric
from inbetween.io.files import check_folder
from inbetween.weights.precision import Precision, resolve_precision


def speed(
    config: Sequence[str] = (),
    methods: Sequence[str] = (),
    sizes: Sequence[str] = (),
    repeats: int = 5,
    batch_size: int | None = None,
    baseline: bool = True,
    memory: bool = True,
    minterpolate: bool = False,
    random_sd15: Path | None = None,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    output: Path = Path("logs/benchmark"),
) -> dict[str, Any]:
    """What `python -m inbetween benchmark` measures, beside a plain float32 loop and ffmpeg.

    Args:
        config: See `inbetween benchmark`, as for all that is not explained here.
        methods: Methods that ship by their names, or YAML files, each as FILE or FILE=CHECKPOINT.
        sizes: Sizes of inference: HEIGHTxWIDTH:N.
        repeats: Rounds.
        batch_size: Windows in a training step; None takes the YAML's.
        baseline: Measure the plain loop on the backbone of each diffusion method, but for those whose
            denoiser refines an initial image, which the loop cannot use.
        memory: Measure peak memory, each time in a process of its own.
        minterpolate: Measure ffmpeg's minterpolate filter.
        random_sd15: Folder of a backbone of Stable Diffusion 1.5's size with random weights, written there
            first if it is not there (2.5 GB); it takes the place of every `pretrained`.
        precision: Of methods; the plain loop computes in float32.
        accelerator: As Lightning's Trainer takes it.
        output: Folder for `benchmark.json`.

    Returns:
        What `benchmark.json` holds.

    Raises:
        UserError: A file or size cannot be used, or there is no ffmpeg.
    """
    wanted = checked(sizes, repeats, batch_size, output)
    if random_sd15:
        check_folder(random_sd15, "--random_sd15")
    others = {("minterpolate", _text(size)): _minterpolate(size) for size in wanted if minterpolate}
    replaced = {"pretrained": str(write_sd15_sized_backbone(random_sd15))} if random_sd15 else None
    rows = experiments(config, methods, replaced)
    fabric = open_fabric(accelerator, resolve_precision(precision, accelerator))
    references = Baselines(fabric) if baseline else None
    return measure(
        rows, wanted, repeats, batch_size, memory, precision, accelerator, output, references, others
    )


def _text(size: Size) -> str:
    return "{}x{}:{}".format(*size)


def _minterpolate(size: Size) -> Any:  # noqa: ANN401 - a clock
    batch = windows_for(Task("interpolate", *size))
    frames = torch.cat([batch["first"], batch["targets"][0], batch["last"]])
    return minterpolate_clock(frames, size[2])


COMMAND = Function(speed, EXPERIMENTS, reads_configs=False)


def main(args: Sequence[str] | None = None) -> int:
    """Run it; see `inbetween.__main__.main`."""
    words = list(sys.argv[1:] if args is None else args)
    return exit_code(lambda: guarded("benchmark", lambda: COMMAND.call("benchmarks", words)))


if __name__ == "__main__":
    sys.exit(main())
