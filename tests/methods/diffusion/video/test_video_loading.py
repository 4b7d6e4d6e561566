"""Where video models come from, and what is said where they cannot be loaded."""

import json
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file

from inbetween.errors import UserError
from inbetween.methods.diffusion.video import memory
from inbetween.methods.diffusion.video.loading import VideoSource
from inbetween.methods.diffusion.video.prompts import PromptEmbeddings, padded, without_padding
from inbetween.methods.diffusion.video.wan import WanVideo


def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def source(folder: Path, **options: Any) -> VideoSource:
    return VideoSource(str(folder), **{"frozen_dtype": "float32", **options})


def test_the_folder_says_what_it_is(wan_folder: Path) -> None:
    found = source(wan_folder)
    model = found.model()
    assert isinstance(model, WanVideo)
    assert model.pipeline.text_encoder is None
    assert model.pipeline.tokenizer is None
    assert not any(weight.requires_grad for weight in model.parameters())
    assert not model.train().training
    text = found.pipeline(text=True)
    assert text.text_encoder is not None
    assert (text.transformer, text.vae, text.image_encoder) == (None, None, None)


def edit_index(folder: Path, **values: Any) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def another_pipeline(folder: Path) -> str:
    edit_index(folder, _class_name="StableDiffusionPipeline")
    return r"is a StableDiffusionPipeline, which does not .*WanImageToVideoPipeline"


def without_first_frame(folder: Path) -> str:
    edit_index(folder, _class_name="WanPipeline")
    return r"is a WanPipeline, which does not .*one of WanImageToVideoPipeline, WanVACEPipeline, LTX"


def no_index(folder: Path) -> str:
    (folder / "model_index.json").unlink()
    return r"is no folder of a diffusers pipeline \(model_index.json is missing or damaged\)"


def broken_index(folder: Path) -> str:
    (folder / "model_index.json").write_text("{")
    return r"is no folder of a diffusers pipeline"


def no_part(folder: Path) -> str:
    shutil.rmtree(folder / "vae")
    return r"has no vae, which is part of WanImageToVideoPipeline: run `hf download"


def no_weights(folder: Path) -> str:
    (folder / "transformer/diffusion_pytorch_model.safetensors").unlink()
    return r"WanVideo cannot be loaded from .* \(OSError: .*copy its files anew, or run `hf download"


def cut_weights(folder: Path) -> str:
    path = folder / "transformer/diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    return r"The weights of transformer in .* are damaged"


def pointer_weights(folder: Path) -> str:
    (folder / "vae/diffusion_pytorch_model.safetensors").write_text("version https://git-lfs.github.com")
    return r"The weights of vae in .* are damaged"


def broken_config(folder: Path) -> str:
    (folder / "transformer/config.json").write_text("{")
    return r"WanVideo cannot be loaded from .*copy its files anew"


@pytest.mark.parametrize(
    "damage",
    [
        another_pipeline,
        without_first_frame,
        no_index,
        broken_index,
        no_part,
        no_weights,
        cut_weights,
        pointer_weights,
        broken_config,
    ],
)
def test_a_folder_that_cannot_be_loaded(damage: Any, wan_folder: Path, tmp_path: Path) -> None:
    folder = copied(wan_folder, tmp_path)
    message = damage(folder)
    with pytest.raises(UserError, match=message) as refused:
        source(folder).model()
    assert "\n" not in str(refused.value)


def test_no_folder_and_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect")

    monkeypatch.setattr(DiffusionPipeline, "download", offline)
    with pytest.raises(UserError, match=r"run `hf download Wan-AI/x --revision v1 --local-dir FOLDER`"):
        VideoSource("Wan-AI/x", revision="v1").model()
    with pytest.raises(UserError, match=r"There is no folder wan: check the path"):
        VideoSource("wan").model()


def test_too_little_memory(wan_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = 0
    for part in ("transformer", "vae", "image_encoder"):
        (path,) = (wan_folder / part).glob("*.safetensors")
        needed += sum(value.numel() * 4 for value in load_file(path).values())
    monkeypatch.setattr(memory, "free_bytes", lambda _: needed)
    with pytest.raises(UserError) as refused:
        source(wan_folder).model()
    assert f"take {needed / 1e9:.3g} GB of memory, and this machine has {needed / 1e9:.3g} GB free" in str(
        refused.value
    )
    assert "frozen_dtype bfloat16" in str(refused.value)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2 * needed)
    source(wan_folder).model()


