import pytest
import torch
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation
from inbetween.data.source import WindowSpec
from inbetween.functional.warp import backward_warp
from inbetween.methods import SpacingFlow
from inbetween.methods.spacing_flow.crops import CroppedSample, RandomCrop


@pytest.fixture(scope="module")
def synthetic():
    source = SyntheticAnimation(kinds=["color"], truth="targets", motion=0.3)
    windows = source.dataset("train", WindowSpec(between=1, size=(96, 128)))
    return [windows[0, index] for index in range(4)]


def test_crops_keep_images_and_truth_consistent(synthetic):
    """However a window is shrunk, cropped, flipped and reversed: the true flow leads to the keyframes."""
    crops = set()
    for seed in range(24):
        prepare = RandomCrop(64, "dis", 0.0)
        rows = [{**window, "seed": torch.tensor(row + 10 * seed)} for row, window in enumerate(synthetic)]
        sample = default_collate([prepare(row) for row in rows])
        assert sample.target.shape == (4, 3, 64, 64)
        for keyframe, flow in ((sample.first, sample.flows[:, :2]), (sample.last, sample.flows[:, 2:])):
            error = (backward_warp(keyframe, flow) - sample.target).abs().mean(1)
            still = (keyframe - sample.target).abs().mean(1)
            moving = still.flatten(1).mean(1) > 0.02
            # except at outlines and occlusions, the true flow explains the target
            ratio = error.flatten(1).median(1).values / still.flatten(1).mean(1)
            assert (ratio[moving] < 0.3).all()
        crops |= {tuple(corner.flatten().tolist()) for corner in sample.spacing[:, :, :1, :1]}
    assert len(crops) > 24


@torch.no_grad()
def test_a_window_gives_several_crops(synthetic):
    one = RandomCrop(64, "none", 0.0)(synthetic[0])
    several = RandomCrop(64, "none", 0.0, crops_per_window=3)(synthetic[0])
    for single, many in zip(one, several, strict=True):
        assert many.shape == (3, *single.shape)
        torch.testing.assert_close(many[0], single, rtol=0, atol=0, equal_nan=True)
    assert not torch.equal(several.first[0], several.first[1])
    method = SpacingFlow(prior="none", crop=64, crops_per_window=3, perceptual_weight=0).eval()
    sample = default_collate([several, several])
    alone = CroppedSample(*(field[:, 0] for field in sample))
    losses = [float(method.training_loss({"sample": made})["loss"]) for made in (sample, alone)]
    assert losses[0] != pytest.approx(losses[1])
    first = CroppedSample(*(field[:, :1].repeat_interleave(3, 1) for field in sample))
    assert float(method.training_loss({"sample": first})["loss"]) == pytest.approx(losses[1], rel=1e-4)
