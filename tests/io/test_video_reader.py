"""Videos as sequences: every frame, upright, in its colours, at its time; or one sentence."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from inbetween.errors import UserError
from inbetween.io import video_reader
from inbetween.io.sequences import SourceImageReader, find_clip
from inbetween.io.video_reader import VideoReader, scan_video
from tests.io.video_files import av, colored, write_video


def greys(path: Path, numbers: list[int]) -> list[int]:
    """What the frames tell of their numbers, read in that order."""
    images, reader = find_clip([str(path)]).images, SourceImageReader()
    return [round((int(reader.read(images[number]).color[40, 50, 0]) - 20) / 10) for number in numbers]


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "libx264", "yuv444p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.avi", "mpeg4", "yuv420p"),
    ],
)
def test_every_frame_is_read_in_any_order(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = write_video(tmp_path / name, [colored(number) for number in range(9)], codec=codec, pixels=pixels)
    clip = find_clip([str(path)])
    assert len(clip.images) == 9
    assert clip.starts == pytest.approx(np.arange(9) / 12, abs=0.001)
    assert not clip.uneven
    assert greys(path, [*range(9)]) == [*range(9)]
    assert greys(path, [7, 2, 3, 0, 8]) == [7, 2, 3, 0, 8]
    assert str(clip.images[3]) == f"{path} (image 4)"
    assert find_clip([str(path)], every=4).images == clip.images[::4]


def test_frames_are_decoded_once_in_order_and_both_of_a_pair_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [colored(number) for number in range(6)])
    images, reader, opened = find_clip([str(path)]).images, SourceImageReader(), []
    monkeypatch.setattr(
        "inbetween.io.sequences.VideoReader", lambda path: opened.append(path) or VideoReader(path)
    )
    for first, last in pairwise(images):
        for _ in range(2):  # candidates
            reader.read(first)
            reader.read(last)
        # with arcs, those around them
        for image in images[max(images.index(first) - 1, 0) : images.index(last) + 2]:
            reader.read(image)
    assert len(opened) == 1
    assert len(reader._decoded) == 4


def test_odd_sizes_are_read_whole(tmp_path: Path) -> None:
    frames = [colored(number, 47, 61) for number in range(2)]
    path = write_video(tmp_path / "a.mkv", frames)
    assert scan_video(path).size == (47, 61)
    color = VideoReader(path).read(1).color
    assert color.shape == (47, 61, 3)
    assert np.abs(color.astype(int) - frames[1])[40:, 40:].max() <= 3


def test_a_video_is_upright(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [colored(0), colored(1)], rotation=-90)  # as phones hold it
    assert scan_video(path).size == (64, 48)
    color = VideoReader(path).read(1).color
    assert color.shape == (64, 48, 3)
    assert np.abs(color[4, 40].astype(int) - (200, 30, 60)).max() < 12  # turned clockwise: top right


@pytest.mark.parametrize(
    ("matrix", "tagged", "height"),
    [("ITU709", True, 48), ("ITU601", True, 48), ("ITU601", False, 48), ("ITU709", False, 720)],
)
def test_colours_follow_the_matrix_of_the_file_or_of_its_size(
    tmp_path: Path, matrix: str, tagged: bool, height: int
) -> None:
    frames = [colored(0, height)] * 2
    path = write_video(tmp_path / "a.mkv", frames, matrix=matrix, tagged=tagged)
    found = VideoReader(path).read(0).color[8, 8].astype(int)
    assert np.abs(found - (200, 30, 60)).max() <= 4


def test_full_range_is_not_stretched(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", [colored(0)] * 2, codec="mjpeg", pixels="yuvj444p", tagged=False)
    color = VideoReader(path).read(0).color.astype(int)
    assert abs(color[40, 50, 0] - 20) <= 2
    assert color[4, 50].min() >= 253


def test_transparency_of_quicktime_is_kept(tmp_path: Path) -> None:
    frames = [np.dstack([colored(number), np.full((48, 64), 255, np.uint8)]) for number in range(2)]
    frames[1][30:, :, 3] = 0
    path = write_video(tmp_path / "a.mov", frames, codec="qtrle", pixels="argb", tagged=False)
    reader = VideoReader(path)
    assert reader.read(0).opacity is None
    second = reader.read(1)
    assert second.opacity is not None
    assert np.array_equal(second.opacity, frames[1][..., 3])
    assert np.array_equal(second.color[:30], frames[1][:30, :, :3])


def test_times_of_a_variable_rate_are_kept(tmp_path: Path) -> None:
    times = [0, 100, 400, 450]
    path = write_video(tmp_path / "a.mkv", [colored(number) for number in range(4)], times=times)
    clip = find_clip([str(path)])
    assert clip.starts == pytest.approx([0, 0.1, 0.4, 0.45], abs=0.002)
    assert clip.uneven


def test_what_is_no_video_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = write_video(
        tmp_path / "a.mp4", [colored(number) for number in range(9)], options={"movflags": "+faststart"}
    )
    whole.write_bytes(whole.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"a\.mp4 is damaged or cut short: export it again"):
        scan_video(whole)
    for name, content in {
        "b.mp4": b"",
        "c.mov": b"%PDF-1.7\n",
        # else a list of other files, which would be opened
        "d.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n",
        "e.mp4": b"ffconcat version 1.0\nfile a.mp4\n",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"{name} is damaged, or not a video that can be read: save"):
            scan_video(tmp_path / name)
    with av.open(str(tmp_path / "f.mkv"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
        file.mux(stream.encode())
    with pytest.raises(UserError, match=r"f\.mkv has no pictures, only sound or text: give a video"):
        scan_video(tmp_path / "f.mkv")
    monkeypatch.setattr(video_reader, "PIXEL_LIMIT", 48 * 64 - 1)
    path = write_video(tmp_path / "g.mp4", [colored(0)] * 2)
    with pytest.raises(UserError, match=r"g\.mp4 has more than 0 million pixels: shrink it"):
        scan_video(path)


def test_too_much_video_ends_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = tmp_path / "large.mp4"
    with large.open("wb") as file:
        file.truncate(video_reader.LARGEST + 1)
    with pytest.raises(UserError, match=r"large\.mp4 is larger than 2 GB: cut out the part that you need"):
        scan_video(large)
    monkeypatch.setattr(video_reader, "MOST_KEYFRAMES", 4)
    for name in ("long.mp4", "long.webm"):  # WebM tells no number of frames
        codec = "libx264" if name.endswith("mp4") else "libvpx-vp9"
        path = write_video(tmp_path / name, [colored(0)] * 9, codec=codec, pixels="yuv420p")
        with pytest.raises(UserError, match=r"has about 9 frames, and 4 keyframes .* with --keys_every 3, "):
            find_clip([str(path)])
        assert len(find_clip([str(path)], every=3).images) == 3


def test_without_pyav_the_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [colored(0)] * 2)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"Videos need PyAV, which is not installed: pip install av\."):
        find_clip([str(path)])
