"""`shard`: writes scenes into shards, for data that do not fit a disk."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from inbetween.data.folders import AnitaScenes, FolderScenes
from inbetween.data.scenes import SPLITS, Scene, SceneSource, existing_folder, split_by_name
from inbetween.data.sharded.files import MANIFEST
from inbetween.data.sharded.libraries import needed
from inbetween.data.sharded.listing import ClipList, ListedClip
from inbetween.data.sharded.share import Share
from inbetween.data.sharded.tables import MEMORY
from inbetween.data.sharded.writing import SHARD, ShardWriter
from inbetween.data.source import LARGEST_SIDE
from inbetween.data.unpacked import UnpackedScenes
from inbetween.data.video import VideoScenes
from inbetween.errors import UserError, check_at_least
from inbetween.io.files import check_folder, whole_folder
from inbetween.io.listing import files_in, walk
from inbetween.io.video import NO_VIDEO, cut_video, video_rate
from inbetween.types import Split

log = logging.getLogger(__name__)

MEGABYTE = 10**6  # bytes
_NAMED = 5  # that a warning names, of those left out
Layout = Literal["folder", "anita", "video"]


def shard(
    output: Path,
    root: Path | None = None,
    layout: Layout = "folder",
    source: SceneSource | None = None,
    manifest: Path | None = None,
    where: str | None = None,
    shard_mb: int = 64,
    side: int = 512,
    part: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write scenes into shards, which `inbetween.data.ShardedScenes` reads from a folder or an object store.

    Shards are tar files of the WebDataset format; `manifest.parquet` has a row for each clip, which is a shot
    of a scene. PNG, JPEG and WebP files are stored untouched, frames of other files as PNG.

    Args:
        output: Folder for the shards. It appears when all is written.
        root: Folder of the scenes; with a `manifest` that names videos, of those videos.
        layout: How `root` is laid out: `folder` (image folders), `anita`, or `video` (video files).
        source: A source of scenes by class path, instead of `root`.
        manifest: List of clips, a Parquet or CSV file. With the columns `clip`, `video`, `start` and `end`,
            clips are cut out of the videos below `root`; with `clip` alone, its further columns, such as
            `caption`, are added to those of the scenes. The columns of Sakuga-42M are understood.
        where: Clips to take: an SQL expression on the list's columns, such as `aesthetic_score >= 5`.
        shard_mb: Megabytes at which a shard is closed.
        side: Pixels of the longer side that video frames are shrunk to.
        part: `K/N` writes the K-th of N shares of the animations alone. The parts in folders below one are a
            data set.
        overwrite: Replace earlier shards in `output`.
    """
    check_at_least(1, shard_mb=shard_mb)
    if not 1 <= side <= LARGEST_SIDE:
        raise UserError(f"side is {side}: give 1 to {LARGEST_SIDE} pixels.")
    if (root is None) == (source is None):
        raise UserError("There is nothing to write: give --root, or --source by class path, one of them.")
    if where is not None and manifest is None:
        raise UserError("--where filters the list of clips: give one with --manifest.")
    share = Share.read(part)
    needed("webdataset")  # before anything is decoded
    _check_output(output, overwrite)
    with whole_folder(output) as folder:
        work = folder / ".work"
        work.mkdir()
        with (
            closing(
                needed("duckdb").connect(work / "rows.duckdb", config={"memory_limit": MEMORY})
            ) as database,
            ShardWriter(folder, shard_mb * MEGABYTE, database) as writer,
        ):
            listed = None if manifest is None else ClipList(manifest, where, database)
            if listed is not None and listed.has_videos:
                if root is None:
                    raise UserError(
                        f"{manifest} names videos: give their folder with --root, without --source."
                    )
                left_out = _write_videos(writer, existing_folder(root), listed, share, work, side)
            else:
                scenes = source or _source_of(root or Path(), layout, side)
                if part is not None and isinstance(scenes, UnpackedScenes):
                    scenes.only = share.has
                left_out = _write_scenes(writer, scenes, listed, share, filtered=where is not None)
            if not writer.clips:
                nothing = "no scene was found"
                if part is not None:
                    nothing = f"part {part} has no animation: go on with the next one, or make fewer parts."
                raise UserError(f"There is no clip to write: {left_out[0] if left_out else nothing}")
            writer.finish(None if listed is None else listed.select())
            ((kinds,),) = database.execute(
                "SELECT string_agg(split || ' ' || n, ', ' ORDER BY split) FROM"
                " (SELECT split, count(*) AS n FROM written GROUP BY split)"
            ).fetchall()
        shutil.rmtree(work)
        size = sum(path.stat().st_size for path in folder.iterdir())
    if left_out:
        log.warning("%d are left out: %s", len(left_out), _first(left_out, " "))
    print(
        f"{output}: {writer.clips} clips ({kinds}) of {writer.frames} frames in"
        f" {sum(writer.counts.values())} shards, {size / 1e6:.1f} MB"
    )


def _check_output(output: Path, overwrite: bool) -> None:
    check_folder(output, "--output")
    if not output.exists():
        return
    found = [path.name for path in output.iterdir()] if output.is_dir() else [output.name]
    # replacing the folder must delete nothing else, not even a list of clips that is called as ours is
    other = sorted(name for name in found if name != MANIFEST and not SHARD.fullmatch(name))
    if found == [MANIFEST]:
        other = found
    if other:
        raise UserError(
            f"{output} holds something else than shards, such as {other[0]}: give another folder with"
            " --output."
        )
    if found and not overwrite:
        raise UserError(
            f"{output} already holds shards: give another folder with --output, or replace them with"
            " --overwrite true."
        )


