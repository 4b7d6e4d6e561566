"""What `LoraWriter` refuses; tests/methods/diffusion/video/ tests what it writes."""

import lightning as L
import pytest

from inbetween.callbacks import LoraWriter
from inbetween.errors import UserError
from inbetween.methods import CrossFade


def test_a_method_without_adapters_is_refused() -> None:
    with pytest.raises(UserError, match="CrossFade trains no adapters of a video model: leave out"):
        LoraWriter().setup(L.Trainer(accelerator="cpu", logger=False), CrossFade(), "fit")
