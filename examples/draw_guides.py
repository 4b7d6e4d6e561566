"""Draws `examples/guides`: two keyframes, and what guides say about them: `python examples/draw_guides.py`.

A figure throws a striped ball, a bird flies by, and a cloud drifts.
"""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

FOLDER = Path(__file__).parent / "guides"
SIZE = (240, 320)  # height and width
FINE = 4  # times as large as it is saved, which antialiases it
DARK = (40, 36, 48)
Points = list[tuple[float, float]]

BALL = [(66, 60), (284, 187)]  # in the first keyframe and in the last; and so on
BIRD = [(290, 100), (170, 120)]
CLOUD = [(190, 40), (214, 40)]
SHOULDER = (92, 128)
ARM = [[(78, 98), (66, 70)], [(126, 136), (152, 158)]]  # elbow and hand


def keyframe(t: int) -> Image.Image:
    """The first keyframe, 0, or the last, 1."""
    height, width = SIZE
    canvas = np.full((height * FINE, width * FINE, 3), (238, 232, 214), np.uint8)
    fill(canvas, [(0, 204), (width, 204), (width, height), (0, height)], (168, 188, 132))
    line(canvas, [(0, 204), (width, 204)], 2, DARK)
    for dx, dy, radius in ((-20, 3, 12), (0, -3, 17), (20, 3, 12)):
        disc(canvas, (CLOUD[t][0] + dx, CLOUD[t][1] + dy), radius, (250, 250, 250))
    x, y = BIRD[t]
    wings = [(x - 13, y - 7), (x, y), (x + 13, y - 7)]
    line(canvas, wings, 3, DARK)
    for part in ([(84, 202), (90, 166), (100, 202)], [SHOULDER, (90, 166)]):
        line(canvas, part, 12, DARK)
        line(canvas, part, 8, (96, 120, 170))
    disc(canvas, (94, 106), 15, DARK)
    disc(canvas, (94, 106), 13, (240, 204, 172))
    arm = [SHOULDER, *ARM[t]]
    line(canvas, arm, 12, DARK)
    line(canvas, arm, 8, (240, 204, 172))
    disc(canvas, BALL[t], 14, DARK)
    disc(canvas, BALL[t], 12, (214, 84, 60))
    turn = math.radians(-30 + 300 * t)
    across = 12 * np.array([math.cos(turn), math.sin(turn)])
    line(canvas, [tuple(BALL[t] - across), tuple(BALL[t] + across)], 5, (250, 224, 120))
    return Image.fromarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA))


def guides() -> dict[str, dict[str, Any]]:
    """The values of each JSON file, by its name."""
    (x, y), end = BALL
    around = [[x - 17, y - 17], [x + 17, y - 17], [x + 17, y + 17], [x - 17, y + 17]]
    ball = {
        "mask": around,
        "bezier": [[x, y], [130, -20], [240, 40], list(end)],
        "rotation": 300,
        "spacing": "ease_in",
    }
    bird = {"first": list(BIRD[0]), "last": list(BIRD[1]), "radius": 22}
    joints = [[SHOULDER, *arm] for arm in ARM]
    bones = [
        {"first": [list(was[k]), list(was[k + 1])], "last": [list(now[k]), list(now[k + 1])], "width": 9}
        for was, now in [joints]
        for k in (0, 1)
    ]
    cloud = {"mask": [[140, 14], [270, 14], [270, 66], [140, 66]], "spacing": [0, 0.1, 0.4]}
    kinds = {
        "path": {"regions": [ball]},
        "points": {"points": [bird]},
        "bones": {"bones": bones},
        "spacing": {"spacing": [cloud]},
    }
    together = {key: value for kind in kinds.values() for key, value in kind.items()}
    return {name: {"pairs": [{"pair": 0, **kind}]} for name, kind in {**kinds, "all": together}.items()}


def disc(
    canvas: NDArray[np.uint8], centre: tuple[float, float], radius: float, colour: tuple[int, ...]
) -> None:
    """A filled circle."""
    x, y = (round(value * FINE) for value in centre)
    cv2.circle(canvas, (x, y), round(radius * FINE), colour, cv2.FILLED)


def line(canvas: NDArray[np.uint8], points: Points, width: float, colour: tuple[int, ...]) -> None:
    """A line with round ends."""
    fine = [(round(x * FINE), round(y * FINE)) for x, y in points]
    for begin, end in pairwise(fine):
        cv2.line(canvas, begin, end, colour, round(width * FINE))


def fill(canvas: NDArray[np.uint8], points: Points, colour: tuple[int, ...]) -> None:
    """A filled polygon."""
    cv2.fillPoly(canvas, [(np.array(points) * FINE).round().astype(np.int32)], colour)


def main() -> None:
    """Write everything."""
    (FOLDER / "keyframes").mkdir(parents=True, exist_ok=True)
    for t in (0, 1):
        keyframe(t).save(FOLDER / "keyframes" / f"{t}.png")
    for name, values in guides().items():
        (FOLDER / f"{name}.json").write_text(json.dumps(values, indent=2) + "\n")


if __name__ == "__main__":
    main()
