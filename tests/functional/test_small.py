"""Time codes, padding, schedules and seeds."""

import math

import pytest
import torch

from inbetween.functional.padding import pad_to_multiple
from inbetween.functional.schedules import cosine_after_warmup
from inbetween.functional.seeds import generators, sample_seed
from inbetween.functional.time_codes import TIME_CODE_SIZE, time_code


def test_time_code_of_a_quarter():
    expected = [0.25, 0.0625, 0.015625, 0.00390625, 1.0, 0.0, 0.0, -1.0]
    code = time_code(torch.tensor([[0.25]]))
    assert code.shape == (1, 1, TIME_CODE_SIZE)
    torch.testing.assert_close(code[0, 0], torch.tensor(expected), atol=1e-6, rtol=0)


def test_padding_repeats_the_border_at_right_and_bottom():
    images = torch.rand(2, 4, 3, 5, 7)
    padded = pad_to_multiple(images, 4)
    assert padded.shape == (2, 4, 3, 8, 8)
    assert torch.equal(padded[..., :5, :7], images)
    assert torch.equal(padded[..., 7, :7], images[..., 4, :])
    assert torch.equal(padded[..., :5, 7], images[..., 6])


def test_padding_leaves_a_fitting_image_alone():
    images = torch.rand(1, 3, 8, 4)
    assert pad_to_multiple(images, 4) is images


@pytest.mark.parametrize(
    ("step", "warmup", "total", "factor"),
    [(0, 4, 10, 0.2), (3, 4, 10, 0.8), (4, 4, 10, 1.0), (7, 4, 10, 0.5), (10, 4, 10, 0.0), (99, 4, 10, 0.0)],
)
def test_cosine_after_warmup(step, warmup, total, factor):
    assert math.isclose(cosine_after_warmup(step, warmup, total), factor, abs_tol=1e-12)


def test_constant_after_warmup():
    assert [cosine_after_warmup(step, 1, None) for step in range(3)] == [0.5, 1.0, 1.0]


def test_sample_seeds_are_stable_and_apart():
    assert sample_seed(0, 1, 2) == 4529435921577843265
    seeds = {sample_seed(0, epoch, index) for epoch in range(10) for index in range(100)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_sample_has_the_same_noise_in_any_batch():
    together = [torch.randn(3, generator=stream) for stream in generators(torch.tensor([7, 8]))]
    (alone,) = (torch.randn(3, generator=stream) for stream in generators(torch.tensor([8])))
    assert torch.equal(together[1], alone)