def test_only_what_is_loaded_is_counted(tmp_path: Path) -> None:
    names = ["model.safetensors", "model.fp16.safetensors"]
    shards = ["model-00001-of-00002", "model-00001-of-00002.fp16", "model.bf16-00001-of-00002"]
    for name in (*names, *(f"{shard}.safetensors" for shard in shards), "model.bin"):
        (tmp_path / name).touch()

    def found(variant: str | None) -> set[str]:
        return {path.name for path in memory.weight_files(tmp_path, variant)}

    assert found(None) == {"model.safetensors", "model-00001-of-00002.safetensors"}
    assert found("fp16") == {"model.fp16.safetensors", "model-00001-of-00002.fp16.safetensors"}
    assert found("bf16") == {"model.bf16-00001-of-00002.safetensors"}
    assert found("int8") == found(None)


def test_free_memory_is_less_than_all() -> None:
    assert 2**26 < memory.free_bytes(torch.device("cpu")) <= 2**62


def test_embeddings_are_those_of_the_pipeline_and_cached(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = source(wan_folder)
    model, prompts = found.model(), ["a cat", "", "a dog runs", "a cat"]
    wanted, _ = found.pipeline(text=True).encode_prompt(prompts, max_sequence_length=512)
    embeddings = PromptEmbeddings(found, tmp_path / "prompts")
    assert embeddings.missing(prompts) == ["a cat", "", "a dog runs"]
    for tensors, value in zip(embeddings.get(prompts, model), wanted, strict=True):
        torch.testing.assert_close(tensors["prompt_embeds"], value)
    (path,) = (tmp_path / "prompts").glob("*.safetensors")
    assert path.stat().st_size < 4000  # without 500 rows of zeros

    monkeypatch.setattr(VideoSource, "pipeline", None)  # no text encoder
    again = PromptEmbeddings(source(wan_folder), tmp_path / "prompts")
    assert again.missing(prompts) == []
    for tensors, value in zip(again.get(prompts, model), wanted, strict=True):
        torch.testing.assert_close(tensors["prompt_embeds"], value)


def test_the_text_encoder_runs_where_the_run_does(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is gone from there before its memory is counted."""
    found, moved, alive = source(wan_folder), [], []
    loaded, model = VideoSource.pipeline, found.model()

    def pipeline(self: VideoSource, text: bool = False) -> DiffusionPipeline:
        made = loaded(self, text)
        alive.append(weakref.ref(made.text_encoder))
        return made

    monkeypatch.setattr(VideoSource, "pipeline", pipeline)
    monkeypatch.setattr(DiffusionPipeline, "to", lambda self, device: moved.append(device))
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr("inbetween.methods.diffusion.video.prompts.free_bytes", lambda _: 2**40)
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(alive[-1]() is None))
    embeddings = PromptEmbeddings(found, tmp_path / "prompts")
    for number, device in enumerate([torch.device("cpu"), torch.device("cuda:1"), None]):
        embeddings.get([f"a cat {number}"], model, device)
    assert moved == [torch.device("cuda:1"), torch.device("cuda")]
    assert emptied == [True] * 3


@pytest.mark.parametrize(("name", "other"), [("version", lambda _: "5.2.0"), ("_VERSION", 99)])
def test_another_version_embeds_anew(
    name: str, other: Any, wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = PromptEmbeddings(source(wan_folder), tmp_path / "prompts")
    embeddings.get(["a cat"], source(wan_folder).model())
    assert not embeddings.missing(["a cat"])
    monkeypatch.setattr(f"inbetween.methods.diffusion.video.prompts.{name}", other)
    assert embeddings.missing(["a cat"])


def test_another_text_encoder_has_other_embeddings(wan_folder: Path, tmp_path: Path) -> None:
    folder = copied(wan_folder, tmp_path)
    embeddings = PromptEmbeddings(source(folder), tmp_path / "prompts")
    embeddings.get(["a cat"], source(folder).model())
    weights = folder / "text_encoder/model.safetensors"
    weights.write_bytes(weights.read_bytes())
    assert PromptEmbeddings(source(folder), tmp_path / "prompts").missing(["a cat"]) == ["a cat"]


def test_of_a_hub_id_only_what_is_needed_is_downloaded(
    wan_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the hub's downloads in place of which the cache is filled here."""
    snapshot = Path(shutil.copytree(wan_folder, tmp_path / "models--Wan-AI--x/snapshots/0123"))
    text = Path(shutil.move(snapshot / "text_encoder", tmp_path / "text_encoder"))
    asked: list[dict[str, Any]] = []

    def parts(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        return str(snapshot)

    def texts(name: str, **options: Any) -> str:
        asked.append({"name": name, **options})
        shutil.copytree(text, snapshot / "text_encoder", dirs_exist_ok=True)
        return str(snapshot)

    monkeypatch.setattr(DiffusionPipeline, "download", parts)
    monkeypatch.setattr("huggingface_hub.snapshot_download", texts)
    found = VideoSource("Wan-AI/x", revision="v1", frozen_dtype="float32")
    embeddings = PromptEmbeddings(found, tmp_path / "prompts")
    model = found.model()
    assert asked == [
        {"name": "Wan-AI/x", "revision": "v1", "variant": None, "text_encoder": None, "tokenizer": None}
    ]
    embeddings.get(["a cat"], model)
    patterns = ["model_index.json", "text_encoder/*", "tokenizer/*"]
    assert asked[1:] == [{"name": "Wan-AI/x", "revision": "v1", "allow_patterns": patterns}]
    embeddings.get(["a cat"], model)
    # another machine, with the embeddings alone
    again = VideoSource("Wan-AI/x", revision="v1", frozen_dtype="float32")
    PromptEmbeddings(again, tmp_path / "prompts").get(["a cat"], again.model())
    assert len(asked) == 3


def test_damaged_embeddings_are_made_again(wan_folder: Path, tmp_path: Path) -> None:
    model = source(wan_folder).model()
    embeddings = PromptEmbeddings(source(wan_folder), tmp_path / "prompts")
    (wanted,) = embeddings.get(["a cat"], model)
    (path,) = (tmp_path / "prompts").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:50])
    (found,) = embeddings.get(["a cat"], model)
    assert torch.equal(found["prompt_embeds"], wanted["prompt_embeds"])
    assert not PromptEmbeddings(source(wan_folder), tmp_path / "prompts").missing(["a cat"])
    # deleted while it is in use
    shutil.rmtree(tmp_path / "prompts")
    (found,) = embeddings.get(["a cat"], model)
    assert torch.equal(found["prompt_embeds"], wanted["prompt_embeds"])


def test_embeddings_do_not_need_a_disk(wan_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    embeddings = PromptEmbeddings(source(wan_folder), tmp_path / "file/prompts")
    (found,) = embeddings.get(["a cat"], source(wan_folder).model())
    assert found["prompt_embeds"].any()


def test_a_text_encoder_that_is_not_there(wan_folder: Path, tmp_path: Path) -> None:
    folder = copied(wan_folder, tmp_path)
    shutil.rmtree(folder / "text_encoder")
    embeddings = PromptEmbeddings(source(folder), tmp_path / "prompts")
    with pytest.raises(UserError, match="has no text_encoder, which is part of WanImageToVideoPipeline"):
        embeddings.get(["a cat"], source(folder).model())


def test_only_zeros_at_the_end_are_left_out() -> None:
    tensors = {
        "embeds": torch.tensor([[1.0, 0], [0, 0], [0, 2], [0, 0]]),
        "mask": torch.tensor([1, 1, 1, 0]),
        "none": torch.zeros(2, 2),
    }
    kept = without_padding(tensors)
    assert [len(kept[name]) for name in tensors] == [3, 3, 0]
    for name, value in padded(kept).items():
        assert torch.equal(value, tensors[name])
        assert value.dtype == tensors[name].dtype
