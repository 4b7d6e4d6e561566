"""Training on shards goes on where it stopped, on the very next window."""

from pathlib import Path

import pytest
import torch

from inbetween.commands import shard as command
from inbetween.data import ShardedScenes
from inbetween.errors import UserError
from tests.conftest import DrawScene
from tests.data.test_resume import EVERY_STEP, STEPS, run

pytestmark = pytest.mark.slow


@pytest.fixture
def source(scenes_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShardedScenes:
    """15 windows of training in three shards."""
    monkeypatch.setattr(command, "MEGABYTE", 5000)
    command.shard(output=tmp_path / "shards", root=scenes_root, shard_mb=1)
    return ShardedScenes(str(tmp_path / "shards"), shuffle_shards=1)


@pytest.mark.parametrize(("step", "workers"), [(1, 0), (3, 0), (STEPS, 0), (STEPS + 1, 0), (3, 2)])
def test_resumed_run_sees_what_an_uninterrupted_one_sees(
    source: ShardedScenes, tmp_path: Path, step: int, workers: int
) -> None:
    straight, _ = run(source, tmp_path)
    assert len(straight.seen) == 3 * STEPS
    before, checkpoint = run(source, tmp_path, workers, interrupt=step, save=EVERY_STEP)
    after, _ = run(source, tmp_path, workers, ckpt_path=checkpoint)
    assert before.seen == straight.seen[:step]
    assert after.seen == straight.seen[step:]
    assert torch.equal(after.weight, straight.weight)


def test_each_place_of_a_batch_reads_a_shard_of_its_own(source: ShardedScenes, tmp_path: Path) -> None:
    straight, _ = run(source, tmp_path)
    for epoch in range(3):
        batches = [names for number, names, _ in straight.seen if number == epoch]
        assert len({name for names in batches for name in names}) == 3 * STEPS
        # three shards of an animation each, and three windows in a batch
        assert all(len({name.partition("/")[0] for name in names}) == 3 for names in batches)
    assert straight.seen[0] != straight.seen[STEPS]


def test_resuming_on_other_shards_is_refused(
    source: ShardedScenes, scenes_root: Path, tmp_path: Path, draw_scene: DrawScene
) -> None:
    _, checkpoint = run(source, tmp_path, interrupt=3, save=EVERY_STEP)
    other = ShardedScenes(str(tmp_path / "shards"), shuffle_shards=2)
    with pytest.raises(UserError, match="shuffle_shards 1, now it is 2"):
        run(other, tmp_path, ckpt_path=checkpoint)
    other = ShardedScenes(str(tmp_path / "shards"), "frames > 2", shuffle_shards=1)
    with pytest.raises(UserError, match="shards and filter of digest"):
        run(other, tmp_path, ckpt_path=checkpoint)
    draw_scene(scenes_root / "train" / "owl" / "walk", seed=7)
    command.shard(output=tmp_path / "shards", root=scenes_root, shard_mb=1, overwrite=True)
    with pytest.raises(UserError, match="windows 15, now it is 20"):
        run(source, tmp_path, ckpt_path=checkpoint)
