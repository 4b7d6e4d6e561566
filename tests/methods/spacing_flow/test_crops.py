import pytest
import torch
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation
from inbetween.data.source import WindowSpec
from inbetween.functional.warp import backward_warp
from inbetween.methods.spacing_flow.crops import RandomCrop


@pytest.fixture(scope="module")
def synthetic():
    source = SyntheticAnimation(kinds=["color"], truth="targets", motion=0.3)
    windows = source.dataset("train", WindowSpec(between=1, size=(96, 128)))
    return [windows[0, index] for index in range(4)]


def test_views_keep_pictures_and_truth_together(synthetic):
    """However a view is shrunk, cut, mirrored, turned and reversed: true flow leads to the keyframes."""
    seen = set()
    for seed in range(24):
        view = RandomCrop(64, "dis", 0.0)
        rows = [{**window, "seed": torch.tensor(row + 10 * seed)} for row, window in enumerate(synthetic)]
        sample = default_collate([view(row) for row in rows])
        assert sample.target.shape == (4, 3, 64, 64)
        for keyframe, flow in ((sample.first, sample.flows[:, :2]), (sample.last, sample.flows[:, 2:])):
            error = (backward_warp(keyframe, flow) - sample.target).abs().mean(1)
            still = (keyframe - sample.target).abs().mean(1)
            moving = still.flatten(1).mean(1) > 0.02
            # outlines and what is hidden aside, the true flow explains the target
            ratio = error.flatten(1).median(1).values / still.flatten(1).mean(1)
            assert (ratio[moving] < 0.3).all()
        seen |= {tuple(view.flatten().tolist()) for view in sample.spacing[:, :, :1, :1]}
    assert len(seen) > 24
