"""The shipped weights of spacing flow, on synthetic animation outside the training data."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import default_collate

from inbetween.data import SyntheticAnimation
from inbetween.data.source import WindowSpec
from inbetween.data.synthetic import SyntheticScene
from inbetween.methods import OpticalFlow, SpacingFlow
from inbetween.methods.loading import load_method
from inbetween.metrics import EndPointError, WindowFlowMetric
from inbetween.paths import find_checkpoint, find_config

SIZE = (192, 192)
TIMES = np.linspace(0.02, 0.98, 33)


@pytest.fixture(scope="module")
def method() -> SpacingFlow:
    loaded = load_method(
        find_config("spacing_flow.yaml"), find_checkpoint("spacing_flow/weights.safetensors")
    )
    assert isinstance(loaded, SpacingFlow)
    return loaded


def image_tensor(image: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def test_moving_parts_are_where_the_spacing_map_says(method: SpacingFlow) -> None:
    """The left half is at an ease-in's first frame, the right half late: each within 5 % of its path."""
    gone, off = {0: 0.15, 1: 0.7}, []
    for index in range(12):
        scene = SyntheticScene(77, index, "color", 0.4)
        first, last = (image_tensor(scene.draw(t, SIZE)) for t in (0.0, 1.0))
        maps = {half: scene.spacing(t, SIZE) for half, t in gone.items()}
        columns = {0: slice(0, SIZE[1] // 2), 1: slice(SIZE[1] // 2, None)}
        joined = np.concatenate([maps[half][..., columns[half]] for half in (0, 1)], axis=-1)
        frame = method.interpolate_spaced(first, last, torch.from_numpy(joined)[None, None])[0][0, 0]
        true = torch.cat([image_tensor(scene.draw(float(time), SIZE)) for time in TIMES])
        for half, t in gone.items():
            part = columns[half]
            moving = np.hypot(*scene.flow(t, 1.0, SIZE))[:, part] > 2
            if moving.mean() < 0.05:
                continue
            # the spacing of the most similar true frame is the interpolated one's
            difference = (true[..., part] - frame[..., part]).abs().flatten(1).mean(1)
            nearest = scene.spacing(float(TIMES[int(difference.argmin())]), SIZE)[0, :, part]
            off.append(float(np.abs(nearest - maps[half][0, :, part])[moving].mean()))
    assert len(off) >= 12
    assert np.mean(off) < 0.05


def test_its_flows_are_nearer_to_the_truth_than_the_classical_ones(method: SpacingFlow) -> None:
    windows = SyntheticAnimation(truth="targets").dataset("val", WindowSpec(between=1, size=SIZE))
    batch = default_collate([windows[0, index] for index in range(8)])
    errors = []
    for one in (method, OpticalFlow("dis")):
        metric = WindowFlowMetric(EndPointError())
        metric.update(one.flows(batch), batch)
        errors.append(metric.per_window()[0])
    assert errors[0].mean() < 0.75 * errors[1].mean()
    assert (errors[0] < errors[1]).float().mean() > 0.6
