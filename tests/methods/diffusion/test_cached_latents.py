"""Training on frames that come back: what the frozen backbone makes of them is computed once."""

import lightning as L
import pytest
import torch

from inbetween.data import Augment, FolderScenes, WindowDataModule
from inbetween.methods import (
    KeyframeDiffusion,
    LatentSlerp,
    TemporalEncodingDiffusion,
    WeightedCrossAttention,
)
from tests.tiny import random_batch, tiny_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


def make(cls, **options):
    torch.manual_seed(0)
    return cls(tiny_backbone(), **options)


def count_calls(method):
    """How many frames go through the autoencoder and the image encoder, in a list of two."""
    counts = [0, 0]

    def counting(place):
        def hook(_, arguments, named):
            (value, *_) = *arguments, *named.values()
            counts[place] += len(value)

        return hook

    method.backbone.vae.encoder.register_forward_pre_hook(counting(0), with_kwargs=True)
    if hasattr(method.backbone, "image_encoder"):
        encoder = method.backbone.image_encoder.vision_model.embeddings
        encoder.register_forward_pre_hook(counting(1), with_kwargs=True)
    return counts


def recurring(batch):
    windows, count = batch["t"].shape
    return {**batch, "frame_ids": torch.arange(windows * (count + 2)).view(windows, -1)}


@pytest.mark.parametrize(
    "cls", [LatentSlerp, KeyframeDiffusion, TemporalEncodingDiffusion, WeightedCrossAttention]
)
def test_losses_are_the_same_with_and_without(cls, tmp_path):
    plain = make(cls, keyframe_latents=True)
    cached = make(cls, keyframe_latents=True, latent_cache=tmp_path)
    counts = count_calls(cached)
    batch = recurring(random_batch(3))
    expected = plain.training_loss(batch)["loss"]
    embedded = 0 if cls is LatentSlerp else 6
    for _ in range(2):  # nothing is there, then everything is
        torch.testing.assert_close(cached.training_loss(batch)["loss"], expected, rtol=1e-6, atol=0)
        assert counts == [9, embedded]
    # the same pictures in other windows
    reverse = {**batch, "frame_ids": batch["frame_ids"].flip(0)}
    reverse |= {key: batch[key].flip(0) for key in ("first", "targets", "last", "seed")}
    torch.testing.assert_close(
        cached.training_loss(reverse)["loss"], plain.training_loss(reverse)["loss"], rtol=1e-6, atol=0
    )
    assert counts == [9, embedded]


def test_an_image_encoder_in_training_is_computed_anew(tmp_path):
    method = make(KeyframeDiffusion, trained="all", latent_cache=tmp_path)
    counts = count_calls(method)
    batch = recurring(random_batch(3))
    for epoch in (1, 2):
        method.training_loss(batch)["loss"].backward()
        assert counts == [3, 6 * epoch]
    assert method.backbone.image_encoder.visual_projection.weight.grad.abs().sum() > 0


def test_frames_without_identity_are_computed_anew(tmp_path):
    method = make(KeyframeDiffusion, latent_cache=tmp_path)
    counts = count_calls(method)
    for epoch in (1, 2):
        method.training_loss(random_batch(3))
        assert counts == [3 * epoch, 6 * epoch]
    assert not list(tmp_path.iterdir())


class CountAtEpoch(L.Callback):
    """The counts at the end of every epoch."""

    def __init__(self, counts):
        self.counts, self.seen = counts, []

    def on_train_epoch_end(self, trainer, method):
        self.seen.append(list(self.counts))


@pytest.mark.parametrize(
    ("augment", "kept"),
    [
        (None, True),
        (Augment(flip=0, crop=1, color=0, reverse=0.5), True),
        (Augment(flip=0.5, crop=1, color=0, reverse=0), False),
    ],
)
def test_the_second_epoch_of_fit_encodes_nothing(augment, kept, scenes_root, tmp_path):
    data = WindowDataModule(
        FolderScenes(scenes_root),
        between=1,
        size=32,
        batch_size=4,
        num_workers=0,
        augment=augment,
        cache_dir=tmp_path / "frames",
    )
    method = make(KeyframeDiffusion, latent_cache=tmp_path / "latents")
    watch = CountAtEpoch(count_calls(method))
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=3,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
        callbacks=[watch],
    )
    trainer.fit(method, data)
    # 3 scenes of 9 frames, windows of 3 at every second one: 12 windows, each target one of its own
    assert watch.seen[0] == ([12, 15] if kept else [12, 24])
    assert watch.seen[2] == (watch.seen[0] if kept else [36, 72])
