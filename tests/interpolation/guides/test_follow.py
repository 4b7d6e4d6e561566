"""What is guided goes where the guide says, within 3 % of its way, and nowhere else."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import inbetween
from inbetween import Guides, Interpolator
from tests.interpolation.guides.scenes import (
    BACKGROUNDS,
    PATHS,
    SIZE,
    SPRITES,
    T,
    centre,
    lasso,
    length,
    movers,
    paper,
    placed,
    points,
    straight,
    texture,
)

CLOSE = 0.03  # of the path's length


@pytest.fixture(scope="module")
def flow() -> Interpolator:
    return inbetween.load("spacing_flow", device="cpu", precision="32-true")


def guided(kind: str, **guide: Any) -> dict[str, Any]:
    return {"pairs": [{"pair": 0, kind: [guide]}]}


@pytest.mark.parametrize("turned", [0.0, 90.0])
@pytest.mark.parametrize("sprite", SPRITES)
@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("path", PATHS)
def test_a_region_follows_its_path(
    flow: Interpolator, path: str, background: str, sprite: str, turned: float
) -> None:
    behind, way = BACKGROUNDS[background], points(PATHS[path])
    at = {t: placed(behind(t), SPRITES[sprite], way[round(64 * t)], turned * t) for t in (0, *T, 1)}
    guides = guided("regions", mask=lasso(way[0]), path=way.tolist(), rotation=turned)
    frames = flow.interpolate(at[0], at[1], T, guides=guides)
    for t, frame in zip(T, frames, strict=True):
        # the blocks that move are grey: the guided sprite alone has colours
        seen, ground = (np.ptp(image.astype(int), -1) for image in (frame, at[t]))
        if background == "movers":
            (found, area), (true, truly) = (
                centre(x[..., None], np.zeros((*SIZE, 1))) for x in (seen, ground)
            )
        else:
            (found, area), (true, truly) = (centre(x, behind(t)) for x in (frame, at[t]))
        assert math.dist(found, true) < CLOSE * length(PATHS[path])
        # there is one of it, and it is whole
        assert 0.85 * truly < area < 1.15 * truly
    if background != "movers":
        assert np.abs(frames.astype(int) - np.stack([at[t] for t in T])).mean() < 0.5


@pytest.mark.parametrize("background", [paper, texture])
def test_matched_points_take_what_is_near_with_them(flow: Interpolator, background: Any) -> None:
    way = points(straight)
    at = {t: placed(background(t), SPRITES["ball"], way[round(64 * t)]) for t in (0, *T, 1)}
    guides = guided("points", first=way[0].tolist(), last=way[-1].tolist())
    for t, frame in zip(T, flow.interpolate(at[0], at[1], T, guides=guides), strict=True):
        found, true = (centre(image, background(t)) for image in (frame, at[t]))
        assert math.dist(found[0], true[0]) < CLOSE * length(straight)
        assert 0.9 * true[1] < found[1] < 1.1 * true[1]


def arm(background: np.ndarray, t: float) -> tuple[np.ndarray, list[list[float]]]:
    """A picture with an arm that swings by 100 degrees and bends by 60, and its joints."""
    upper = math.radians(-20 - 100 * t)
    lower = upper - math.radians(60 * t)
    shoulder = np.array([50.0, 70.0])
    elbow = shoulder + 26 * np.array([math.cos(upper), math.sin(upper)])
    joints = [shoulder, elbow, elbow + 24 * np.array([math.cos(lower), math.sin(lower)])]
    fine = [tuple((joint * 16).round().astype(int).tolist()) for joint in joints]
    picture = background.copy()
    for width, colour in ((9, (20, 20, 20)), (6, (240, 180, 150))):
        for begin, end in pairwise(fine):
            cv2.line(picture, begin, end, colour, width, cv2.LINE_AA, 4)
    return picture, [joint.tolist() for joint in joints]


@pytest.mark.parametrize("background", [paper, texture])
def test_bones_turn_about_their_joints(flow: Interpolator, background: Any) -> None:
    drawn = {t: arm(background(t), t) for t in (0, *T, 1)}
    (first, was), (last, now) = drawn[0], drawn[1]
    bones = [{"first": was[k : k + 2], "last": now[k : k + 2], "width": 6} for k in (0, 1)]
    frames = flow.interpolate(first, last, T, guides={"pairs": [{"bones": bones}]})
    way = math.dist(was[2], now[2])
    for t, frame in zip(T, frames, strict=True):
        found, true = (centre(image, background(t)) for image in (frame, drawn[t][0]))
        assert math.dist(found[0], true[0]) < CLOSE * way
        assert 0.85 * true[1] < found[1] < 1.15 * true[1]


def test_a_region_has_its_own_spacing(flow: Interpolator) -> None:
    way = points(straight)
    ends = [placed(paper(0), SPRITES["ball"], way[k]) for k in (0, -1)]
    guides = guided("regions", mask=lasso(way[0]), path=way[[0, -1]].tolist(), spacing=[0, 0.1, 0.5])
    frames = flow.interpolate(*ends, T, guides=guides)
    for share, frame in zip((0, 0.1, 0.5), frames, strict=True):
        true = way[0] + share * (way[-1] - way[0])
        assert math.dist(centre(frame, paper(0))[0], true) < CLOSE * length(straight)


def test_a_mask_with_a_chart_becomes_a_spacing_map(flow: Interpolator) -> None:
    starts, ends = np.array([[24, 24], [24, 70]]), np.array([[40, 24], [40, 70]])
    first, last = (
        placed(placed(paper(0), SPRITES["card"], where[0]), SPRITES["card"], where[1])
        for where in (starts, ends)
    )
    below = [[0, 48], [128, 48], [128, 96], [0, 96]]
    chosen = guided("spacing", mask=below, spacing=[0.0, 0.25, 0.5])
    frames, plain = (flow.interpolate(first, last, T, guides=given) for given in (chosen, None))
    for share, t, frame, other in zip((0.0, 0.25, 0.5), T, frames, plain, strict=True):
        found = centre(frame[48:], paper(0)[48:])[0][0]
        assert abs(found - (24 + 16 * share)) < 1.0
        assert abs(centre(frame[:48], paper(0)[:48])[0][0] - (24 + 16 * t)) < 1.0
        assert abs(centre(other[48:], paper(0)[48:])[0][0] - (24 + 16 * t)) < 1.0


def test_a_region_arrives_where_the_last_keyframe_has_it(model: Interpolator) -> None:
    way = points(straight)
    ends = [placed(paper(0), SPRITES["ball"], way[k]) for k in (0, -1)]
    wrong = [way[0].tolist(), (way[-1] + [-20, 12]).tolist()]
    with pytest.warns(UserWarning, match=r"regions\[0\]: the last keyframe has the region 23 pixels from"):
        (frame,) = model.interpolate(*ends, 0.99, guides=guided("regions", mask=lasso(way[0]), path=wrong))
    assert math.dist(centre(frame, paper(0))[0], way[-1]) < 2
    masked = guided("regions", mask=lasso(way[0]), mask_last=lasso(way[-1]), path=wrong)
    with pytest.warns(UserWarning, match="23 pixels"):
        (again,) = model.interpolate(*ends, 0.99, guides=masked)
    assert math.dist(centre(again, paper(0))[0], way[-1]) < 2


def test_a_path_may_leave_the_picture_at_its_end(model: Interpolator) -> None:
    first, gone = placed(paper(0), SPRITES["ball"], np.array([90.0, 50.0])), paper(0)
    leaves = guided("regions", mask=lasso(np.array([90, 50])), path=[[90, 50], [150, 50]])
    with pytest.warns(UserWarning, match="its path ends outside of the picture, at 150, 50"):
        frames = model.interpolate(first, gone, (0.25, 0.9), guides=leaves)
    assert abs(centre(frames[0], paper(0))[0][0] - 105) < 1
    assert not (np.abs(frames[1].astype(int) - 250) > 60).any()


def test_what_is_behind_is_covered(model: Interpolator) -> None:
    way = points(straight)

    def pole(place: np.ndarray) -> np.ndarray:
        picture = placed(paper(0), SPRITES["ball"], place)
        picture[:, 58:70] = (90, 160, 90)
        return picture

    ends = [pole(way[k]) for k in (0, -1)]
    region = {"mask": lasso(way[0]), "path": way[[0, -1]].tolist()}
    behind, before = (
        model.interpolate(*ends, 0.5, guides=guided("regions", **region, behind=hidden))[0]
        for hidden in (True, False)
    )
    assert (behind[:, 58:70] == (90, 160, 90)).all()
    assert (before[:, 58:70] == (220, 60, 40)).all(-1).sum() > 100
    # it shows on both sides
    assert (np.abs(behind[:, :58].astype(int) - 250).max(-1) > 60).any()
    assert (np.abs(behind[:, 70:].astype(int) - 250).max(-1) > 60).any()


def test_transparent_keyframes_stay_transparent(model: Interpolator) -> None:
    way = points(straight)
    ends = []
    for k in (0, -1):
        picture = np.zeros((*SIZE, 4), np.uint8)
        x, y = (int(value) for value in way[k].round())
        picture[y - 16 : y + 17, x - 16 : x + 17] = SPRITES["ball"]
        ends.append(picture)
    guides = guided("regions", mask=lasso(way[0]), path=way[[0, -1]].tolist())
    (frame,) = model.interpolate(*ends, 0.5, guides=guides)
    rows, columns = np.nonzero(frame[..., 3] > 128)
    assert math.dist((columns.mean(), rows.mean()), way[32]) < 1
    assert frame[..., 3].astype(int).sum() == pytest.approx(ends[0][..., 3].astype(int).sum(), rel=0.02)
    assert (frame[0, 0] == 0).all()


def test_a_painted_mask_is_taken_to_the_pixel(model: Interpolator, tmp_path: Path) -> None:
    way = points(straight)
    ends = [placed(texture(0), SPRITES["card"], way[k]) for k in (0, -1)]
    opacity = placed(
        np.zeros((*SIZE, 3), np.uint8),
        np.where(SPRITES["card"][..., 3:] > 0, 255, 0).astype(np.uint8).repeat(4, 2),
        way[0],
    )
    Image.fromarray(opacity).save(tmp_path / "mask.png")
    region = {"mask": "mask.png", "path": way[[0, -1]].tolist()}
    (tmp_path / "guides.json").write_text(json.dumps(guided("regions", **region)))
    (frame,) = model.interpolate(*ends, 0.5, guides=tmp_path / "guides.json")
    true = placed(texture(0), SPRITES["card"], way[32])
    assert np.abs(frame.astype(int) - true).mean() < 0.5
    array = {"mask": opacity[..., 0], "path": way[[0, -1]].tolist()}
    (same,) = model.interpolate(*ends, 0.5, guides=guided("regions", **array))
    assert (same == frame).all()


@pytest.mark.parametrize("method", ["dis", "optical_flow", "repeat"])
def test_other_methods_are_guided_too(method: str) -> None:
    way = points(PATHS["circle"])
    ends = [placed(texture(0), SPRITES["ball"], way[k]) for k in (0, -1)]
    guides = guided("regions", mask=lasso(way[0]), path=way.tolist())
    (frame,) = inbetween.load(method, device="cpu").interpolate(*ends, 0.5, guides=guides)
    true = placed(texture(0), SPRITES["ball"], way[32])
    assert np.abs(frame.astype(int) - true).mean() < 0.5


def test_the_background_moves_on_behind_what_is_guided() -> None:
    def pan(t: float) -> np.ndarray:
        return np.roll(cv2.GaussianBlur(texture(0), (0, 0), 3), round(6 * t), axis=1)

    way = points(PATHS["circle"])
    ends = [placed(pan(t), SPRITES["ball"], way[-round(t)]) for t in (0, 1)]
    guides = guided("regions", mask=lasso(way[0]), path=way.tolist())
    (frame,) = inbetween.load("dis", device="cpu").interpolate(*ends, 0.5, guides=guides)
    wrong = np.abs(frame.astype(int) - placed(pan(0.5), SPRITES["ball"], way[32])).max(-1)
    # nothing is left of the ball where the keyframes have it; the picture's edges are unknown
    for x, y in way[[0, -1]].round().astype(int):
        assert wrong[y - 12 : y + 13, x - 12 : x + 13].mean() < 6


def test_guides_are_of_one_pair(model: Interpolator) -> None:
    way = points(straight)
    images = [placed(paper(0), SPRITES["ball"], way[k]) for k in (0, 64, 0)]
    guides = {"pairs": [{"pair": 1, "regions": [{"mask": lasso(way[-1]), "path": way[[-1, 0]].tolist()}]}]}
    frames = inbetween.interpolate(np.stack(images), 1, method=model, guides=guides)
    plain = inbetween.interpolate(np.stack(images), 1, method=model)
    assert (frames[1] == plain[1]).all()
    assert math.dist(centre(frames[3], paper(0))[0], way[32]) < 1
    assert not (frames[3] == plain[3]).all()


@pytest.mark.parametrize("nothing", [None, Guides(), {"pairs": []}, {"pairs": [{"pair": 0, "points": []}]}])
def test_without_guides_every_frame_is_as_before(flow: Interpolator, nothing: Any) -> None:
    first, last = (placed(movers(t), SPRITES["ball"], points(straight)[round(64 * t)]) for t in (0, 1))
    assert (flow.interpolate(first, last, T, guides=nothing) == flow.interpolate(first, last, T)).all()


def test_errors_are_small_where_a_guide_decides(flow: Interpolator) -> None:
    way = points(PATHS["circle"])
    ends = [placed(movers(t), SPRITES["ball"], way[-round(t)]) for t in (0, 1)]
    layers = [torch.ones(4, *SIZE) for _ in ends]
    for layer, end in zip(layers, ends, strict=True):
        layer[:3] = torch.from_numpy(end).permute(2, 0, 1) / 255
    guides = Guides.from_dict(guided("regions", mask=lasso(way[0]), path=way.tolist())).of_pair(0)
    (part,) = flow.in_betweens(*layers, 1, lambda _: torch.full((1, 1), 0.5), guides=guides)
    x, y = (int(value) for value in way[32].round())
    assert float(part[1][0, 0, y, x]) == 0


def test_each_frame_of_large_keyframes_shows_a_region_once() -> None:
    # so large that frames come one by one, and the method repeats the keyframe
    first, last = (np.full((720, 1280, 3), 255, np.uint8) for _ in range(2))
    for picture, x in ((first, 200), (last, 1000)):
        cv2.circle(picture, (x, 300), 30, (200, 0, 0), -1)
    region = {"mask": [[160, 260], [240, 260], [240, 340], [160, 340]], "path": [[200, 300], [1000, 300]]}
    guides = {"pairs": [{"regions": [region]}]}
    frames = inbetween.load("cross_fade").interpolate(first, last, T, guides=guides)
    red = [int((frame[..., 1] < 128).sum()) for frame in frames]
    assert max(red) < 1.05 * min(red)
