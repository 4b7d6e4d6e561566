"""Crops of single frames, on which a backbone is trained."""

import pickle

import pytest
import torch
from torch.utils.data import default_collate

from inbetween.errors import UserError
from inbetween.functional.crops import crops_at
from inbetween.methods import ImageVariation
from inbetween.methods.diffusion import Denoising, Sampling
from inbetween.methods.diffusion.denoising_crops import PrepareCrops
from tests.tiny import random_batch, tiny_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")
PREPARE = PrepareCrops(
    crop=24, crops_per_window=6, num_train_timesteps=1000, logit_mean=None, latent_channels=4, multiple=2
)


def window(seed: int = 0, height: int = 40, width: int = 56) -> dict:
    batch = random_batch(1, between=2, height=height, width=width, seed=seed)
    return {name: values[0] for name, values in batch.items()}


def test_every_crop_has_random_numbers_of_its_own():
    sample = PREPARE(window())
    assert sample.frames.shape == (6, 2, 3, 24, 24)
    assert sample.noise.shape == (6, 4, 12, 12)
    for field in (sample.frames, sample.timestep, sample.noise, sample.dropout_uniform):
        assert len({tuple(row.flatten().tolist()) for row in field}) == 6
    again = pickle.loads(pickle.dumps(PREPARE))(window())
    assert all(
        torch.equal(one, other) for one, other in zip(sample, again, strict=True) if torch.is_tensor(one)
    )


def test_a_crop_and_its_reference_are_one_area_of_two_frames():
    """Where the crop is as large as frames are high, each is a part of a frame or of its mirror image."""
    given = window(height=24)
    frames = torch.cat([given["first"][None], given["targets"], given["last"][None]])
    both = torch.stack([frames, frames.flip(-1)], dim=1)  # (F, 2, 3, H, W)
    left = torch.arange(56 - 24 + 1)
    corners = torch.stack([torch.zeros_like(left), left], dim=1)
    seen, mirrored = set(), set()
    for seed in range(8):
        for pair in PREPARE({**given, "seed": torch.tensor(seed)}).frames:
            places = []
            for crop in pair:
                found = [
                    (number, mirror, int(place))
                    for number in range(4)
                    for mirror in range(2)
                    for place in left[
                        (crops_at(both[number, mirror].expand(len(left), -1, -1, -1), corners, 24) == crop)
                        .flatten(1)
                        .all(1)
                    ]
                ]
                assert len(found) == 1
                places += found
            assert places[0][1:] == places[1][1:]
            seen |= {place[0] for place in places}
            mirrored.add(places[0][1])
    assert seen == {0, 1, 2, 3}
    assert mirrored == {0, 1}


def test_crops_differ_in_scale():
    """From the crop's own size, where detail is sharp, to the whole frame, shrunk."""
    given = window(height=240, width=240)
    checks = (torch.arange(240) // 2 % 2).float().expand(3, 240, 240)  # stripes of two pixels
    given |= {"first": checks, "last": checks, "targets": checks.expand(2, -1, -1, -1)}
    contrast = torch.cat(
        [
            PREPARE({**given, "seed": torch.tensor(seed)}).frames.std(dim=-1).mean((1, 2, 3))
            for seed in range(8)
        ]
    )
    assert contrast.max() > 0.4
    assert contrast.min() < 0.1


def test_all_crops_of_all_windows_are_samples_of_one_step():
    torch.manual_seed(0)
    method = ImageVariation(
        tiny_backbone(), crop=24, crops_per_window=3, trained="all", sampling=Sampling(4, 0.5)
    )
    prepare = method.preparation(training=True)
    samples = [prepare(window(seed)) for seed in range(2)]
    batch = {**random_batch(2), "sample": default_collate(samples)}
    loss = method.training_loss(batch)["loss"]
    parts = []
    for sample in samples:
        for row in range(3):
            one = [value[row : row + 1] if torch.is_tensor(value) else value for value in sample]
            alone = default_collate([type(sample)(*one)])
            parts.append(method.training_loss({**random_batch(1), "sample": alone})["loss"])
    torch.testing.assert_close(loss, torch.stack(parts).mean())
    # validation is on whole in-betweens
    assert method.preparation(training=False)(window()).frames.shape == (4, 3, 40, 56)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"crop": 24, "keyframe_latents": True}, "crop is 24, and crops are of single frames"),
        ({"crop": 24, "objective": Denoising(["slerp"])}, "crop is 24, and crops are of single frames"),
        ({"crops_per_window": 2}, "crops_per_window is 2 and crop null"),
        ({"crop": 24, "crops_per_window": 0}, "crops_per_window is 0: give 1 or more"),
        ({"crop": 1}, "crop is 1: give 2 or more"),
    ],
)
def test_contradicting_options(options, said):
    with pytest.raises(UserError, match=said):
        ImageVariation(tiny_backbone(), trained="all", **options)
