import pytest
import torch
from torch.nn import functional as F

from inbetween.modules.spaced_drawing import _shrunk


@pytest.mark.parametrize("size", [(24, 40), (12, 20), (17, 28), (6, 10), (48, 80)])
def test_shrunk_pictures_are_means_over_areas(size):
    images = torch.rand(2, 3, 48, 80)
    torch.testing.assert_close(_shrunk(images, size), F.interpolate(images, size=size, mode="area"))
