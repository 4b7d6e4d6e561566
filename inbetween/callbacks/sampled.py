"""The windows of a batch whose frames were drawn."""

from typing import cast

from torch import Tensor

from inbetween.types import StepOutput, WindowBatch


def sampled_windows(output: StepOutput | None, batch: WindowBatch) -> tuple[Tensor, WindowBatch] | None:
    """Drawn frames and the rows of the batch that they belong to.

    Args:
        output: What the step returned.
        batch: What it was given.

    Returns:
        Frames (M, N, 3, H, W) and the M windows as a batch; None where nothing was drawn.
    """
    if not output or "frames" not in output:
        return None
    rows = output["rows"].to(batch["t"].device)
    names = [batch["name"][row] for row in rows.tolist()]
    chosen = {key: value[rows] for key, value in batch.items() if isinstance(value, Tensor)}
    return output["frames"], cast("WindowBatch", {**chosen, "name": names})
