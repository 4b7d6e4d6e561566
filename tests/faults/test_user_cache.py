"""Whatever is cached lies where XDG_CACHE_HOME says, and in ~/.cache/inbetween without it."""

from pathlib import Path

import pytest

from inbetween.data import FolderScenes, LottieScenes, VideoScenes, WindowDataModule, WindowSpec
from inbetween.data.store import FrameStore
from inbetween.errors import UserError
from inbetween.methods import TemporalEncodingDiffusion
from inbetween.metrics.feature_network import cached_alexnet
from inbetween.modules.perceptual import cached_vgg
from inbetween.paths import cache_folder, cached
from tests.cli.conftest import Run, write_yaml
from tests.tiny import tiny_backbone


def folders() -> dict[str, Path]:
    """All that is cached, by the name of its folder."""
    latents = TemporalEncodingDiffusion(tiny_backbone(), latent_cache=True).latent_cache
    assert latents is not None
    data = WindowDataModule(FolderScenes(Path("unused")))
    return {
        "frames": FrameStore(WindowSpec()).folder.parent,
        "frames ": FrameStore(data.spec).folder.parent,
        "lottie": LottieScenes(Path("unused")).cache_dir,
        "video": VideoScenes(Path("unused")).cache_dir,
        "latents": latents,
        "alexnet_features.safetensors": cached_alexnet(),
        "vgg16_features.safetensors": cached_vgg(),
    }


@pytest.mark.parametrize(
    ("variable", "place"), [("", "home/.cache"), ("relative", "home/.cache"), ("/else/where", "/else/where")]
)
def test_one_place_for_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", variable)
    for name, found in folders().items():
        assert found == tmp_path / place / "inbetween" / name.strip()


def test_a_folder_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(Path("~/mine"), "frames") == tmp_path / "mine"
    for given in (None, False):
        assert TemporalEncodingDiffusion(tiny_backbone(), latent_cache=given).latent_cache is None
    method = TemporalEncodingDiffusion(tiny_backbone(), latent_cache=Path("~/mine"))
    assert method.latent_cache == tmp_path / "mine"


def test_a_user_without_a_home_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: type[Path]) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(homeless))
    with pytest.raises(UserError, match=r"no home folder .*: set XDG_CACHE_HOME"):
        cached("frames")


@pytest.mark.filterwarnings("ignore:LPIPS needs the weights")
def test_a_run_leaves_nothing_in_the_home_folder(
    run: Run, exp1: list[str], folder_data: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    default = write_yaml(tmp_path / "default.yaml", {"data": {"cache_dir": None, "between": 1}})
    options = [*exp1, *folder_data, "--config", "latent_cache.yaml", "--config", str(default)]
    run("fit", *options, "--trainer.max_steps", "1", "--trainer.limit_val_batches", "0")
    assert not (tmp_path / "home").exists()
    cache = tmp_path / "cache" / "inbetween"
    assert sorted(path.name for path in cache.iterdir()) == ["frames", "latents"]
    assert list(cache.rglob("*.safetensors"))
