"""The output of an adaptation: refused, gone on with, or replaced; and its results."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inbetween.commands.adapt.measuring import Verdict
from inbetween.commands.adapt.sprites import FOLDER
from inbetween.commands.adapt.training import EXPERIMENT, RUN, WEIGHTS
from inbetween.commands.compare.report import differences, differences_csv, windows_csv
from inbetween.commands.compare.summary import Row
from inbetween.commands.reports import write_text
from inbetween.errors import UserError
from inbetween.io.files import check_folder

UNFINISHED = "unfinished.json"  # what the adaptation is of, while it is not done
RESULTS = ("adapt.json", "windows.csv", "differences.csv")


class Output:
    """The folder of one adaptation.

    Args:
        folder: It need not exist.
        job: Everything that determines the result, as JSON values.
    """

    def __init__(self, folder: Path, job: dict[str, Any]) -> None:
        self.folder, self.job = folder, job

    def open(self, overwrite: bool) -> bool:
        """Check that the folder can be used, and empty it of an earlier adaptation if asked to.

        Returns:
            Whether it holds the same job, unfinished, to go on with.

        Raises:
            UserError: It cannot be written, or holds something else.
        """
        check_folder(self.folder, "--output")
        try:
            same = json.loads((self.folder / UNFINISHED).read_text(encoding="utf-8")) == self.job
        except (OSError, ValueError):  # none, or not ours
            same = False
        if same and not overwrite:
            return True
        if self.folder.exists() and any(self.folder.iterdir()):
            ours = self._killed or any((self.folder / name).is_file() for name in (UNFINISHED, RESULTS[0]))
            if not (ours and overwrite):
                replace = ", or replace the earlier adaptation there with --overwrite true" if ours else ""
                raise UserError(f"{self.folder} is not empty: give another folder with --output{replace}.")
            self.remove()
        return False

    @property
    def _killed(self) -> bool:
        """Whether it holds sprites alone, of an adaptation that was ended before `begin`."""
        names = {path.name for path in self.folder.iterdir()}
        inside = {path.name for path in (self.folder / FOLDER).glob("*")}
        return FOLDER in names <= {FOLDER, EXPERIMENT} and bool(inside) and inside <= {"train", "val"}

    def begin(self) -> None:
        """Record what is done here."""
        write_text(self.folder / UNFINISHED, json.dumps(self.job))

    def remove(self) -> None:
        """Remove what an adaptation writes, and the folder if nothing else is in it."""
        for name in (WEIGHTS, EXPERIMENT, UNFINISHED, *RESULTS):
            (self.folder / name).unlink(missing_ok=True)
        for name in (FOLDER, RUN):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        if self.folder.is_dir() and not any(self.folder.iterdir()):
            self.folder.rmdir()

    def finish(
        self,
        verdict: Verdict,
        rows: Sequence[Row],
        names: Mapping[int, str],
        groups: Mapping[int, str],
        about: Mapping[str, Any],
    ) -> None:
        """Write the results, keep the new weights if they are better, and remove what was for going on.

        Args:
            verdict: The decision.
            rows: Scores before and after.
            names: Of windows, by their index.
            groups: Of windows, by their index.
            about: Further values for `adapt.json`.
        """
        report = {
            "better": verdict.better,
            "reason": None if verdict.better else verdict.reason,
            "windows": verdict.windows,
            "groups": verdict.groups,
            "interval": "95 % percentile bootstrap over groups, widened for few, 2000 resamples, seed 0",
            "changes": [asdict(change) for change in verdict.changes],
            **about,
        }
        one_sided = dict.fromkeys(names, math.nan)
        own = {index: groups[index] for index in names}
        write_text(self.folder / "windows.csv", windows_csv([*rows], {**names}, own, one_sided))
        write_text(self.folder / "differences.csv", differences_csv(differences([*rows], own)))
        trained = self.folder / RUN / WEIGHTS
        if verdict.better:
            trained.replace(self.folder / WEIGHTS)
        write_text(self.folder / "adapt.json", json.dumps(report, indent=2))
        trained.unlink(missing_ok=True)
        shutil.rmtree(self.folder / RUN / "checkpoints", ignore_errors=True)
        (self.folder / UNFINISHED).unlink(missing_ok=True)
