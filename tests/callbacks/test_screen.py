"""The bar of a run, and what it costs."""

from collections.abc import Callable

import lightning as L
import pytest

from inbetween.callbacks import StepProgressBar
from tests.callbacks.toy_model import ToyModel, loader


class Counting(StepProgressBar):
    """Counts how often figures are fetched, for which a GPU would be waited."""

    fetched = 0

    def get_metrics(self, *args: L.Trainer) -> dict[str, int | str | float | dict[str, float]]:
        self.fetched += 1
        return {"fetched": self.fetched}


@pytest.mark.parametrize("limit", [{"max_steps": 40}, {"max_epochs": 1}])
def test_figures_are_fetched_when_the_bar_is_due(
    make_trainer: Callable[..., L.Trainer], capsys: pytest.CaptureFixture[str], limit: dict[str, int]
) -> None:
    bar = Counting()
    options = {"enable_progress_bar": True, "limit_val_batches": 0, "logger": False}
    make_trainer(bar, **options, **limit).fit(ToyModel(), loader(40))
    assert 1 <= bar.fetched <= 3  # at the end of all steps and of the epoch
    assert f"fetched={bar.fetched}" in capsys.readouterr().out


@pytest.mark.parametrize("rate", [1, 4])
def test_the_refresh_rate_is_heeded(
    make_trainer: Callable[..., L.Trainer], monkeypatch: pytest.MonkeyPatch, rate: int
) -> None:
    monkeypatch.setattr("inbetween.callbacks.screen.FILE_INTERVAL", 0.0)
    bar = Counting(refresh_rate=rate)
    options = {"enable_progress_bar": True, "limit_val_batches": 0, "logger": False}
    make_trainer(bar, **options, max_steps=20).fit(ToyModel(), loader(20))
    assert 20 // rate <= bar.fetched <= 20 // rate + 2
