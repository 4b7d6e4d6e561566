"""Methods of the user's own that are at fault themselves."""

from pathlib import Path
from typing import Any

from torch import Tensor

from tests.cli.mistakes.blend import Blend


class AddsToNothing(Blend):
    """Cannot be made."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.sum = None + 1  # type: ignore[operator]


class Misspells(Blend):
    """Cannot be made either: no class before it takes that."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widht=3, **options)


class LooksUpNothing(Blend):
    """Cannot be made either."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.number = int("x")


class Opens(Blend):
    """Wants a file that nobody gave, when it draws."""

    def interpolate(self, *args: Any, **options: Any) -> Tensor:
        with Path("stats.json").open():
            return super().interpolate(*args, **options)


class OpensWhenMade(Blend):
    """Wants it when it is made."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.file = Path("stats.json").read_text()
