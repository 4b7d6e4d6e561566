import pytest
import torch

from inbetween.metrics import EndPointError, WindowFlowMetric


@pytest.fixture
def batch(make_batch):
    """Two windows of three drawings whose motion is known."""
    found = make_batch()
    stream = torch.Generator().manual_seed(0)
    for name in ("flow_t0", "flow_t1"):
        found[name] = 5 * torch.randn(2, 3, 2, 40, 48, generator=stream)
    return found


def true(batch):
    return torch.cat([batch["flow_t0"], batch["flow_t1"]], dim=2)


def scores(flows, batch):
    metric = WindowFlowMetric(EndPointError())
    metric.update(flows, batch)
    return metric.per_window()[0].tolist()


def test_true_motion_is_without_error(batch):
    assert scores(true(batch), batch) == [0, 0]


def test_error_is_a_distance_in_pixels(batch):
    flows = true(batch)
    flows[0, :, :2] += torch.tensor([3.0, 4.0]).view(2, 1, 1)  # to first, off by 5; to last, right
    flows[1, 0, 2] += 6.0  # one drawing of three, to last
    assert scores(flows, batch) == pytest.approx([2.5, 1.0], abs=1e-5)


def test_padding_does_not_count(batch):
    batch["box"] = torch.tensor([[4, 8, 30, 32]] * 2)
    flows = true(batch)
    flows[..., :4, :] = flows[..., 34:, :] = flows[..., :8] = flows[..., 40:] = 100
    assert scores(flows, batch) == [0, 0]


def test_windows_without_truth_have_none(batch):
    flows = true(batch)
    batch["flow_t0"][1] = torch.nan
    assert scores(flows, batch) == [0]
