"""Scenes on disk and rendered scenes, cut into windows, for one data module.

The names below are imported when they are first used, so that naming a class in YAML or `--help` does not
import OpenCV, Pillow and Lightning.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inbetween.data.datamodule import WindowDataModule
    from inbetween.data.folders import AnitaScenes, FolderScenes
    from inbetween.data.held_out import HeldOutScenes
    from inbetween.data.layers import LayeredImages
    from inbetween.data.lottie import LottieScenes
    from inbetween.data.mixed import MixedWindows
    from inbetween.data.scenes import Scene, SceneSource
    from inbetween.data.sharded import ShardedScenes
    from inbetween.data.source import Augment, WindowDataset, WindowSource, WindowSpec
    from inbetween.data.synthetic import SyntheticAnimation
    from inbetween.data.video import VideoScenes

__all__ = [
    "AnitaScenes",
    "Augment",
    "FolderScenes",
    "HeldOutScenes",
    "LayeredImages",
    "LottieScenes",
    "MixedWindows",
    "Scene",
    "SceneSource",
    "ShardedScenes",
    "SyntheticAnimation",
    "VideoScenes",
    "WindowDataModule",
    "WindowDataset",
    "WindowSource",
    "WindowSpec",
]

_HOME = {
    "AnitaScenes": "inbetween.data.folders",
    "Augment": "inbetween.data.source",
    "FolderScenes": "inbetween.data.folders",
    "HeldOutScenes": "inbetween.data.held_out",
    "LayeredImages": "inbetween.data.layers",
    "LottieScenes": "inbetween.data.lottie",
    "MixedWindows": "inbetween.data.mixed",
    "Scene": "inbetween.data.scenes",
    "SceneSource": "inbetween.data.scenes",
    "ShardedScenes": "inbetween.data.sharded",
    "SyntheticAnimation": "inbetween.data.synthetic",
    "VideoScenes": "inbetween.data.video",
    "WindowDataModule": "inbetween.data.datamodule",
    "WindowDataset": "inbetween.data.source",
    "WindowSource": "inbetween.data.source",
    "WindowSpec": "inbetween.data.source",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
