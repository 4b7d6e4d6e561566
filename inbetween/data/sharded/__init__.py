"""Scenes in shards: written once, read from a folder or an object store."""

from inbetween.data.sharded.source import ShardedScenes

__all__ = ["ShardedScenes"]
