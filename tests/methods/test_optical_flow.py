import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure as ssim

from inbetween.functional.warp import backward_warp
from inbetween.methods import CrossFade, OpticalFlow
from tests.tiny import random_batch


def moving_square(shift: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """First, middle and last of a textured square that walks right, (1, 3, 96, 128)."""
    generator = torch.Generator().manual_seed(0)
    texture = torch.nn.functional.interpolate(
        torch.rand(1, 3, 8, 8, generator=generator), (32, 32), mode="bilinear"
    )
    frames = []
    for step in (0, shift // 2, shift):
        frame = torch.ones(1, 3, 96, 128)
        frame[..., 32:64, 40 + step : 72 + step] = texture
        frames.append(frame)
    return frames[0], frames[1], frames[2]


@pytest.mark.parametrize("algorithm", ["farneback", "dis"])
@pytest.mark.parametrize("shift", [4, 8])
def test_moving_square_beats_the_cross_fade(algorithm, shift):
    """A warp in the wrong direction scores below the cross-fade here."""
    first, middle, last = moving_square(shift)
    t = torch.tensor([[0.5]])
    drawn = OpticalFlow(algorithm).interpolate(first, last, t)[:, 0]
    faded = CrossFade().interpolate(first, last, t)[:, 0]
    assert ssim(drawn, middle, data_range=1.0) > ssim(faded, middle, data_range=1.0) + 0.005


def test_the_square_is_where_t_says():
    first, _, last = moving_square(8)
    frames = OpticalFlow("dis").interpolate(first, last, torch.tensor([[0.25, 0.75]]))
    dark = (1 - frames[0].mean(dim=1)).clamp_min(0)
    centre = (dark * torch.arange(128)).sum(dim=(1, 2)) / dark.sum(dim=(1, 2))
    start = (1 - first[0].mean(0)).clamp_min(0)
    begin = (start * torch.arange(128)).sum() / start.sum()
    torch.testing.assert_close(centre - begin, torch.tensor([2.0, 6.0]), atol=0.5, rtol=0)


def test_frames_are_warped_along_its_flows():
    first, _, last = moving_square(8)
    batch = random_batch(1) | {"first": first, "last": last, "t": torch.tensor([[0.25, 0.75]])}
    method = OpticalFlow("dis")
    for frame, flow, t in zip(
        method.interpolate_batch(batch)[0], method.flows(batch)[0], (0.25, 0.75), strict=True
    ):
        from_first, from_last = backward_warp(first, flow[None, :2]), backward_warp(last, flow[None, 2:])
        torch.testing.assert_close(frame[None], (1 - t) * from_first + t * from_last)


def test_still_picture_stays_still():
    first, _, _ = moving_square(4)
    drawn = OpticalFlow("dis").interpolate(first, first, torch.tensor([[0.5]]))[:, 0]
    torch.testing.assert_close(drawn, first, atol=1e-2, rtol=0)
