"""Scene sources: Anita on disk, and any folder of image folders."""

from pathlib import Path

from inbetween.data.scenes import (
    Scene,
    SceneSource,
    choose_split,
    existing_folder,
    split_by_name,
    split_folders,
)
from inbetween.errors import UserError
from inbetween.io.images import READABLE
from inbetween.io.listing import frames_in, subfolders, walk
from inbetween.types import Split


class FolderScenes(SceneSource):
    """Any folder of image folders, nested as you like: a folder that holds images is a scene.

    The folder right below the root names the animation. Where `train`, `val` or `test` lie right below
    the root they are the splits, and the animations lie below them; else animations are split by a
    hash of their name, about 80 : 10 : 10. Without a test split, `test` means val.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def __str__(self) -> str:
        return str(self.root)

    def scenes(self, split: Split) -> list[Scene]:
        """The scenes of a split, in natural order.

        Raises:
            UserError: The root is not there, or no folder in it holds images.
        """
        root = existing_folder(self.root)
        folders = split_folders(root)
        dealt = {name: _scenes_below(folder) for name, folder in folders.items()}
        if not folders:
            dealt = split_by_name(_scenes_below(root))
        if not any(dealt.values()):
            raise UserError(
                f"{root} has no scenes: put the frames of each scene ({READABLE}) in a folder below it."
            )
        return choose_split(dealt, split, root)


class AnitaScenes(SceneSource):
    """Anita, in its published layout or in the split layout; which one is seen from the folders.

    Published: `<animation>/<scene>/<kind>/0001.png`, animations dealt out to splits by a hash of their
    name, about 80 : 10 : 10. Split: `<split>/<animation>/<kind>/<scene>/0001.png`. Without a test split,
    `test` means val.

    Args:
        root: The folder that holds the animations or the splits.
        kinds: Kinds to use, for example [color] or [sketch, color]; None uses all there are.
    """

    def __init__(self, root: Path, kinds: list[str] | None = None) -> None:
        self.root = Path(root)
        self.kinds = kinds

    def __str__(self) -> str:
        return str(self.root)

    def scenes(self, split: Split) -> list[Scene]:
        """The scenes of a split with the kinds asked for, in natural order.

        Raises:
            UserError: The root is not there, has no scenes in either layout, or lacks a kind.
        """
        root = existing_folder(self.root)
        folders = split_folders(root)
        found = {name: _anita_scenes(folder, kind_first=True) for name, folder in folders.items()}
        if not folders:
            found = {"train": _anita_scenes(root, kind_first=False)}
        kinds = sorted({scene.kind for scenes in found.values() for scene in scenes})
        if not kinds:
            raise UserError(
                f"{root} has no scenes in Anita's layouts (<animation>/<scene>/<kind>/0001.png or "
                "<split>/<animation>/<kind>/<scene>/0001.png): use inbetween.data.FolderScenes for others."
            )
        for kind in self.kinds or []:
            if kind not in kinds:
                raise UserError(f"{root} has no frames of kind {kind!r}: it has {', '.join(kinds)}.")
        wanted = set(kinds if self.kinds is None else self.kinds)
        kept = {name: [scene for scene in scenes if scene.kind in wanted] for name, scenes in found.items()}
        dealt = kept if folders else split_by_name(kept["train"])
        return choose_split(dealt, split, root)


def _scenes_below(root: Path) -> list[Scene]:
    """One scene per folder with images, at any depth; a root that holds images is one itself."""
    scenes = []
    for folder in walk(root):
        frames = frames_in(folder)
        if frames:
            parts = folder.relative_to(root).parts or (root.resolve().name,)
            scenes.append(Scene(parts[0], "/".join(parts[1:]), "", frames))
    return scenes


def _anita_scenes(root: Path, *, kind_first: bool) -> list[Scene]:
    """Scenes three folders deep: animation, then kind and scene or scene and kind."""
    scenes = []
    for animation in subfolders(root):
        for outer in subfolders(animation):
            for inner in subfolders(outer):
                kind, name = (outer.name, inner.name) if kind_first else (inner.name, outer.name)
                frames = frames_in(inner)
                if frames:
                    scenes.append(Scene(animation.name, name, kind, frames))
    return scenes
