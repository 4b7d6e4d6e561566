"""What `adapt` finds in a folder, what it holds out, and how it decides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inbetween.commands.adapt.drawings import Drawings, read_drawings
from inbetween.commands.adapt.holding import blocks, hold_out
from inbetween.commands.adapt.measuring import Change, Verdict, decide
from inbetween.commands.adapt.output import Output
from inbetween.commands.adapt.preparing import prepare
from inbetween.commands.adapt.sprites import cut_out, figure_mask, make_sprites
from inbetween.commands.compare.summary import Row
from inbetween.data.windows import SceneWindows
from inbetween.errors import UserError
from inbetween.io.images import Layers
from inbetween.metrics import bootstrap_interval
from tests.conftest import DrawScene
from tests.data.layer_pictures import disc, smooth


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def sheet() -> np.ndarray:
    """Two figures with white insides on white paper, and a speck."""
    image = np.full((90, 120, 3), 255, np.uint8)
    for left in (10, 70):
        image[20:70, left : left + 40] = 30
        image[30:60, left + 10 : left + 30] = 255
    image[80, 100] = 0
    return image


def counts_of(drawings: Drawings, each: int = 12) -> dict[str, int]:
    return {sequence.folder: each for sequence in drawings.sequences}


def holds_of(drawings: Drawings, each: int = 1) -> dict[str, list[int]]:
    """Every drawing is held for so many frames."""
    return {
        sequence.folder: [number // each * each for number in range(len(sequence.frames))]
        for sequence in drawings.sequences
    }


def test_sequences_and_static_drawings(tmp_path: Path, draw_scene: DrawScene) -> None:
    draw_scene(tmp_path / "walk" / "color")
    draw_scene(tmp_path / "walk" / "Sketch", seed=1)
    draw_scene(tmp_path / "run", 3, seed=2)
    draw_scene(tmp_path / "two", 2, seed=3)
    for number, size in enumerate(((40, 50), (60, 40), (48, 48))):  # of a character, each of its own size
        save(tmp_path / "parts" / f"{number}.png", disc(number, *size))
    found = read_drawings(tmp_path, keyframes=False)
    assert [sequence.folder for sequence in found.sequences] == ["run", "walk/color", "walk/Sketch"]
    assert found.scenes == ("run", "walk")
    assert [path.parent.name for path in found.static] == ["parts"] * 3 + ["two"] * 2
    assert found.count == 21
    assert found.largest == 64


def test_drawings_that_have_nothing_in_common_are_no_sequence(tmp_path: Path) -> None:
    for number in range(5):
        save(tmp_path / f"{number}.png", smooth(number, 64, 64))
    found = read_drawings(tmp_path, keyframes=False)
    assert len(found.static) == 5
    # of keyframes nobody can tell
    assert len(read_drawings(tmp_path, keyframes=True).sequences) == 1


def test_folders_that_cannot_be_used(tmp_path: Path, draw_scene: DrawScene) -> None:
    with pytest.raises(UserError, match=r"There is no folder .*missing"):
        read_drawings(tmp_path / "missing", False)
    with pytest.raises(UserError, match="has no drawings"):
        read_drawings(tmp_path, False)
    first, *_ = draw_scene(tmp_path, 1)
    with pytest.raises(UserError, match="one drawing only"):
        read_drawings(tmp_path, False)
    draw_scene(tmp_path, 4)
    save(tmp_path / "0005.png", disc(0, 200, 300))
    with pytest.raises(UserError, match=r"0005.png has 300x200 pixels, most drawings beside it 64x48"):
        read_drawings(tmp_path, False)
    first.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"0001.png is not an image"):
        read_drawings(tmp_path, False)
    draw_scene(tmp_path, 5, height=30)
    with pytest.raises(UserError, match=r"0001.png has 64x30 pixels, too few"):
        read_drawings(tmp_path, False)


def test_all_kinds_of_a_scene_are_held_out(tmp_path: Path, draw_scene: DrawScene) -> None:
    for name in ("walk/color", "walk/sketch", "run/color", "run/sketch", "jump"):
        draw_scene(tmp_path / name)
    drawings = read_drawings(tmp_path, False)
    held = hold_out(drawings, counts_of(drawings), holds_of(drawings))
    scenes = {sequence.folder: sequence.scene for sequence in drawings.sequences}
    chosen = {scenes[folder] for folder in held.spans}
    assert all((scenes[folder] in chosen) == (folder in held.spans) for folder in scenes)
    assert 0 < len(held.spans) < len(scenes)
    assert set(held.spans.values()) == {(0, 8)}
    assert "of 3" in held.text


def test_training_and_held_out_windows_share_no_drawing(tmp_path: Path, draw_scene: DrawScene) -> None:
    for seed, name in enumerate(("walk/color", "walk/sketch", "run/color", "jump")):
        draw_scene(tmp_path / name, seed=seed)
    made = prepare(read_drawings(tmp_path, False), tmp_path / "out", False, None, 0)
    assert made.test is not None
    source, spec = made.test.source, made.test.spec
    ids: dict[str, set[int]] = {}
    for split in ("train", "val"):
        windows = source.dataset(split, spec)  # type: ignore[arg-type]
        assert isinstance(windows, SceneWindows)
        ids[split] = {int(id_) for n in range(len(windows)) for id_ in windows[0, n]["frame_ids"]}
        held = {windows.scenes[place].scene.animation for place, _ in windows.windows}
        ids[f"{split} scenes"] = {hash(name.split("/")[0]) for name in held}
    assert ids["train"].isdisjoint(ids["val"])
    assert ids["train scenes"].isdisjoint(ids["val scenes"])
    assert made.groups.keys() == {*range(len(source.dataset("val", spec)))}
    assert "windows to learn from" in made.found[0]
    assert "synthetic animation" in made.found[-1]


def test_a_single_scene_is_divided_by_time(tmp_path: Path, draw_scene: DrawScene) -> None:
    draw_scene(tmp_path / "walk", 16)
    drawings = read_drawings(tmp_path, False)
    held = hold_out(drawings, counts_of(drawings), holds_of(drawings))
    assert held.spans == {"walk": (11, 15)}
    assert "after a gap of 2" in held.text
    draw_scene(tmp_path / "short" / "walk", 9)
    few = read_drawings(tmp_path / "short", False)
    with pytest.raises(UserError, match="9 drawings in its only scene, too few"):
        hold_out(few, counts_of(few), holds_of(few))


def test_held_drawings_count_once_where_a_scene_is_divided(tmp_path: Path, draw_scene: DrawScene) -> None:
    frames = draw_scene(tmp_path / "walk", [number // 3 for number in range(48)])
    made = prepare(read_drawings(tmp_path, False), tmp_path / "out", False, None, 0)
    assert made.held == frames[33:]  # the last 5 of 16
    assert "the last 5 drawings of walk" in made.tested
    drawings = read_drawings(tmp_path, False)
    with pytest.raises(UserError, match="8 drawings in its only scene, too few"):
        hold_out(drawings, counts_of(drawings), holds_of(drawings, 6))


def test_kinds_that_are_held_otherwise_are_divided_at_one_place(
    tmp_path: Path, draw_scene: DrawScene
) -> None:
    for name in ("color", "sketch"):
        draw_scene(tmp_path / name, 32)
    drawings = read_drawings(tmp_path, False)
    holds = holds_of(drawings) | {"sketch": holds_of(drawings, 2)["sketch"]}
    assert hold_out(drawings, counts_of(drawings), holds).spans == {"color": (22, 31), "sketch": (22, 31)}


def test_neighbouring_windows_are_one_group(tmp_path: Path, draw_scene: DrawScene) -> None:
    for seed, name in enumerate(("walk/color", "walk/sketch", "run")):
        draw_scene(tmp_path / name, seed=seed)
    made = prepare(read_drawings(tmp_path, False), tmp_path / "out", False, None, 0)
    assert made.test is not None
    windows = made.test.source.dataset("val", made.test.spec)
    assert isinstance(windows, SceneWindows)
    groups = blocks(windows, {"walk/color": "walk", "walk/sketch": "walk", "run": "run"})
    by_middle: dict[int, set[str]] = {}
    for index, (_, numbers) in enumerate(windows.windows):
        by_middle.setdefault(numbers[1], set()).add(groups[index])
    assert all(len(found) == 1 for found in by_middle.values())  # of both kinds and both gaps
    assert by_middle[1] == by_middle[2] != by_middle[3] == by_middle[4]


def test_figures_are_cut_from_flat_paper() -> None:
    figures = cut_out(Layers(sheet(), None, False))
    assert [figure.shape for figure in figures] == [(50, 40, 4)] * 2
    assert all((figure[..., 3] == 255).all() for figure in figures)  # white insides are no paper
    background = cut_out(Layers(smooth(0, 64, 64), None, False))
    assert [image.shape for image in background] == [(64, 64, 3)]
    assert figure_mask(smooth(0, 64, 64)) is None
    ellipse = disc(0, 40, 30)
    assert cut_out(Layers(ellipse[..., :3], ellipse[..., 3], False))[0].shape == (40, 30, 4)


def test_static_drawings_are_held_out_with_their_copies(tmp_path: Path) -> None:
    paths = []
    for number, seed in enumerate((0, 1, 2, 1, 3)):
        paths.append(tmp_path / f"{number}.png")
        save(paths[-1], disc(seed, 48, 40))
    found = make_sprites(paths, hold_out=True)
    assert set(found.val) == {"0001_0", "0003_0"}
    assert set(found.train) == {"0000_0", "0002_0", "0004_0"}
    assert (found.held_out, found.transparent) == (2, 5)
    assert not make_sprites(paths, hold_out=False).val


def test_copies_may_come_first_and_differ_where_nothing_is_seen(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for path, seed in zip(paths, (1, 1, 2, 1, 3), strict=True):
        save(path, disc(seed, 48, 40))
    hidden = disc(1, 48, 40)
    hidden[hidden[..., 3] == 0] = 0
    save(paths[0], hidden)
    other = disc(1, 48, 40)  # the colours of the one held out, but another shape
    other[:24, :, 3] = 0
    save(paths[3], other)
    found = make_sprites(paths, hold_out=True)
    assert set(found.val) == {"0000_0", "0001_0"}
    assert (found.held_out, found.different) == (2, 1)


def test_static_copies_of_what_a_sequence_holds_out_are_left_out(
    tmp_path: Path, draw_scene: DrawScene
) -> None:
    frames = draw_scene(tmp_path / "walk", 16)
    for number, place in enumerate((0, 15)):  # the first is in training, the last is held out
        (tmp_path / f"pose{number}.png").write_bytes(frames[place].read_bytes())
    save(tmp_path / "sprites" / "disc.png", disc(0, 48, 40))
    made = prepare(read_drawings(tmp_path, False), tmp_path / "out", False, None, 0)
    assert made.held == list(frames[11:])
    assert made.sprites.copies == 1
    assert len({name.split("_")[0] for name in made.sprites.train}) == 2
    assert "1 left out, being held out in a sequence" in made.found[1]


@pytest.mark.parametrize(("count", "groups"), [(17, 1), (18, 48)])
def test_windows_of_few_static_drawings_are_one_group(tmp_path: Path, count: int, groups: int) -> None:
    for number in range(count):
        save(tmp_path / f"{number:02d}.png", disc(number, 48, 40 + number))
    made = prepare(read_drawings(tmp_path, False), tmp_path / "out", False, None, 0)
    assert len({*made.groups.values()}) == groups


def test_nothing_to_move(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / f"{number}.png", smooth(number, 64, 48 + number))
    with pytest.raises(UserError, match="fewer than two static drawings with something to move"):
        prepare(read_drawings(tmp_path, False), tmp_path / "out", False, None, 0)


def rows(changes: list[float], metric: str = "lpips") -> tuple[Row, Row, dict[int, str]]:
    before, after = Row("before", "", None), Row("after", "", None)
    before.scores = {metric: dict.fromkeys(range(len(changes)), 0.5)}
    after.scores = {metric: {index: 0.5 + change for index, change in enumerate(changes)}}
    return before, after, {index: str(index) for index in range(len(changes))}


@pytest.mark.parametrize(
    ("changes", "better", "reason"),
    [
        ([-0.01, -0.02, -0.01, -0.03, -0.02, -0.01], True, ""),
        ([-0.01, 0.02, -0.01, 0.01, -0.02, 0.01], False, "has 0 in it"),
        ([0.01, 0.02, 0.01, 0.03, 0.02, 0.01], False, "lpips got worse"),
        ([-0.01, -0.02], False, "too few drawings are held out to tell: 2 groups"),
        ([float("nan"), -0.02, -0.01, -0.03, -0.02, -0.01], False, "draw nothing"),
    ],
)
def test_better_is_an_interval_below_zero(changes: list[float], better: bool, reason: str) -> None:
    verdict = decide(*rows(changes))
    assert verdict.better == better
    assert better or reason in verdict.reason


def test_groups_are_counted_where_windows_were_measured() -> None:
    before, after, groups = rows([-0.01] * 4)
    groups |= {index: str(index) for index in range(4, 9)}
    verdict = decide(before, after, groups)
    assert verdict.groups == 4
    assert not verdict.better


def test_few_groups_have_a_wider_interval() -> None:
    changes = [-0.01, -0.03, 0.002, -0.02, -0.012, -0.02]
    (change,) = decide(*rows(changes)).changes
    low, high = bootstrap_interval(torch.tensor(changes), groups=[*"012345"])
    # of t with 5 degrees of freedom, 2.571 and not 1.960; a resample's variance is 5/6 of the groups'
    assert (change.high - change.low) / (high - low) == pytest.approx(
        2.571 / 1.960 * (6 / 5) ** 0.5, rel=0.01
    )
    assert change.low < low < high < change.high


def test_without_lpips_lines_must_not_get_worse() -> None:
    before, after, groups = rows([0.01] * 6, "ssim")
    assert decide(before, after, groups).better
    before.scores["line_chamfer_distance"] = dict.fromkeys(range(6), 3.0)
    after.scores["line_chamfer_distance"] = dict.fromkeys(range(6), 3.1)
    verdict = decide(before, after, groups)
    assert not verdict.better
    assert verdict.reason == "line_chamfer_distance got worse"
    # where LPIPS is there, it decides alone
    before.scores["lpips"], after.scores["lpips"] = before.scores["ssim"], dict.fromkeys(range(6), 0.4)
    assert decide(before, after, groups).better


def test_a_change_in_words() -> None:
    text = str(Change("lpips", 0.1, -0.01, -0.012, -0.008))
    assert text == "lpips ↓ 0.1000 before, 0.0900 after: -0.0100 [-0.0120, -0.0080] (-10.0%)"
    assert Verdict((Change("ssim", 0.9, 0.01, 0.005, 0.02),), 20, 6).better


def test_only_an_adaptation_is_replaced(tmp_path: Path) -> None:
    output = Output(tmp_path / "out", {"seed": 0})
    assert not output.open(overwrite=False)
    assert not (tmp_path / "out").exists()
    output.begin()
    assert output.open(overwrite=False)  # the same, unfinished: to go on with
    other = Output(tmp_path / "out", {"seed": 1})
    with pytest.raises(UserError, match=r"is not empty: .*--overwrite true"):
        other.open(overwrite=False)
    (tmp_path / "out/notes.txt").write_text("mine")
    assert not other.open(overwrite=True)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]
    with pytest.raises(UserError, match=r"is not empty: give another folder with --output\.$"):
        other.open(overwrite=True)


def test_sprites_of_a_killed_adaptation_are_replaced(tmp_path: Path) -> None:
    output = Output(tmp_path / "out", {})
    save(tmp_path / "out/layers/train/0000_0.png", disc(0, 48, 40))
    with pytest.raises(UserError, match="--overwrite true"):
        output.open(overwrite=False)
    assert not output.open(overwrite=True)
    assert not (tmp_path / "out").exists()
    save(tmp_path / "out/layers/mine.png", disc(0, 48, 40))  # a user's own
    with pytest.raises(UserError, match=r"with --output\.$"):
        output.open(overwrite=True)
