"""`interpolate`: which images are keyframes, and how many frames lie where, at which rate."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inbetween.__main__ import main
from inbetween.io.png import encode_pixels
from tests.commands.known_methods import Painter

Run = Callable[..., Path]
Refused = Callable[..., str]


def arguments(out: Path, *args: object) -> list[str]:
    given = ["interpolate", "--accelerator", "cpu", "--method", "cross_fade", "--write", "none"]
    return [*given, "--output", str(out), *map(str, args)]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def called(*args: object, output: str = "out") -> Path:
        assert main(arguments(tmp_path / output, *args)) == 0
        return tmp_path / output

    return called


@pytest.fixture
def refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Runs a command that has to fail without a trace, and gives its one sentence."""

    def called(*args: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(arguments(tmp_path / "out", *args)) == 2
        out, err = capfd.readouterr()
        assert out == ""
        assert err.startswith("inbetween: ")
        assert err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before
        return err.removeprefix("inbetween: ").removesuffix("\n")

    return called


def picture(grey: int) -> np.ndarray:
    """A pattern that does not change, with a field of one grey."""
    image = np.tile(np.uint8([[0, 255], [255, 0]]).repeat(8, 0).repeat(8, 1), (3, 4))
    image[12:36, 12:52] = grey
    return np.repeat(image[..., None], 3, axis=2)


def keyframes(folder: Path, *greys: int) -> Path:
    folder.mkdir()
    for number, grey in enumerate(greys):
        Image.fromarray(picture(grey)).save(folder / f"{number}.png")
    return folder


def gif(path: Path, *greys: int, durations: int | list[int] = 100) -> Path:
    first, *others = (Image.fromarray(picture(grey)) for grey in greys)
    first.save(path, save_all=True, append_images=others, duration=durations)
    return path


def video(path: Path, *greys: int, rate: float = 12) -> Path:
    from tests.io.video_files import write_video

    return write_video(path, [picture(grey) for grey in greys], rate)


def greys(folder: Path) -> list[int]:
    return [
        int(np.asarray(Image.open(path).convert("L"))[24, 30]) for path in sorted(folder.glob("[0-9]*.png"))
    ]


def told(capsys: pytest.CaptureFixture[str], begin: str) -> list[str]:
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith(begin)]


def test_every_so_many_images_are_keyframes(run: Run, tmp_path: Path) -> None:
    levels = (10, 50, 90, 130, 170, 210, 250)
    for number, source in enumerate(
        [keyframes(tmp_path / "keys", *levels), gif(tmp_path / "a.gif", *levels)]
    ):
        out = run("--keyframes", source, "--keys_every", 3, output=str(number))
        assert greys(out) == pytest.approx([10, 70, 130, 190, 250], abs=2)
    assert greys(run("--keyframes", tmp_path / "keys", "--keys_every", 4)) == pytest.approx(
        [10, 90, 170], abs=1
    )


def test_a_cycle_ends_before_its_beginning(run: Run, tmp_path: Path) -> None:
    keys = keyframes(tmp_path / "keys", 50, 90, 130)
    out = run("--keyframes", keys, "--loop", "true", "--between", 1, "--hold", 2)
    assert greys(out) == [50, 50, 70, 70, 90, 90, 110, 110, 130, 130, 90, 90]
    record = (out / "interpolate.json").read_bytes()
    (out / "0010.png").unlink()
    assert len(greys(run("--keyframes", keys, "--loop", "true", "--between", 1, "--hold", 2))) == 12
    assert (out / "interpolate.json").read_bytes() == record
    assert len(greys(run("--keyframes", keys, "--loop", "true", "--palette", "keep", output="c"))) == 6


