import math

import torch

from inbetween.functional.slerp import slerp


def test_halfway_between_two_axes_lies_on_the_circle():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    expected = torch.tensor([[math.cos(math.pi / 6), math.sin(math.pi / 6)]])
    torch.testing.assert_close(slerp(a, b, torch.tensor([1 / 3])), expected)


def test_identities_in_float64():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(4, 3, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    t = torch.rand(4, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(slerp(a, b, torch.zeros(4)), a)
    torch.testing.assert_close(slerp(a, b, torch.ones(4)), b)
    torch.testing.assert_close(slerp(a, b, t), slerp(b, a, 1 - t))


def test_keeps_the_norm_of_unit_vectors():
    generator = torch.Generator().manual_seed(1)
    a, b = (torch.nn.functional.normalize(torch.randn(8, 16, generator=generator), dim=1) for _ in range(2))
    torch.testing.assert_close(slerp(a, b, torch.rand(8, generator=generator)).norm(dim=1), torch.ones(8))


def test_nearly_parallel_vectors_are_interpolated_linearly():
    a = torch.tensor([[1.0, 0.0], [2.0, 2.0]])
    b = torch.tensor([[1.0, 0.001], [4.0, 4.0]])
    t = torch.tensor([0.25, 0.25])
    torch.testing.assert_close(slerp(a, b, t), torch.lerp(a, b, 0.25))


def test_each_sample_has_its_own_t():
    a, b = torch.eye(2)[[0, 0]], torch.eye(2)[[1, 1]]
    both = slerp(a, b, torch.tensor([0.2, 0.9]))
    torch.testing.assert_close(both[1:], slerp(a[1:], b[1:], torch.tensor([0.9])))
