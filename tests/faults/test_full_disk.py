"""A disk that gets full in the middle: one sentence, nothing half written, and the same result later."""

import json
from pathlib import Path

import pytest
import torch

from inbetween.__main__ import main
from inbetween.data import LottieScenes, VideoScenes
from inbetween.data.scenes import Scene
from inbetween.data.unpacked import UnpackedScenes
from inbetween.errors import UserError
from tests.cli.conftest import write_yaml
from tests.data import test_lottie, test_video
from tests.faults.conftest import Start, leftovers, make_room, small_disk

pytestmark = pytest.mark.filterwarnings("ignore:LPIPS needs the weights")


def one_sentence(said: str) -> str:
    """What a command said of a mistake; there is nothing else that looks like one."""
    assert "Traceback" not in said, said
    (sentence,) = [line for line in said.replace("\0", "").splitlines() if line.startswith("inbetween: ")]
    return sentence


@pytest.fixture
def training(tmp_path: Path, exp1: list[str], folder_data: list[str]) -> list[str]:
    """`fit` of twelve steps, saved after each, with a worker and without validation."""
    checkpoints = {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"save_last": True, "every_n_train_steps": 1, "save_on_exception": True},
    }
    writer = {"class_path": "inbetween.callbacks.WeightsWriter"}
    overlay = {
        "model": {"init_args": {"optimizer": {"init_args": {"lr": 0.01}}}},
        "data": {"stride": 1, "between": 1, "batch_size": 4, "num_workers": 1},
        "trainer": {"max_steps": 12, "limit_val_batches": 0, "callbacks": [checkpoints, writer]},
    }
    return ["fit", *exp1, *folder_data, "--config", str(write_yaml(tmp_path / "training.yaml", overlay))]


def weights(run: Path) -> dict[str, torch.Tensor]:
    saved: dict[str, torch.Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)[
        "state_dict"
    ]
    return saved