def _source_of(root: Path, layout: Layout, side: int) -> SceneSource:
    if layout == "anita":
        return AnitaScenes(root)
    return VideoScenes(root, side=side) if layout == "video" else FolderScenes(root)


def _write_scenes(
    writer: ShardWriter, source: SceneSource, listed: ClipList | None, share: Share, filtered: bool
) -> list[str]:
    """Write the scenes of a source; returns why some are left out.

    Args:
        writer: Writes them.
        source: Their source.
        listed: What else is known of them.
        share: Animations to write.
        filtered: Whether scenes that are not in the list are not wanted.
    """
    splits: dict[Split, list[Scene]] = {split: source.scenes(split) for split in SPLITS}
    if splits["test"] == splits["val"]:  # what a source without a test split gives
        splits["test"] = []
    if listed is not None:
        names = listed.names()
        labels = [scene.label for scenes in splits.values() for scene in scenes]
        if labels and not names.intersection(labels):
            raise UserError(
                f"{listed.path} names none of the scenes of {source}: its column clip must hold names such as"
                f" {labels[0]}."
            )
        if unknown := sorted(names.difference(labels)):
            log.warning(
                "%s has %d names that no scene has: %s. Scenes are named such as %s.",
                *(listed.path, len(unknown), _first(unknown, ", "), labels[0]),
            )
        if filtered:
            splits = {
                split: [one for one in scenes if one.label in names] for split, scenes in splits.items()
            }
    splits = {
        split: [one for one in scenes if one.frames and share.has(one.animation)]
        for split, scenes in splits.items()
    }
    left_out = []
    total = sum(len(scene.frames) for scenes in splits.values() for scene in scenes)
    with tqdm(total=total, desc="Writing shards", unit="frame", delay=1, disable=None) as bar:
        for split, scenes in splits.items():
            # every n-th window of val and test is that of the source
            ordered = sorted(scenes, key=lambda scene: _shuffled(scene.label)) if split == "train" else scenes
            for scene in ordered:
                try:
                    writer.add(scene, split, scene.label, count=bar.update)
                except UserError as error:
                    left_out.append(str(error))
    return left_out


def _write_videos(
    writer: ShardWriter, root: Path, listed: ClipList, share: Share, work: Path, side: int
) -> list[str]:
    """Cut the clips of a list out of their videos and write them; returns why some are left out."""
    files: dict[str, set[Path]] = {}
    for file in (file for folder in walk(root) for file in files_in(folder, VideoScenes.suffixes)):
        path = file.relative_to(root)
        for name in (path.as_posix(), path.with_suffix("").as_posix(), file.name, file.stem):
            files.setdefault(name, set()).add(file)
    left_out: list[str] = []
    videos: dict[str, Path] = {}
    pairs = listed.videos()
    for video in dict.fromkeys(video for video, _ in pairs):
        found = sorted(files.get(video, ()))
        if len(found) == 1:
            videos[video] = found[0]
        elif found:
            left_out.append(f"{video} may be {found[0]} or {found[1]}: give its path below {root}.")
        else:
            left_out.append(f"{video} is not below {root}.")
    # a video is one animation, by whichever of its names the list calls it
    own = {name: file.relative_to(root).with_suffix("").as_posix() for name, file in videos.items()}
    animations = {animation or own[video] for video, animation in pairs if video in videos}
    by_split = split_by_name([Scene(name, "", "", ()) for name in sorted(animations)])
    split_of = {scene.animation: split for split, scenes in by_split.items() for scene in scenes}
    incomplete = listed.incomplete()
    if incomplete:
        left_out.append(f"{incomplete} rows have no start or end.")
    # the clips of one split follow each other in shards, so a video is visited once per split that it has
    for split in SPLITS:
        progress = tqdm(
            listed.clips(), f"Cutting videos ({split})", len(pairs), unit="video", delay=1, disable=None
        )
        for video, of_all in progress:
            if video in videos:
                name = own[video]
                clips = [
                    c
                    for c in of_all
                    if (c.split or split_of[c.animation or name]) == split and share.has(c.animation or name)
                ]
                if clips:
                    left_out += _write_video(
                        writer, split, videos[video], name, clips, listed.in_seconds, work, side
                    )
    return left_out


def _write_video(
    writer: ShardWriter,
    split: Split,
    file: Path,
    name: str,
    clips: list[ListedClip],
    in_seconds: bool,
    work: Path,
    side: int,
) -> Iterator[str]:
    """Cut the clips of one video and write them; yields why some are left out."""
    rate = video_rate(file)
    if rate is None:
        yield f"{file} is {NO_VIDEO}."
        return
    spans = [
        (round(c.start * rate), round(c.end * rate)) if in_seconds else (int(c.start), int(c.end))
        for c in clips
    ]
    cutting = work / "frames"
    cutting.mkdir()
    for place, frames in cut_video(file, spans, cutting, side):
        clip = clips[place]
        if frames:
            try:
                scene = Scene(clip.animation or name, clip.clip, "", frames)
                writer.add(scene, split, clip.clip, fps=rate, first=max(spans[place][0], 0))
            except UserError as error:
                yield str(error)
        else:
            yield f"{clip.clip} has no frames in {file}."
        shutil.rmtree(cutting / str(place), ignore_errors=True)
    shutil.rmtree(cutting)


def _first(texts: list[str], between: str) -> str:
    """The first few texts in one, and how many more there are."""
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return between.join(texts[:_NAMED]) + more


def _shuffled(name: str) -> bytes:
    """Sorts names in an order that has nothing to do with them, the same everywhere."""
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest()
