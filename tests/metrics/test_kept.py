"""What is found out about frames is kept while they live, and no longer."""

import copy
import gc
import pickle

import torch

from inbetween.metrics.window import Crops, Kept


def test_a_value_is_computed_once_while_its_tensor_lives():
    seen = []
    kept = Kept(lambda tensor: seen.append(1) or len(seen))
    a, b = torch.zeros(2), torch.zeros(2)
    assert [kept(tensor) for tensor in (a, b, a, b)] == [1, 2, 1, 2]
    del a
    gc.collect()
    assert kept(torch.zeros(2)) == 3
    assert kept(b) == 2


def test_crops_of_a_batch_are_the_same_until_another_one_comes(make_batch):
    batch, other = make_batch(2), make_batch(2)
    crops = Crops()
    truth = crops.truth(batch)
    assert all(a.targets is b.targets for a, b in zip(truth, crops.truth(batch), strict=True))
    frames = batch["targets"] * 0.5
    found = crops.frames(frames, batch)
    assert all(a is b for a, b in zip(found, crops.frames(frames, batch), strict=True))
    assert crops.truth(other)[0].targets is not truth[0].targets
    assert torch.equal(crops.frames(frames * 0.5, batch)[0], frames[0] * 0.5)


def test_nothing_keeps_a_batch_alive(make_batch):
    batch, crops = make_batch(2), Crops()
    kept = Kept(lambda tensor: tensor.sum())
    for clip in crops.truth(batch):
        kept(clip.targets)
    del clip, batch
    gc.collect()
    assert crops._truth is None
    assert not kept._found


def test_copies_begin_with_nothing(make_batch):
    batch, crops, kept = make_batch(1), Crops(), Kept(torch.sum)
    kept(crops.truth(batch)[0].targets)
    for copied in (copy.deepcopy((crops, kept)), pickle.loads(pickle.dumps((crops, kept)))):
        assert copied[0]._truth is None
        assert not copied[1]._found
