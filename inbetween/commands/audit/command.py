"""The command: compares the splits of a data set, and what a method draws with what it was trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import torch

from inbetween.commands.audit.duplicates import (
    HASH_THRESHOLD,
    Fingerprints,
    find_matches,
    fingerprints,
    repeated_within,
)
from inbetween.commands.audit.features import DeepFeatures, find_features
from inbetween.commands.audit.frames import Frame, split_frames
from inbetween.commands.audit.memory import Memory, draw, examine
from inbetween.commands.audit.page import write_audit
from inbetween.commands.audit.report import (
    Pairing,
    duplicates_csv,
    duplicates_sheet,
    duplicates_text,
    memory_csv,
    memory_json,
    memory_sheet,
)
from inbetween.commands.machine import open_fabric
from inbetween.commands.page.document import REPORT
from inbetween.commands.reports import write_text
from inbetween.data import WindowDataModule
from inbetween.errors import UserError
from inbetween.interpolation.loading import as_written
from inbetween.io.files import check_folder
from inbetween.io.frames import write_image
from inbetween.methods.loading import load_method, placed
from inbetween.paths import find_config
from inbetween.types import Split
from inbetween.weights.precision import Precision, resolve_precision

NO_FEATURES = (
    "Copies are found by hashes alone, since the weights of AlexNet are not on this machine: `python -m"
    " inbetween fetch-weights lpips` gets them, and fewer copies are missed."
)
FILES = ("audit.json", "duplicates.csv", "duplicates.png", "memory.csv", "memory.png", REPORT)  # of an audit


@dataclass(frozen=True)
class Audit:
    """What an audit found.

    Args:
        pairings: Copies, for each two splits.
        memory: About the method, if one was given.
    """

    pairings: list[Pairing]
    memory: Memory | None

    @property
    def failed(self) -> bool:
        """Whether a split leaks into another, or the method draws from memory."""
        leaks = any(pairing.matches for pairing in self.pairings)
        return leaks or (self.memory is not None and self.memory.flagged)


def audit(
    data: WindowDataModule,
    method: str | None = None,
    output: Path = Path("logs/audit"),
    threshold: float | None = None,
    features: str | None = None,
    lpips_network: Path | None = None,
    windows: int = 200,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
) -> Audit:
    """Find drawings that are in two splits, and whether a method draws from memory.

    Prints a table, and writes `duplicates.csv` (each frame that has a copy in another split),
    `duplicates.png` (the nearest pairs), `audit.json` and `report.html`, which shows all of it in a browser;
    of a method also `memory.csv` (a row per window) and `memory.png`. Ends with exit code 1 where a copy is
    found or the method draws from memory, else 0.

    Args:
        data: The data set.
        method: Name of a shipped method, or its YAML file, or `CONFIG=CHECKPOINT`, as `compare` takes them.
            None looks at the data alone.
        output: Folder for the results.
        threshold: Largest distance of a copy from its original: LPIPS of their lines, one minus the cosine of
            CLIP's embeddings, or a share of the hashes' bits where there are hashes alone. None is 0.04, 0.02
            or 0.14.
        features: Hub id or folder of a CLIP, whose features then decide what is a copy. None takes those of
            LPIPS.
        lpips_network: File with AlexNet's weights for LPIPS: safetensors, or torchvision's .pth. None
            searches the caches of inbetween and torchvision; without weights, hashes decide.
        windows: Windows of val that the method draws, evenly spaced; and, of a source that renders its
            frames, windows taken of each split.
        precision: As for `compare`.
        accelerator: As for Lightning's Trainer.

    Returns:
        What was found.

    Raises:
        UserError: A file cannot be used, a split is missing, a number is out of range, or a method is given
            and there are no deep features.
    """
    if threshold is not None and not threshold >= 0:
        raise UserError(f"threshold is {threshold}: give a distance of 0 or more.")
    if windows < 1:
        raise UserError(f"windows is {windows}: give 1 or more.")
    output = output.expanduser()
    check_folder(output, "--output")
    fabric = open_fabric(accelerator, resolve_precision(precision, accelerator))
    deep = find_features(features, lpips_network, fabric.device)
    if method is not None and deep is None:
        raise UserError(
            "A method is judged by deep features, which are not on this machine: run `python -m inbetween"
            " fetch-weights lpips`, or give a CLIP with --features."
        )
    if method is not None:
        config, checkpoint = as_written(method)
        fabric.seed_everything(0, verbose=False)
        model = placed(
            load_method(find_config(config), Path(checkpoint) if checkpoint else None), fabric.device
        )
        data.test_split = "val"
        data.val_windows = min(windows, data.val_windows or windows)
        data.setup("test")
    splits = split_frames(data, windows)
    prints = {split: fingerprints(frames, split) for split, frames in splits.items()}
    limit = (HASH_THRESHOLD if deep is None else deep.threshold) if threshold is None else threshold
    pairings = [
        Pairing(one, other, len(splits[other]), find_matches(prints[other], prints[one], deep, limit))
        for one, other in combinations(splits, 2)
    ]
    memory = None
    if method is not None and deep is not None:
        held_out = [frame for split, frames in splits.items() if split != "train" for frame in frames]
        drawn = draw(model, data, fabric)
        memory = examine(method, drawn, splits["train"], held_out, data.spec, deep)
    found = Audit(pairings, memory)
    _write(found, data, splits, prints, deep, limit, output, fabric.device)
    return found


def _write(
    found: Audit,
    data: WindowDataModule,
    splits: dict[Split, list[Frame]],
    prints: dict[Split, Fingerprints],
    deep: DeepFeatures | None,
    limit: float,
    output: Path,
    device: torch.device,
) -> None:
    """Print the tables and write the files."""
    within = {split: repeated_within(of_split) for split, of_split in prints.items()}
    counts = ", ".join(f"{len(frames)} of {split}" for split, frames in splits.items())
    blank = sum(of_split.blank for of_split in prints.values())
    measure = "hashes" if deep is None else deep.name
    if deep is None:
        print(NO_FEATURES)
    looked_at = f"{counts} frames, {blank} of them blank and left out; threshold {limit:g} of {measure}"
    print(f"\n{looked_at}, seed {data.spec.seed}")
    print(duplicates_text(found.pairings))
    repeated = ", ".join(f"{count} of {split}" for split, count in within.items())
    print(f"frames that look like one of another animation of their own split: {repeated}")
    report = {
        "frames": {split: len(frames) for split, frames in splits.items()},
        "blank": blank,
        "features": measure,
        "threshold": limit,
        "seed": data.spec.seed,
        "copies": [
            {"train": one.train, "held_out": one.held_out, "frames": len(one.matches), "kinds": one.kinds}
            for one in found.pairings
        ],
        "repeated_within": within,
        "memory": None if found.memory is None else memory_json(found.memory),
    }
    for name in FILES:  # of an earlier audit, which may have found more
        (output / name).unlink(missing_ok=True)
    write_text(output / "audit.json", json.dumps(report, indent=2))
    write_text(output / "duplicates.csv", duplicates_csv(found.pairings))
    if any(pairing.matches for pairing in found.pairings):
        write_image(output / "duplicates.png", duplicates_sheet(found.pairings))
    if found.memory is not None:
        write_text(output / "memory.csv", memory_csv(found.memory))
        write_image(output / "memory.png", memory_sheet(found.memory, data.spec))
        print(f"\n{found.memory.verdict}")
        print(
            f"{found.memory.copies} of {len(found.memory.drawn)} drawn in-betweens are nearer to a training"
            f" drawing than to the true one; the windows are of {found.memory.animations} animation(s), over"
            " which intervals resample"
        )
    count = sum(len(pairing.matches) for pairing in found.pairings)
    lead = f"{count} frames have a copy in another split" if count else "No drawing is in two splits"
    facts = [("Data", str(data.source)), ("Frames", counts), ("Seed", str(data.spec.seed))]
    write_audit(
        output / REPORT, found.pairings, found.memory, data.spec, lead, f"{looked_at}.", facts, device
    )
    print(f"\nwritten to {output}: " + ", ".join(name for name in FILES if (output / name).exists()))
    print("result: " + ("FOUND, see above" if found.failed else "clean"))
