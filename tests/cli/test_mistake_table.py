"""Every mistake of a table ends in one sentence that names it, with exit code 2, and nothing half-written."""

import resource
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from inbetween.__main__ import main
from inbetween.commands import machine
from inbetween.errors import UserError, causes
from tests.cli.mistakes import broken, files, folders, runs, values
from tests.cli.mistakes.place import Place, Shared, make_shared
from tests.cli.mistakes.row import Row

ROWS = [*files.rows(), *values.rows(), *folders.rows(), *runs.rows()]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.mktemp("torch")))
        return make_shared(tmp_path_factory.mktemp("shared"), monkeypatch)


@contextmanager
def room(size: int | None) -> Iterator[None]:
    """Let no file become larger than `size` bytes, which even root must heed."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder, with size and time of change of files."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        found[path.relative_to(folder).as_posix()] = (
            (state.st_size, state.st_mtime_ns) if path.is_file() else (0, 0)
        )
    return found


@pytest.mark.parametrize("mistake", ROWS, ids=lambda mistake: mistake.name)
def test_mistake(
    mistake: Row,
    shared: Shared,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(machine, "CONVOLUTION", (1, 8, 8))
    monkeypatch.setattr(machine, "PRODUCT", 64)
    args = [str(arg) for arg in mistake.args(Place(shared, tmp_path))]
    before, before_shared = listing(tmp_path), listing(shared.folder)
    capfd.readouterr()
    with room(mistake.room):
        code = main(args)
    err = capfd.readouterr().err
    assert code == 2, err
    assert "Traceback" not in err
    assert err.startswith("inbetween: ")
    assert err.count("\n") == 1
    assert err.endswith(".\n")
    assert [word for word in mistake.says if word not in err] == []
    after = listing(tmp_path)
    new = [name for name in after if before.get(name) != after[name]]
    allowed = {path.relative_to(tmp_path).as_posix() for p in mistake.leaves for path in tmp_path.glob(p)}
    assert [name for name in new if name not in allowed] == []
    files = [tmp_path / name for name in new if (tmp_path / name).is_file()]
    assert [path for path in files if is_partial(path)] == []
    assert listing(shared.folder) == before_shared


def is_partial(path: Path) -> bool:
    """Whether a file is one that has not been written to its end; a lock has nothing in it."""
    return path.name.endswith(".partial") or (path.name != "lock" and not path.stat().st_size)


def test_room_is_limited(tmp_path: Path) -> None:
    with room(10), pytest.raises(OSError, match="too large"):
        (tmp_path / "file").write_bytes(bytes(11))
    assert (tmp_path / "file").stat().st_size <= 10


@pytest.mark.parametrize("fault", ["ValueError", "RuntimeError", "KeyError", "MisconfigurationException"])
@pytest.mark.parametrize("command", ["fit", "validate"])
def test_a_fault_of_the_program_keeps_its_traceback(
    fault: str, command: str, shared: Shared, tmp_path: Path
) -> None:
    args = Place(shared, tmp_path).trainer(command, "--model.init_args.fails", fault)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        main([str(arg) for arg in args])
    assert type(caught.value).__name__ == fault
    assert "training_loss" in [entry.name for entry in caught.traceback]


@pytest.mark.parametrize("name", ["AddsToNothing", "Misspells", "LooksUpNothing", "Opens", "OpensWhenMade"])
@pytest.mark.parametrize("command", ["validate", "benchmark"])
def test_a_fault_of_a_users_own_method_keeps_its_traceback(
    name: str, command: str, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "CONVOLUTION", (1, 8, 8))
    monkeypatch.setattr(machine, "PRODUCT", 64)
    place = Place(shared, tmp_path)
    model = {"model": {"class_path": f"tests.cli.mistakes.broken.{name}"}}
    if command == "validate":
        args = place.trainer(command, **model)
    else:
        args = [*place.benchmark(), "--config", place.overlay(model)]
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        main([str(arg) for arg in args])
    assert not isinstance(caught.value, UserError)
    behind = [traceback.extract_tb(cause.__traceback__) for cause in causes(caught.value)]
    assert any(frame.filename == broken.__file__ for frames in behind for frame in frames)


def test_a_cache_that_cannot_be_written_is_found_before_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("inbetween.commands.fetch_weights.download", lambda *_: pytest.fail("asked"))
    assert main(["fetch-weights", "rife"]) == 2
    assert "another folder with XDG_CACHE_HOME" in capfd.readouterr().err
