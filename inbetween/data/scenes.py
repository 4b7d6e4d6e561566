"""Scenes in folders of images: how they are found, ordered and split."""

import hashlib
import logging
import unicodedata
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from inbetween.data.source import WindowDataset, WindowSource, WindowSpec
from inbetween.errors import UserError
from inbetween.io.listing import subfolders
from inbetween.types import Split

log = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True)
class Scene:
    """An ordered sequence of frames.

    Args:
        animation: What the scene belongs to; splits keep animations whole.
        name: The scene within its animation.
        kind: sketch, color, composition, ... or empty where the layout knows no kinds.
        frames: Paths of the frames, in order.
    """

    animation: str
    name: str
    kind: str
    frames: tuple[Path, ...]

    @property
    def label(self) -> str:
        """`<animation>/<scene>` or `<animation>/<scene>/<kind>`; unique in a source."""
        return "/".join(part for part in (self.animation, self.name, self.kind) if part)


class SceneSource(WindowSource):
    """Windows from scenes on disk. A subclass says where the scenes are."""

    @abstractmethod
    def scenes(self, split: Split) -> list[Scene]:
        """The scenes of a split, in a fixed order; empty if it has none.

        Raises:
            UserError: There are no scenes at all, or the folder cannot be read.
        """

    def dataset(self, split: Split, spec: WindowSpec) -> WindowDataset:
        """Windows of a split; decodes into the store what is not there yet."""
        from inbetween.data.windows import SceneWindows

        scenes = self.scenes(split)
        if not scenes:
            raise UserError(
                f"{self} has no animation for the {split} split: add one (splits keep animations whole), "
                f"or make a folder named {split}."
            )
        return SceneWindows(scenes, spec)


def existing_folder(root: Path) -> Path:
    """`root` with `~` resolved.

    Raises:
        UserError: There is no such folder.
    """
    folder = root.expanduser()
    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: check the path given as the source's root.")
    return folder


def split_folders(root: Path) -> dict[Split, Path]:
    """The folders `train`, `val` and `test` of a root, those that exist; warns of others beside them."""
    found: dict[Split, Path] = {split: root / split for split in SPLITS if (root / split).is_dir()}
    others = [path.name for path in subfolders(root) if path.name not in SPLITS] if found else []
    if others:
        log.warning("%s has split folders: ignoring the folders beside them: %s", root, ", ".join(others))
    return found


def choose_split(scenes: dict[Split, list[Scene]], split: Split, root: Path) -> list[Scene]:
    """The scenes of a split; `test` falls to `val` where there is none."""
    if split == "test" and not scenes.get("test"):
        log.info("%s has no test split: testing on its val split.", root)
        split = "val"
    return scenes.get(split, [])


def split_by_name(scenes: list[Scene]) -> dict[Split, list[Scene]]:
    """Split animations into train, val and test, about 80, 10 and 10 per cent, by a hash of their name.

    A name falls into the same split whatever else there is, in every process and on every machine. Two
    exceptions keep small collections usable: if no name falls into train, the lowest hash does; if none
    falls into val, the lowest of test does, or else the highest of train if that has two or more.
    """
    share = {scene.animation: _share(scene.animation) for scene in scenes}
    names = sorted(share, key=lambda name: share[name])
    train = [name for name in names if share[name] < 0.8] or names[:1]
    val = [name for name in names if name not in train and share[name] < 0.9]
    test = [name for name in names if name not in train and name not in val]
    if not val and test:
        val = [test.pop(0)]
    elif not val and len(train) > 1:
        val = [train.pop()]
    split_of: dict[str, Split] = {}
    for split, members in zip(SPLITS, (train, val, test), strict=True):
        split_of.update(dict.fromkeys(members, split))
    dealt: dict[Split, list[Scene]] = {split: [] for split in SPLITS}
    for scene in scenes:
        dealt[split_of[scene.animation]].append(scene)
    return dealt


def _share(name: str) -> float:
    """A number in [0, 1) from a name, the same on systems that write its accents differently."""
    text = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big") / 2**48
