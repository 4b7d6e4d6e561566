import pytest
import torch
from torch.nn import functional as F

from inbetween.functional.correlation import correlation


@pytest.mark.parametrize("radius", [1, 3])
def test_correlation_is_the_mean_product_at_each_offset(radius):
    a, b = torch.randn(2, 8, 6, 9), torch.randn(2, 8, 6, 9)
    padded = F.pad(b, (radius,) * 4)
    span = range(2 * radius + 1)
    expected = torch.stack(
        [(a * padded[..., y : y + 6, x : x + 9]).mean(1) for y in span for x in span], dim=1
    )
    torch.testing.assert_close(correlation(a, b, radius), expected)
