"""The methods that draw, loaded once and shared by all users of the page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import torch

from inbetween.app.limits import MAX_CANDIDATES
from inbetween.interpolation.loading import default_method, find_model, load
from inbetween.interpolation.model import Interpolator
from inbetween.methods.rife.weights import has_fetched_rife

KEPT = 2  # methods in memory
#: What animators may choose from, in their words; any other method can be named on the command line.
OFFERED = {
    "spacing_rife": "Spacing RIFE: the best",
    "spacing_flow": "Spacing flow: sharp lines",
    "rife": "RIFE",
    "dis": "DIS: quick, for small motion",
    "cross_fade": "Cross-fade: a dissolve",
}


class Models:
    """Methods by name; the network works for one user at a time.

    Args:
        device: Where to compute.
        first: Name of the method that is used unless the user chooses another; None is the best one here.

    Attributes:
        first: What the page calls that method; paths stay on this machine.
        lock: Held while a network computes.
    """

    def __init__(self, device: torch.device, first: str | None = None) -> None:
        self.device = device
        self._given = default_method().name if first is None else first
        find_model(self._given)
        self.first = Path(self._given).name
        self.lock = threading.Lock()
        self._loading = threading.Lock()
        self._loaded: OrderedDict[str, Interpolator] = OrderedDict()

    def names(self) -> dict[str, str]:
        """The methods to choose from, and what they are called."""
        found = dict(OFFERED)
        if not has_fetched_rife():
            del found["rife"], found["spacing_rife"]
        return found if self.first in found else {self.first: self.first, **found}

    def get(self, name: str) -> Interpolator:
        """A method, loaded if it is not.

        Raises:
            UserError: It cannot be loaded.
        """
        with self._loading:
            if name not in self._loaded:
                given = self._given if name == self.first else name
                model = load(given, device=self.device)
                if model.candidates < MAX_CANDIDATES:
                    with self.lock:
                        _ = model.stochastic  # runs the network once, and is kept
                self._loaded[name] = model
            self._loaded.move_to_end(name)
            if len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
            return self._loaded[name]

    def candidates(self, name: str, wanted: int) -> int:
        """How many candidates, `wanted` at most, a method makes; that many while it has not been loaded."""
        model = self._loaded.get(name)
        if model is None or model.candidates >= wanted or model.stochastic:
            return wanted
        return model.candidates
