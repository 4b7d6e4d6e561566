"""Checkpoints are on disk whole, or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from inbetween.io.files import remove_leftovers, write_whole


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there when all of it is on disk.

    Lightning 2.6 writes to the folder for temporary files, which often is another disk. Moving from there is
    copying over what was there before: a kill or a full disk in between leaves half a `last.ckpt`.
    Addresses of remote storage are left to Lightning. The command line takes this by itself.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any = None,  # noqa: ANN401 - Lightning's signature
    ) -> None:
        """Write a checkpoint.

        Args:
            checkpoint: All of it.
            path: The file; its folder is made.
            storage_options: Of remote storage alone.

        Raises:
            OSError: It cannot be written; what was there before still is.
        """
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        content = io.BytesIO()  # torch's own writer does not say that a disk is full
        torch.save(checkpoint, content)
        write_whole(Path(path), content.getbuffer())

    def load_checkpoint(self, path: str | Path, *args: Any, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - Lightning's
        """Read a checkpoint; what a killed run left half written beside it, or in its run's folder, goes."""
        for folder in (Path(path).parent, Path(path).parent.parent):
            remove_leftovers(folder, os.getpid())
        loaded: dict[str, Any] = super().load_checkpoint(path, *args, **options)
        return loaded
