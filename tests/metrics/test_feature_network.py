"""Where LPIPS takes its weights from."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from inbetween.errors import UserError
from inbetween.metrics import load_lpips
from inbetween.metrics.feature_network import cached_alexnet, find_alexnet, read_alexnet


@pytest.fixture(autouse=True)
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_without_weights_there_is_one_warning_and_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked the network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(f"socket.socket.{name}", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.warns(UserWarning, match="python -m inbetween fetch-weights lpips") as caught:
        assert load_lpips() is None
    assert len(caught) == 1


def test_our_cache_comes_before_torchvisions(tmp_path: Path, random_alexnet: dict[str, torch.Tensor]) -> None:
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    theirs.parent.mkdir(parents=True)
    # torchvision's file holds the classifier as well
    torch.save({**random_alexnet, "classifier.1.bias": torch.zeros(4096)}, theirs)
    assert find_alexnet() == theirs
    assert set(read_alexnet(theirs)) == set(random_alexnet)

    assert cached_alexnet() == tmp_path / "cache" / "inbetween" / "alexnet_features.safetensors"
    cached_alexnet().parent.mkdir(parents=True)
    save_file(random_alexnet, cached_alexnet())
    assert find_alexnet() == cached_alexnet()


def test_a_given_path_comes_first(alexnet_file: Path, random_alexnet: dict[str, torch.Tensor]) -> None:
    cached_alexnet().parent.mkdir(parents=True)
    save_file({name: torch.zeros_like(value) for name, value in random_alexnet.items()}, cached_alexnet())
    network = load_lpips(alexnet_file)
    assert network is not None
    torch.testing.assert_close(
        network.get_parameter("net.slice5.10.weight"), random_alexnet["features.10.weight"]
    )
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_half_precision_weights_are_widened(tmp_path: Path, random_alexnet: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "half.safetensors"
    save_file({name: value.half() for name, value in random_alexnet.items()}, path)
    assert all(value.dtype == torch.float32 for value in read_alexnet(path).values())


def test_bad_files_are_named(tmp_path: Path, random_alexnet: dict[str, torch.Tensor]) -> None:
    with pytest.raises(UserError, match=r"no LPIPS network .*missing\.pth"):
        load_lpips(tmp_path / "missing.pth")
    for name in ("garbage.pth", "garbage.safetensors"):
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(UserError, match=f"{name} is not a readable weights file"):
            load_lpips(tmp_path / name)
    incomplete = {name: value for name, value in random_alexnet.items() if name != "features.6.bias"}
    save_file(incomplete, tmp_path / "incomplete.safetensors")
    with pytest.raises(UserError, match=r"features\.6\.bias is missing or has another shape"):
        load_lpips(tmp_path / "incomplete.safetensors")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="does not hold AlexNet"):
        load_lpips(tmp_path / "list.pth")


class Canary:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code ran')",))


def test_a_pth_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Canary()}, tmp_path / "evil.pth")
    with pytest.raises(UserError, match="not a readable weights file"):
        load_lpips(tmp_path / "evil.pth")
