"""Spacing charts: positions of the in-betweens, as in classical animation."""

from typing import Literal

Chart = Literal["even", "ease_in", "ease_out", "ease_in_out", "halves"]


def spacing_chart(chart: Chart, between: int) -> list[float]:
    """Positions in (0, 1) of the in-betweens, ascending.

    With u = k / (between + 1) for in-between k = 1, 2, ...:

    - `even`: u. One in-between is at 1/2, two are at the thirds, three at the quarters.
    - `ease_in`: u^2. Starts slowly: in-betweens are dense near the first keyframe.
    - `ease_out`: 1 - (1 - u)^2. Ends slowly: in-betweens are dense near the last keyframe.
    - `ease_in_out`: u^2 (3 - 2u). Starts and ends slowly.
    - `halves`: 1 - 2^-k. Each in-between goes half of the remaining distance: 1/2, 3/4, 7/8.

    Args:
        chart: Its name.
        between: Number of in-betweens, at least 1.
    """
    share = [k / (between + 1) for k in range(1, between + 1)]
    if chart == "ease_in":
        return [u**2 for u in share]
    if chart == "ease_out":
        return [1 - (1 - u) ** 2 for u in share]
    if chart == "ease_in_out":
        return [u**2 * (3 - 2 * u) for u in share]
    if chart == "halves":
        return [1 - 0.5**k for k in range(1, between + 1)]
    return share
