"""The method that makes the denoiser of a backbone."""

import pytest
import torch

from inbetween.methods import ImageVariation
from inbetween.methods.diffusion import Backbone, Sampling
from tests.tiny import random_batch, tiny_backbone

pytestmark = pytest.mark.filterwarnings("ignore:Attribute 'backbone' is an instance")


def make(**options):
    torch.manual_seed(0)
    return ImageVariation(tiny_backbone(), trained="all", sampling=Sampling(4, 0.5), **options)


def test_it_is_conditioned_on_one_frame_of_the_window_by_all_its_tokens_or_the_pooled_one():
    method, batch = make(), random_batch(8, between=2)
    frames = torch.cat([batch["first"][:, None], batch["targets"], batch["last"][:, None]], dim=1)
    with torch.no_grad():
        known = method.embed(frames.flatten(0, 1)).unflatten(0, (8, 4))
    shown, pooled = set(), set()
    for seed in range(12):
        sample = method.sample_of({**batch, "seed": torch.arange(8) + 8 * seed})
        with torch.no_grad():
            tokens = method.training_tokens(sample)
        same = (known[:, :, :1] - tokens[:, None, :1]).abs().amax(dim=(2, 3)) < 1e-5
        assert same.any(dim=1).all()
        shown |= set(same.int().argmax(1).tolist())
        alone = (tokens == tokens[:, :1]).all(dim=(1, 2))
        everything = torch.stack([known[row, which] for row, which in enumerate(same.int().argmax(1))])
        torch.testing.assert_close(tokens[~alone], everything[~alone])
        pooled |= set(alone.tolist())
    assert shown == {0, 1, 2, 3}
    assert pooled == {False, True}


def test_the_pooled_token_in_all_places_is_the_pooled_token_alone():
    method = make()
    tokens, given = torch.randn(2, 1, 16), (torch.randn(2, 4, 8, 8), torch.tensor([3, 700]))
    with torch.no_grad():
        alone, repeated = (method.backbone.denoise(*given, x) for x in (tokens, tokens.expand(-1, 5, -1)))
    torch.testing.assert_close(repeated, alone, atol=1e-5, rtol=1e-4)


def test_interpolation_uses_the_interpolated_tokens():
    method = make()
    first, last = torch.randn(2, 3, 5, 16)
    t = torch.tensor([0.0, 0.25, 1.0])
    expected = torch.stack([first[0], 0.75 * first[1] + 0.25 * last[1], last[2]])
    torch.testing.assert_close(method.condition(first, last, t), expected)


def test_what_is_written_is_a_backbone(tmp_path):
    method = make()
    method.save_pretrained(tmp_path)
    loaded = Backbone(str(tmp_path))
    images, given = torch.rand(2, 3, 32, 32), (torch.randn(2, 4, 8, 8), torch.tensor([3, 700]))
    tokens = method.backbone.embed_tokens(images).detach()
    torch.testing.assert_close(loaded.embed_tokens(images), tokens, atol=0.02, rtol=0.02)
    with torch.no_grad():
        expected, found = (model.denoise(*given, tokens) for model in (method.backbone, loaded))
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0.02)
    assert loaded.scheduler.config.prediction_type == "epsilon"
    # one that was read from a folder does not hand on where that was
    loaded.save_pretrained(tmp_path / "again")
    written = [path.read_text() for path in (tmp_path / "again").rglob("*.json")]
    assert len(written) == 4
    assert not any(str(tmp_path) in text for text in written)
