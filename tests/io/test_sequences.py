"""Files that hold many pictures, and folders that hold more than pictures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inbetween.data import FolderScenes, WindowSpec
from inbetween.data.keyframes import read_keyframes
from inbetween.errors import UserError
from inbetween.io.images import SUFFIXES, image_size, read_layers
from inbetween.io.sequences import SourceImage, SourceImageReader, find_images, left_out

GREYS = (10, 60, 110, 160)


def animate(path: Path, greys: tuple[int, ...] = GREYS, **options: object) -> Path:
    """Pictures of one grey each, in one file."""
    source_images = [Image.new("RGB", (20, 12), (grey,) * 3) for grey in greys]
    for source_image in source_images:
        source_image.putpixel((0, 0), (200, 30, 60))
    source_images[0].save(path, save_all=True, append_images=source_images[1:], **options)
    return path


def greys_of(source_images: tuple[SourceImage, ...]) -> list[int]:
    reader = SourceImageReader()
    return [int(reader.read(source_image).color[6, 10, 0]) for source_image in source_images]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.apng", "a.webp", "a.tif"])
def test_every_picture_of_a_file_counts(tmp_path: Path, name: str) -> None:
    path = animate(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    source_images = find_images([str(path)])
    assert greys_of(source_images) == list(GREYS)
    assert greys_of(source_images[::-1]) == list(GREYS[::-1])
    assert str(source_images[1]) == f"{path} (image 2)"
    keys = read_keyframes([str(path)])
    assert (len(keys.source_images), keys.size, keys.grey, keys.transparent) == (4, (12, 20), False, False)
    assert [round(float(keys.read(number)[0, 6, 10]) * 255) for number in range(4)] == list(GREYS)


def test_what_is_no_picture_of_an_animation_does_not_count(tmp_path: Path) -> None:
    shown_instead = animate(tmp_path / "a.png", default_image=True)
    assert greys_of(find_images([str(shown_instead)])) == [60, 110, 160]
    page, small = Image.new("L", (20, 12), 70), Image.new("L", (10, 6), 200)
    small.encoderinfo = {"tiffinfo": {254: 1}}
    page.save(tmp_path / "a.tif", save_all=True, append_images=[small])
    assert greys_of(find_images([str(tmp_path / "a.tif")])) == [70]
    assert image_size(tmp_path / "a.tif") == (12, 20)


def test_pages_of_different_sizes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.new("L", (20, 12)).save(path, save_all=True, append_images=[Image.new("L", (20, 13))])
    with pytest.raises(
        UserError, match=r"a\.tif \(image 1\) has 20x12 pixels, .*a\.tif \(image 2\) has 20x13"
    ):
        read_keyframes([str(path)])


def test_an_animation_that_is_cut_short_ends_in_one_sentence(tmp_path: Path) -> None:
    path = animate(tmp_path / "a.tif", greys=tuple(range(8)))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UserError, match=r"a\.tif is damaged or cut short"):
        read_keyframes([str(path)])


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".avif"}))
def test_a_folder_and_a_named_file_are_read_alike(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    paths = [folder / f"1{suffix}", folder / f"2{suffix}"]
    for path, grey in zip(paths, GREYS, strict=False):
        image = Image.new("1" if suffix == ".pbm" else "L", (20, 12), grey)
        image.save(path, "PNG" if suffix == ".apng" else None)
    assert find_images([str(folder)]) == find_images([str(path) for path in paths])
    assert [source_image.path for source_image in find_images([str(folder)])] == paths
    assert read_layers(paths[0]).color.shape == (12, 20, 3)


def test_what_looks_like_a_picture_and_is_not_read_is_found(tmp_path: Path) -> None:
    for name in ("2.pcx", "10.ico", "noname"):
        Image.new("RGB", (32, 32)).save(tmp_path / name, "PNG" if name == "noname" else None)
    for name in ("a.psd", "clip.mp4", "notes.txt", ".hidden.psd", "1.png"):
        (tmp_path / name).write_bytes(b"no picture")
    found = left_out([str(tmp_path), str(tmp_path / "1.png")])
    assert [path.name for path in found] == ["2.pcx", "10.ico", "a.psd", "clip.mp4", "noname"]
    with pytest.raises(UserError, match=r"a\.psd is of a kind that is not read: save it as PNG, "):
        find_images([str(tmp_path / "a.psd")])


def test_many_pictures_do_not_pass_for_one_drawing_of_a_scene(tmp_path: Path) -> None:
    scene = tmp_path / "scenes" / "train" / "cat"
    scene.mkdir(parents=True)
    for number in range(5):
        Image.new("RGB", (20, 12), (number,) * 3).save(scene / f"{number}.bmp")
    (found,) = FolderScenes(tmp_path / "scenes").scenes("train")
    assert len(found.frames) == 5
    animate(scene / "4.gif")
    with pytest.raises(UserError, match=r"4\.gif holds 4 images where one is expected: save each"):
        FolderScenes(tmp_path / "scenes").dataset("train", WindowSpec(cache_dir=tmp_path / "cache"))


def test_a_colour_model_that_is_no_drawings_is_refused(tmp_path: Path) -> None:
    Image.new("LAB", (4, 4)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif has Lab colours"):
        read_layers(tmp_path / "a.tif")


def test_reading_on_costs_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened anew for each, an animation of n pictures would be decoded n times over."""
    path = animate(tmp_path / "a.gif", greys=tuple(range(0, 200, 10)))
    opened = []
    monkeypatch.setattr(
        "inbetween.io.sequences.open_image", lambda path: opened.append(path) or Image.open(path)
    )
    source_images, reader = [SourceImage(path, frame) for frame in range(20)], SourceImageReader()
    found = [reader.read(source_image).color for source_image in source_images]
    assert len(opened) == 1
    assert np.array_equal([source_image[6, 10, 0] for source_image in found], range(0, 200, 10))
