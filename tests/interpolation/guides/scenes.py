"""Keyframes of something that moves as is known, and the frames between them."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

SIZE = (96, 128)
SPRITE = 33  # pixels, odd: its centre is a pixel
T = (0.25, 0.5, 0.75)
Path = Callable[[float], tuple[float, float]]


def straight(s: float) -> tuple[float, float]:
    return 24 + 76 * s, 30 + 40 * s


def circle(s: float) -> tuple[float, float]:
    angle = math.pi * (1 - s)
    return 64 + 40 * math.cos(angle), 74 - 40 * math.sin(angle)


def wave(s: float) -> tuple[float, float]:
    return 24 + 78 * s, 48 + 24 * math.sin(2 * math.pi * s)


PATHS = {path.__name__: path for path in (straight, circle, wave)}


def points(path: Path, count: int = 65) -> np.ndarray:
    """Points of a path, at equal distances along it, about."""
    fine = np.array([path(s) for s in np.linspace(0, 1, 1001)])
    travelled = np.concatenate([[0], np.hypot(*np.diff(fine, axis=0).T).cumsum()])
    places = np.linspace(0, travelled[-1], count)
    return np.stack([np.interp(places, travelled, fine[:, axis]) for axis in (0, 1)], axis=1)


def length(path: Path) -> float:
    return float(np.hypot(*np.diff(points(path), axis=0).T).sum())


def ball() -> np.ndarray:
    """A disc with an outline, (SPRITE, SPRITE, 4)."""
    sprite = np.zeros((SPRITE, SPRITE, 4), np.uint8)
    middle = SPRITE // 2
    cv2.circle(sprite, (middle, middle), 9, (220, 60, 40, 255), cv2.FILLED, cv2.LINE_AA)
    cv2.circle(sprite, (middle, middle), 9, (20, 20, 20, 255), 2, cv2.LINE_AA)
    return sprite


def card() -> np.ndarray:
    """A textured rectangle with an outline, which shows how it is turned."""
    sprite = np.zeros((SPRITE, SPRITE, 4), np.uint8)
    cells = np.random.default_rng(0).integers(40, 220, (4, 3, 3), np.uint8)
    sprite[6:27, 9:24, :3] = cv2.resize(cells, (15, 21), interpolation=cv2.INTER_NEAREST)
    sprite[6:27, 9:24, 3] = 255
    cv2.rectangle(sprite, (9, 6), (23, 26), (10, 10, 10, 255), 2)
    return sprite


SPRITES = {"ball": ball(), "card": card()}


def paper(t: float) -> np.ndarray:
    return np.full((*SIZE, 3), 250, np.uint8)


def texture(t: float) -> np.ndarray:
    cells = np.random.default_rng(1).integers(100, 255, (12, 16, 3), np.uint8)
    return cv2.resize(cells, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def movers(t: float) -> np.ndarray:
    """Grey blocks that move down by twelve pixels."""
    canvas = paper(t)
    for x in (30, 88):
        top = round(34 + 12 * t)
        cv2.rectangle(canvas, (x, top), (x + 14, top + 18), (150, 150, 150), cv2.FILLED)
    return canvas


BACKGROUNDS = {background.__name__: background for background in (paper, texture, movers)}


def placed(canvas: np.ndarray, sprite: np.ndarray, place: np.ndarray, turned: float = 0.0) -> np.ndarray:
    """A picture with a sprite, turned clockwise by some degrees, its centre at a place (x, y)."""
    middle = SPRITE // 2
    matrix = cv2.getRotationMatrix2D((middle, middle), -turned, 1)
    matrix[:, 2] += np.asarray(place) - middle
    layer = sprite.astype(np.float32) / 255
    layer[..., :3] *= layer[..., 3:]
    layer = cv2.warpAffine(layer, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC).clip(0, 1)
    mixed = canvas * (1 - layer[..., 3:]) + 255 * layer[..., :3]
    return mixed.clip(0, 255).round().astype(np.uint8)


def lasso(place: np.ndarray, radius: float = 15) -> list[list[float]]:
    """A loose polygon around a place."""
    angles = np.linspace(0, 2 * math.pi, 9)[:-1]
    return [[float(place[0] + radius * math.cos(a)), float(place[1] + radius * math.sin(a))] for a in angles]


def centre(frame: np.ndarray, background: np.ndarray) -> tuple[np.ndarray, int]:
    """The centre (x, y) of what strongly differs from a background, and how many pixels do."""
    rows, columns = np.nonzero(np.abs(frame.astype(int) - background).max(-1) > 60)
    return np.array([columns.mean(), rows.mean()]), len(rows)
