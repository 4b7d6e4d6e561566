import pytest

import inbetween


@pytest.fixture(scope="session")
def model() -> inbetween.Interpolator:
    """A cross-fade, whose frames can be calculated by hand."""
    return inbetween.load("cross_fade", device="cpu")
