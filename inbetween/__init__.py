"""Train, evaluate and run models that interpolate between keyframes of 2D animation.

```python
import inbetween

model = inbetween.load("spacing_flow")
frames = model.interpolate(first, last, t=[0.25, 0.5])  # between two images
sequence = inbetween.interpolate(images, between=3, spacing="ease_out")  # a whole sequence
```

Importing this package imports nothing else: torch comes with the first call.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inbetween.errors import UserError
    from inbetween.interpolation import Guides, Interpolator, interpolate, load

__version__ = "0.1.0"
__all__ = ["Guides", "Interpolator", "UserError", "interpolate", "load"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any attribute
    """Import a name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(
        import_module("inbetween.errors" if name == "UserError" else "inbetween.interpolation"), name
    )