@pytest.mark.slow  # processes
def test_training_goes_on_when_there_is_room(start: Start, training: list[str], tmp_path: Path) -> None:
    def to(folder: str | Path, version: str) -> list[str]:
        return [
            *("--trainer.logger.init_args.save_dir", str(folder)),
            *("--trainer.logger.init_args.version", version),
        ]

    assert start(*training, *to("logs", "straight")).end()[0] == 0
    straight = Path("logs/exp1/straight")
    size = (straight / "checkpoints" / "last.ckpt").stat().st_size
    with small_disk(tmp_path / "disk", "64m") as disk:
        run = disk / "exp1" / "full"
        # room for two checkpoints and a half, from the third step on
        full = {
            "class_path": "tests.faults.faulty.FullAfter",
            "init_args": {"step": 3, "disk": str(disk), "size": str(int(5 * size / 2) // 1024 + 40) + "k"},
        }
        overlay = write_yaml(tmp_path / "full.yaml", {"trainer": {"callbacks+": [full]}})
        code, said = start(*training, *to(disk, "full"), "--config", overlay).end()
        assert code == 2, said
        sentence = one_sentence(said)
        assert "cannot be written (No space left on device): make room" in sentence
        checkpoints = list(run.rglob("*.ckpt"))
        assert checkpoints
        assert [torch.load(path, weights_only=True)["global_step"] for path in checkpoints]
        assert leftovers(disk) == []
        checkpoint = sentence.partition("--ckpt_path ")[2].removesuffix(" to resume.")
        assert Path(checkpoint) in checkpoints

        make_room(disk, "64m")
        code, said = start(*training, *to(disk, "full"), "--ckpt_path", checkpoint).end()
        assert code == 0, said
        (resumed,) = [
            path
            for path in run.rglob("last*.ckpt")
            if torch.load(path, weights_only=True)["global_step"] == 12
        ]
        state = torch.load(resumed, weights_only=True)["state_dict"]
        assert all(torch.equal(state[name], value) for name, value in weights(straight).items())
        assert (run / "weights.safetensors").stat().st_size > 0


@pytest.mark.slow  # a process
def test_weights_are_written_whole_or_not_at_all(start: Start, training: list[str], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk:
        to = ["--trainer.logger.init_args.save_dir", str(disk), "--trainer.logger.init_args.version", "one"]
        full = {
            "class_path": "tests.faults.faulty.FullAfter",
            "init_args": {"step": 12, "disk": str(disk), "size": ""},
        }
        overlay = write_yaml(tmp_path / "full.yaml", {"trainer": {"callbacks+": [full]}})
        code, said = start(*training, *to, "--config", overlay).end()
        assert code == 2, said
        assert "No space left on device): make room" in one_sentence(said)
        assert not list(disk.rglob("weights.safetensors"))
        assert leftovers(disk) == []


@pytest.mark.slow  # a process
def test_tensorboard_is_no_reason_for_a_traceback(start: Start, training: list[str], tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "64m") as disk:
        to = ["--trainer.logger.init_args.save_dir", str(disk)]
        full = {
            "class_path": "tests.faults.faulty.FullAfter",
            "init_args": {"step": 2, "disk": str(disk), "size": ""},
        }
        talkative = {"class_path": "tests.faults.faulty.Talkative"}
        overlay = write_yaml(
            tmp_path / "full.yaml",
            {"trainer": {"callbacks": [full, talkative], "enable_checkpointing": False}},
        )
        code, said = start(*training, *to, "--config", overlay).end()
        assert code == 2, said
        sentence = one_sentence(said)
        folder = disk / "exp1" / "version_0"
        assert f"A file in {folder} cannot be written (No space left on device): make room" in sentence


def test_the_store_is_built_when_there_is_room(
    capfd: pytest.CaptureFixture[str], folder_data: list[str], tiny: list[str], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "100k") as disk:  # four scenes of 27 kB, and their indices
        options = [*tiny, *folder_data, "--data.val_windows", "2", "--data.cache_dir", str(disk / "frames")]
        call = ["validate", "--config", "cross_fade.yaml", *options, "--data.size", "64"]
        filler = disk / "filler"
        filler.write_bytes(bytes(70 * 1024))
        assert main(call) == 2
        assert "The frame store" in one_sentence(capfd.readouterr().err)
        assert {path.name for path in disk.rglob("*") if path.is_file()} <= {"lock", "filler"}
        filler.unlink()
        assert main(call) == 0
        assert len(list(disk.rglob("*.npy"))) == 1


@pytest.mark.parametrize("kind", ["video", "lottie"])
def test_files_are_unpacked_when_there_is_room(tmp_path: Path, kind: str) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    if kind == "lottie":
        pytest.importorskip("rlottie_python", reason="Lottie files need the extra `lottie` (part of `dev`)")
        test_lottie.write(clips / "walk.json")
    else:
        test_video.write(clips / "walk.mp4")
    source = LottieScenes if kind == "lottie" else VideoScenes
    straight = [path.read_bytes() for path in only(source(clips, cache_dir=tmp_path / "cache")).frames]
    with small_disk(tmp_path / "disk", "20k") as disk:  # a page for each frame, of which there are nine
        with pytest.raises(UserError, match="make room"):
            only(source(clips, cache_dir=disk / "cache"))
        assert [path.name for path in (disk / "cache").iterdir()] == ["lock"]
        make_room(disk, "1m")
        again = [path.read_bytes() for path in only(source(clips, cache_dir=disk / "cache")).frames]
        assert again == straight


def only(source: UnpackedScenes) -> Scene:
    """The one scene of a source."""
    (scene,) = source.scenes("train")
    return scene


@pytest.mark.parametrize("command", ["interpolate", "predict", "compare"])
def test_outputs_are_whole_and_go_on(
    capfd: pytest.CaptureFixture[str],
    folder_data: list[str],
    tiny: list[str],
    scenes_root: Path,
    tmp_path: Path,
    command: str,
) -> None:
    folder = scenes_root / "val" / "fox" / "walk"

    def call(output: Path) -> list[str]:
        if command == "interpolate":
            return [
                command,
                "--method",
                "cross_fade.yaml",
                "--keyframes",
                str(folder),
                "--output",
                str(output),
            ]
        if command == "compare":
            data = str(
                write_yaml(tmp_path / "data.yaml", {"data": {"source": source, "size": 32, "between": 1}})
            )
            return [command, "--config", data, "--output", str(output)]
        writer = {"class_path": "inbetween.callbacks.PredictionWriter"}
        writer["init_args"] = {"directory": str(output), "overwrite": True}  # type: ignore[assignment]
        overlay = write_yaml(tmp_path / "writer.yaml", {"trainer": {"callbacks": [writer]}})
        return [command, "--config", "cross_fade.yaml", *tiny, *folder_data, "--config", str(overlay)]

    source = {"class_path": "inbetween.data.FolderScenes", "init_args": {"root": str(scenes_root)}}
    assert main(call(tmp_path / "straight")) == 0
    straight = read(tmp_path / "straight")
    with small_disk(tmp_path / "disk", "1m") as disk:
        filler = disk / "filler"
        fill(disk, filler, spare=8192)
        capfd.readouterr()
        assert main(call(disk / "out")) == 2
        said = one_sentence(capfd.readouterr().err)
        assert "cannot be written (No space left on device): make room" in said
        half = read(disk / "out")
        assert leftovers(disk) == []
        assert len(half) < len(straight)
        assert all(content == straight[name] for name, content in half.items() if name.suffix == ".png")
        filler.unlink()
        assert main(call(disk / "out")) == 0
        again = read(disk / "out")
        assert again.keys() == straight.keys()
        assert all(content == straight[name] for name, content in again.items() if name.suffix == ".png")


def read(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def fill(disk: Path, filler: Path, spare: int) -> None:
    """Leave so many bytes of a disk."""
    from shutil import disk_usage

    filler.write_bytes(bytes(disk_usage(disk).free - spare))


def test_reports_replace_older_ones_whole(tmp_path: Path) -> None:
    from inbetween.commands.reports import write_text

    with small_disk(tmp_path / "disk", "64k") as disk:
        write_text(disk / "compare.json", json.dumps({"old": 1}))
        with pytest.raises(OSError, match="No space left") as caught:
            write_text(disk / "compare.json", "x" * 100_000)
        assert caught.value.filename == str(disk / "compare.json")
        assert [path.name for path in disk.iterdir()] == ["compare.json"]
        assert json.loads((disk / "compare.json").read_text()) == {"old": 1}