def test_a_cycle_has_maps_for_its_end_and_cuts_there(
    run: Run, refused: Refused, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    method = tmp_path / "painter.yaml"
    method.write_text(f"model: {{class_path: {Painter.__module__}.{Painter.__name__}}}")
    keys, maps = keyframes(tmp_path / "keys", 50, 90), tmp_path / "maps"
    maps.mkdir()
    for number in range(2):
        Image.new("L", (64, 48), 100 + number).save(maps / f"{number}.png")
    args = ["--keyframes", keys, "--loop", "true", "--method", method, "--spacing_map"]
    assert greys(run(*args, maps)) == [50, 100, 90, 101]
    capfd.readouterr()
    assert refused(*args, maps / "0.png").startswith("There are 1 spacing maps for 2 pairs")
    other = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    Image.fromarray(other).save(keys / "2.png")
    out = run("--keyframes", keys, "--loop", "true", output="cut")
    assert np.array_equal(np.asarray(Image.open(out / "0005.png")), other)
    assert (
        len(told(capfd, f"warning: {keys / '0.png'} seems to begin another shot: {keys / '2.png'} is")) == 1
    )


@pytest.mark.parametrize(
    ("frames", "loop", "expected"),
    [
        (3, False, [0, 100, 200]),
        (5, False, [0, 50, 100, 150, 200]),
        (6, False, [0, 50, 100, 133, 167, 200]),
        (5, True, [0, 100, 150, 200, 100]),
    ],
)
def test_a_number_of_drawings_is_spread(
    run: Run, tmp_path: Path, frames: int, loop: bool, expected: list[int]
) -> None:
    keys = keyframes(tmp_path / "keys", 0, 100, 200)
    out = run("--keyframes", keys, "--frames", frames, "--loop", str(loop).lower())
    assert greys(out) == pytest.approx(expected, abs=1)
    eased = run("--keyframes", keys, "--frames", 5, "--spacing", "ease_in", output="eased")
    assert greys(eased) == pytest.approx([0, 25, 100, 125, 200], abs=1)


def test_frames_alone_are_another_job(run: Run, refused: Refused, tmp_path: Path) -> None:
    keys = keyframes(tmp_path / "keys", 0, 100, 200)
    run("--keyframes", keys, "--frames", 6)
    assert len(json.loads((tmp_path / "out" / "interpolate.json").read_text())["t"]) == 2
    assert main(arguments(tmp_path / "out", "--keyframes", keys, "--frames", 5)) == 2


@pytest.mark.parametrize("loop", [False, True])
def test_held_drawings_become_in_betweens(
    run: Run, tmp_path: Path, loop: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = [20, 20, 60, 60, 60, 90, 120, 120]
    keys = keyframes(tmp_path / "keys", *levels)
    noisy = np.asarray(Image.open(keys / "1.png")).astype(int)
    noisy[24:30, ::7] = (noisy[24:30, ::7] - 2).clip(0)  # as a codec leaves it
    Image.fromarray(noisy.astype(np.uint8)).save(keys / "1.png")
    out = run("--keyframes", keys, "--redraw_holds", "true", "--loop", str(loop).lower())
    end = 70 if loop else 120
    assert greys(out) == pytest.approx([20, 40, 60, 70, 80, 90, 120, end], abs=1)
    for number in (0, 2, 5, 6):  # where a drawing begins
        assert np.array_equal(Image.open(out / f"{number:04d}.png"), Image.open(keys / f"{number}.png"))


def test_what_rests_may_be_longer_than_any_chart(run: Run, tmp_path: Path) -> None:
    keys = keyframes(tmp_path / "keys", *[20] * 40, 60, 60, 100)
    out = run("--keyframes", keys, "--redraw_holds", "true", "--spacing", "halves")
    assert greys(out) == pytest.approx([20] * 40 + [60, 80, 100], abs=1)


def test_a_drawing_that_rests_stays(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = keyframes(tmp_path / "keys", *[20] * 9, 60, 60, 100)
    out = run("--keyframes", keys, "--redraw_holds", "true")
    assert greys(out) == pytest.approx([20] * 9 + [60, 80, 100], abs=1)
    assert told(capsys, "warning: ") == ["warning: 1 drawing is held for more than 6 frames, and rests"]
    # guides say that it moves
    guides = {"pairs": [{"points": [{"first": [2, 2], "last": [3, 2], "radius": 1}]}]}
    (tmp_path / "guides.json").write_text(json.dumps(guides))
    args = ["--redraw_holds", "true", "--guides", tmp_path / "guides.json"]
    moved = greys(run("--keyframes", keys, *args, output="guided"))
    assert np.diff(moved[:10]).min() > 0
    assert told(capsys, "warning: ") == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--keys_every", 0], "keys_every is 0: give 1 or more."),
        (["--keys_every", 3], "keys_every 3 leaves 1 keyframe of 3 images, and two are needed: give 2"),
        (["--frames", 2], "frames is 2, and there are 3 keyframes: give as many or more, or take fewer"),
        (["--frames", 5000], "frames is 5000: give at most 1000 for each two keyframes."),
        (["--frames", 9, "--between", 2], "frames sets the number of frames: leave out --between."),
        (["--frames", 9, "--t", 0.5], "frames sets the number of frames: leave out --t."),
        (["--frames", 9, "--spacing_map", "x"], "spacing_map sets the frames' positions: leave"),
        (["--redraw_holds", "true", "--between", 1], "redraw_holds keeps every frame's time: leave"),
        (["--redraw_holds", "true", "--hold", 2], "redraw_holds keeps every frame's time: leave out --hold."),
        (
            ["--redraw_holds", "true", "--keys_every", 2, "--t", 0.5],
            "redraw_holds keeps every frame's time: leave out --keys_every and --t.",
        ),
        (["--redraw_holds", "true"], "None of the 3 images from "),
        (["--plays", -1], "plays is -1: give 0 (for ever) to 65535."),
        (["--write", "webp", "--fps", 100], "fps is 100, and webp shows 90 images a second at most: "),
        (["--write", "none", "webp"], "write is none webp: give none alone, or leave it out."),
    ],
)  # fmt: skip
def test_options_that_make_no_sense(refused: Refused, tmp_path: Path, args: list[object], says: str) -> None:
    assert refused("--keyframes", keyframes(tmp_path / "keys", 0, 100, 200), *args).startswith(says)


def test_one_drawing_alone_is_not_redrawn(refused: Refused, tmp_path: Path) -> None:
    keys = keyframes(tmp_path / "keys", 0, 0, 0)
    assert refused("--keyframes", keys, "--redraw_holds", "true").startswith("All of the 3 images from ")


@pytest.mark.parametrize(
    ("args", "frames", "rate"),
    [
        ([], 9, 20),
        (["--between", 3], 17, 40),
        (["--hold", 2], 18, 40),
        (["--keys_every", 2], 5, 10),
        (["--frames", 7], 7, 15),
        (["--loop", "true"], 10, 20),
        (["--fps", 20], 9, 20),
        (["--fps", 25], 11, 25),
        (["--fps", 24, "--hold", 2], 12, 24),
        (["--fps", 24, "--between", 1], 9, 24),
        (["--fps", 30, "--loop", "true"], 15, 30),
    ],
)
def test_a_clip_lasts_as_long_as_before(
    run: Run, tmp_path: Path, args: list[object], frames: int, rate: float
) -> None:
    """Five images, a tenth of a second each: what is between the first and the last one takes 0.4 s."""
    source = gif(tmp_path / "a.gif", 10, 60, 110, 160, 210)
    out = run("--keyframes", source, "--write", "webp", *args)
    assert len(greys(out)) == frames
    hold = args[args.index("--hold") + 1] if "--hold" in args else 1
    with Image.open(out / "animation.webp") as image:
        total = 0.0
        for number in range(image.n_frames):
            image.seek(number)
            image.load()
            total += image.info["duration"]
    assert total == pytest.approx(1000 * frames / rate, abs=2)
    assert image.n_frames == frames // hold


def test_a_rate_that_is_too_low_for_all_keyframes_is_refused(refused: Refused, tmp_path: Path) -> None:
    source = gif(tmp_path / "a.gif", 10, 60, 110, 160, 210)
    for fps in (5, 10):
        assert refused("--keyframes", source, "--fps", fps) == (
            f"{source} shows 10 keyframes a second, and fps {fps} with hold 1 leaves no room between them:"
            " give more, take fewer keyframes with --keys_every, or set --between."
        )


def test_a_rate_beyond_a_format_is_lowered_with_a_warning(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = gif(tmp_path / "a.gif", 10, 60, 110, durations=[20, 50, 50])
    run("--keyframes", source, "--between", 4, "--write", "gif")
    assert told(capsys, "warning: ") == [
        f"warning: images of {source} are shown for different times: all frames are shown equally long"
        " instead",
        "warning: gif plays at 50 frames a second, slower than the keyframes' own 142.857: the format has no"
        " more",
    ]


def test_a_video_is_a_sequence(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = video(tmp_path / "a.mkv", 20, 60, 100, 140, rate=23.976)
    out = run("--keyframes", source, "--write", "mp4", "sheet", "--between", 1)
    assert greys(out) == pytest.approx([20, 40, 60, 80, 100, 120, 140], abs=3)
    assert told(capsys, "at ") == [f"at 47.952 frames a second, as {source} keeps time"]
    again = video(tmp_path / "b.mp4", 20, 20, 60, 60, 100, 100)
    out = run("--keyframes", again, "--redraw_holds", "true", "--write", "mp4", output="redrawn")
    assert greys(out) == pytest.approx([20, 40, 60, 80, 100, 100], abs=3)
    from tests.io.video_files import av

    with av.open(str(out / "animation.mp4")) as file:
        assert file.streams.video[0].average_rate == 12
        assert file.streams.video[0].frames == 6
    one = video(tmp_path / "one.mp4", 20)
    assert main(arguments(tmp_path / "none", "--keyframes", one)) == 2


def test_a_video_in_a_folder_is_left_out_or_pointed_at(
    run: Run, refused: Refused, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = keyframes(tmp_path / "keys", 20, 60)
    clip = video(keys / "reference.mp4", 1, 2, 3)
    assert len(greys(run("--keyframes", keys))) == 3
    assert told(capfd, "warning: ") == [
        f"warning: a video beside images is left out: {clip}; to use it, give it itself"
    ]
    for number in range(2):
        (keys / f"{number}.png").unlink()
    shutil.rmtree(tmp_path / "out")
    assert refused("--keyframes", keys) == (
        f"{keys} holds no image, only video: give the video itself, as {clip}."
    )


def test_finished_frames_are_keyframes_of_another_job(run: Run, tmp_path: Path) -> None:
    """What plays beside them is not."""
    first = run("--keyframes", keyframes(tmp_path / "keys", 20, 60), "--write", "webp", "sheet", "apng")
    assert greys(run("--keyframes", first, output="again")) == [20, 30, 40, 50, 60]


def test_fades_are_blended_and_flashes_shown_once(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, keys = picture(200), tmp_path / "keys"
    keys.mkdir()
    method = tmp_path / "painter.yaml"
    method.write_text(f"model: {{class_path: {Painter.__module__}.{Painter.__name__}}}")
    for number, made in enumerate([image, image * 0.5, image * 0, picture(90), image * 0 + 255, picture(95)]):
        Image.fromarray(made.astype(np.uint8)).save(keys / f"{number}.png")
    args = ["--keyframes", keys, "--method", method, "--t", 0.2]
    out = run(*args)
    assert greys(out)[:5] == [200, 180, 100, 80, 0]
    assert greys(out)[6:] == [90, 90, 255, 95, 95]
    assert [line.split(": ")[1] for line in told(capsys, "warning: ")] == [
        f"{keys / '0.png'} seems to fade to {keys / '1.png'}",
        f"{keys / '1.png'} seems to fade to {keys / '2.png'}",
        f"{keys / '3.png'} seems to begin another shot",
        f"{keys / '4.png'} seems to flash",
    ]
    assert greys(run(*args, "--cuts", "interpolate", output="all"))[1::2] == [51] * 5


def test_a_cycle_that_begins_with_a_flash_shows_it_once(run: Run, tmp_path: Path) -> None:
    keys = keyframes(tmp_path / "keys", 0, 90, 100)
    Image.new("RGB", (64, 48)).save(keys / "0.png")
    out = run("--keyframes", keys, "--loop", "true")
    assert greys(out) == [0, 90, 90, 95, 100, 100]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("method", ["cross_fade", "dis"])
def test_16_bits_stay_16_bits(run: Run, tmp_path: Path, channels: int, method: str) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    random = np.random.default_rng(0)
    pixels = [random.integers(30000, 60000, (24, 32, channels)).astype(np.uint16) for _ in range(2)]
    chunks = ((b"pHYs", b"\0\0\x2e\x23\0\0\x2e\x23\1"), (b"gAMA", b"\0\0\xb1\x8f"))
    for number, made in enumerate(pixels):
        if channels in (2, 4):
            made[..., -1] = 65535
        (keys / f"{number}.png").write_bytes(encode_pixels(made, chunks))
    out = run("--keyframes", keys, "--method", method, "--write", "webp", "sheet", "--cuts", "interpolate")
    for number in (0, 1):  # bit for bit
        assert (out / f"{2 * number:04d}.png").read_bytes() == (keys / f"{number}.png").read_bytes()
    between = (out / "0001.png").read_bytes()
    assert between[24] == 16
    assert all(kind in between for kind, _ in chunks)
    if channels == 1 and method == "cross_fade":
        found = np.asarray(Image.open(out / "0001.png")).astype(int)
        assert np.abs(found - (pixels[0][..., 0] / 2 + pixels[1][..., 0] / 2)).max() <= 1


def test_profile_and_resolution_are_kept_and_a_mix_is_told(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import ImageCms

    keys, icc = keyframes(tmp_path / "keys", 20, 60), ImageCms.createProfile("sRGB")
    content = ImageCms.ImageCmsProfile(icc).tobytes()
    for number in (0, 1):
        Image.open(keys / f"{number}.png").save(keys / f"{number}.png", icc_profile=content, dpi=(144, 144))
    for path in run("--keyframes", keys).glob("*.png"):
        with Image.open(path) as image:
            assert image.info["icc_profile"] == content
            assert image.info["dpi"] == pytest.approx((144, 144), abs=0.1)
    assert not told(capsys, "warning")
    Image.open(keys / "1.png").save(keys / "1.png", icc_profile=None, dpi=(144, 144))
    run("--keyframes", keys, output="mixed")
    assert told(capsys, "warning: ") == [
        f"warning: the colour profile or the resolution of {keys / '1.png'} is another one: frames have what"
        f" fits of {keys / '0.png'}"
    ]


def test_a_long_chart_is_told_in_short(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in (0, 1):
        Image.new("RGB", (8, 8), (100 * number,) * 3).save(tmp_path / f"{number}.png")
    run("--keyframes", tmp_path / "0.png", tmp_path / "1.png", "--between", 99, "--cuts", "interpolate")
    assert "between each two 99 frames at 0.01 0.02 ... 0.99, by cross_fade" in capsys.readouterr().out
