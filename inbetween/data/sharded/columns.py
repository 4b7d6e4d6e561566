"""What a manifest of shards has: its columns and its version."""

from __future__ import annotations

# Columns that the program writes and reads, with their SQL types; a manifest may have any others beside them.
COLUMNS = {
    "clip": "VARCHAR",  # a shot: its scene's label, with @<start> if there are several; unique in a split
    "split": "VARCHAR",  # train, val or test
    "animation": "VARCHAR",
    "name": "VARCHAR",  # the scene within its animation
    "kind": "VARCHAR",
    "shard": "VARCHAR",  # file name of its shard
    "key": "VARCHAR",  # of its sample in the shard
    "offset": "BIGINT",  # where the sample begins in the shard, in bytes
    "bytes": "BIGINT",
    "start": "INTEGER",  # its first frame in the scene or the video that it is of
    "end": "INTEGER",  # the frame after its last one there
    "frames": "INTEGER",
    "height": "INTEGER",  # pixels of the frames
    "width": "INTEGER",
    "fps": "DOUBLE",  # NULL where it is unknown
    "stems": "VARCHAR[]",  # for each frame, its file name without suffix
    "hold_starts": "INTEGER[]",  # for each frame, the number of the first one of its hold
    "distinct_frames": "INTEGER",  # number of frames, a held one counted once
    "digest": "VARCHAR",  # of the frames' bytes
    "caption": "VARCHAR",  # what it shows, in words; only in manifests that have captions
}
OPTIONAL = {"caption"}
VERSION = "1"  # of what `shard` writes
VERSION_KEY = "inbetween_shards"  # of the version in the file's metadata
