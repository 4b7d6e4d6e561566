import pytest
import torch

from inbetween.modules.residual_refiner import compute_change_mask, residual_of


def test_corrections_are_lines_and_no_tones():
    line, change_mask = torch.zeros(1, 4, 16, 16), torch.zeros(1, 1, 16, 16)
    line[..., 8], change_mask[..., 4:13] = 1.0, 1.0
    tone = torch.randn(1, 4, 1, 1)
    found = residual_of(line + tone, change_mask)
    torch.testing.assert_close(found, residual_of(line, change_mask))
    assert residual_of(tone.expand(1, 4, 16, 16), change_mask).abs().max() < 1e-5
    torch.testing.assert_close(found[..., 8], torch.full((1, 4, 16), 1 - 1 / 9))
    assert not found[..., :4].any()


def test_what_keyframes_and_start_agree_on_is_settled():
    first, last, start = torch.randn(1, 3, 12, 20).expand(3, -1, -1, -1).clone().split(1)
    assert not compute_change_mask(first, last, start).any()
    last[0, 1, 5, 4] += 9
    start[0, 2, 5, 15] -= 9
    found = compute_change_mask(first, last, start)
    assert found.shape == (1, 1, 12, 20)
    expected = torch.zeros(12, 20)
    expected[3:8, 2:7] = expected[3:8, 13:18] = 1
    torch.testing.assert_close(found[0, 0], expected)
    start[0, 2, 5, 15] = first[0, 2, 5, 15] + 0.1
    assert float(compute_change_mask(first, last, start)[0, 0, 5, 15]) == pytest.approx(0.2, abs=1e-5)
