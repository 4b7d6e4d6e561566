"""Tiny pipelines in folders, written once."""

from pathlib import Path

import pytest

from tests.tiny_video import write_tiny_wan


@pytest.fixture(scope="session")
def wan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wan 2.1 with an image encoder."""
    return write_tiny_wan(tmp_path_factory.mktemp("wan") / "flf2v")


@pytest.fixture(scope="session")
def wan_folder_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wan 2.2 with two denoisers."""
    return write_tiny_wan(tmp_path_factory.mktemp("wan") / "a14b", two_denoisers=True)


@pytest.fixture(params=["wan_folder", "wan_folder_2"])
def either_folder(request: pytest.FixtureRequest) -> Path:
    """Both, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another one cached."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
