import torch

from inbetween.functional.splat import softmax_splat, splatted_motion


def test_whole_steps_move_pixels_and_leave_holes():
    values = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[:, 0] = 1
    moved, weight = softmax_splat(values, flow, torch.zeros(1, 1, 3, 4))
    assert torch.equal(moved[0, 0, :, 1:], values[0, 0, :, :-1])
    assert torch.equal(weight[0, 0, :, 0], torch.zeros(3))
    assert torch.equal(weight[0, 0, :, 1:], torch.ones(3, 3))


def test_half_steps_deal_out_to_both_neighbours():
    values = torch.zeros(1, 1, 1, 4)
    values[..., 1] = 1
    flow = torch.zeros(1, 2, 1, 4)
    flow[:, 0, :, 1] = 0.25
    _, weight = softmax_splat(values, flow, torch.zeros(1, 1, 1, 4))
    torch.testing.assert_close(weight[0, 0, 0], torch.tensor([1.0, 0.75, 1.25, 1.0]))


def test_the_more_important_of_two_is_in_front():
    values = torch.tensor([[[[5.0, 7.0, 0.0]]]])
    flow = torch.tensor([[[[1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]]])
    moved, _ = softmax_splat(values, flow, torch.tensor([[[[9.0, -9.0, 0.0]]]]))
    assert abs(float(moved[0, 0, 0, 1]) - 5) < 1e-3
    moved, _ = softmax_splat(values, flow, torch.zeros(1, 1, 1, 3))
    assert float(moved[0, 0, 0, 1]) == 6


def test_what_leaves_the_image_is_dropped():
    _, weight = softmax_splat(torch.ones(1, 1, 2, 2), torch.full((1, 2, 2, 2), 5.0), torch.zeros(1, 1, 2, 2))
    assert float(weight.sum()) == 0


def test_splatted_motion_carries_the_flow_to_where_the_part_is():
    """A square of flow 8 at columns 8 to 16 is found at columns 14 to 22 when three quarters are gone."""
    flow_01, flow_10 = torch.zeros(2, 1, 2, 32, 32)
    first, last = torch.ones(2, 1, 3, 32, 32)
    first[..., 8:16, 8:16] = 0
    last[..., 8:16, 16:24] = 0
    flow_01[:, 0, 8:16, 8:16] = 8
    flow_10[:, 0, 8:16, 16:24] = -8
    flow_candidates = splatted_motion(flow_01, flow_10, first, last, torch.full((1, 1, 32, 32), 0.75))
    for flow_candidate in (flow_candidates[0, 0], flow_candidates[0, 2]):
        torch.testing.assert_close(flow_candidate[9:15, 15:21], torch.full((6, 6), 8.0), atol=0.2, rtol=0)
        assert flow_candidate[9:15, 26:].abs().max() < 0.1
    assert flow_candidates[0, 1].abs().max() < 1e-4
