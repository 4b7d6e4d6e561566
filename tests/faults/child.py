"""What a process of its own does; imported once, by the server that such processes are forked from."""

import multiprocessing
import os
import sys
from pathlib import Path

import diffusers  # noqa: F401 - imported for the processes forked later
import torch
import torch.utils.tensorboard
import transformers  # noqa: F401 - the same

from inbetween.__main__ import main
from inbetween.methods import TemporalEncodingDiffusion  # noqa: F401 - the same


def run(args: list[str], folder: Path, environment: dict[str, str], said: Path) -> None:
    """One command in `folder`; what it says goes to the file `said`."""
    os.chdir(folder)
    os.environ.update(environment)
    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # as in a command that a user starts
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    code = main(args)
    sys.stdout.flush()
    sys.exit(code)
