"""Methods that move opacity move it along with the colours, and let it change none of them."""

import pytest
import torch

from inbetween.methods import CrossFade, Method, OpticalFlow, Repeat
from tests.tiny import random_batch


@pytest.mark.parametrize(
    "method",
    [Repeat(), CrossFade(), OpticalFlow("farneback"), OpticalFlow("dis")],
    ids=lambda item: repr(item)[:-2],
)
def test_opacity_goes_where_the_colors_go(method: Method) -> None:
    assert method.supports_alpha
    batch = random_batch(height=72, width=80)
    first, last, t = batch["first"], batch["last"], batch["t"]
    colors = method.interpolate(first, last, t)
    # as opacity a copy of red, which has to stay one
    layers = method.interpolate(*(torch.cat([key, key[:, :1]], dim=1) for key in (first, last)), t)
    torch.testing.assert_close(layers[:, :, :3], colors)
    torch.testing.assert_close(layers[:, :, 3], colors[:, :, 0])
