"""The shipped small backbone and exp1's weights for it, on synthetic animation that no training has seen."""

import pytest

from inbetween.data import SyntheticAnimation, WindowDataModule
from inbetween.functional.ssim import ssim
from inbetween.methods.loading import load_method
from inbetween.paths import find_checkpoint, find_config
from inbetween.types import WindowBatch


@pytest.fixture(scope="module")
def batch() -> WindowBatch:
    """Four windows at 128x128 with one in-between."""
    source = SyntheticAnimation(length={"train": 1, "val": 1, "test": 4})
    data = WindowDataModule(source, between=1, size=128, batch_size=4, num_workers=0)
    data.setup("test")
    loaded: WindowBatch = next(iter(data.test_dataloader()))
    return loaded


@pytest.mark.slow
@pytest.mark.parametrize("config", ["exp1.yaml", "exp1_slerp.yaml"])
def test_frames_are_nearer_to_the_truth_than_a_cross_fade_and_leave_alone_what_stands_still(
    batch: WindowBatch, config: str
) -> None:
    method = load_method(find_config(config), find_checkpoint("exp1/weights.safetensors"))
    fade = load_method(find_config("cross_fade.yaml")).interpolate_batch(batch)
    near, faded = (
        ssim(frames[:, 0], batch["targets"][:, 0]).mean()
        for frames in (method.interpolate_batch(batch), fade)
    )
    assert near > faded + 0.005
    still: WindowBatch = {**batch, "last": batch["first"]}
    assert (method.interpolate_batch(still)[:, 0] - batch["first"]).abs().mean() < 0.005
