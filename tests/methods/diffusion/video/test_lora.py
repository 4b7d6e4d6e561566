"""Adapters and their files: what is trained here loads into diffusers' pipelines, and the reverse."""

from pathlib import Path

import pytest
import torch
from diffusers import WanImageToVideoPipeline
from peft import LoraConfig
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from inbetween.callbacks.lora_writer import TrainsLora
from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.io.frames import to_bytes
from inbetween.methods import FirstLastVideo
from tests.methods.diffusion.video.tiny_method import excite, method_of
from tests.tiny import random_batch
from tests.tiny_video import tiny_wan


def test_the_adapters_load_into_the_plain_pipeline(either_folder: Path, tmp_path: Path) -> None:
    method = method_of(either_folder)
    excite(method)
    assert isinstance(method, TrainsLora)
    files = method.lora_files(method.state_dict())
    plain = WanImageToVideoPipeline.from_pretrained(either_folder)
    plain.set_progress_bar_config(disable=True)
    write_lora(method, tmp_path / "lora")
    assert len(files) == len(method.video_model.denoisers)
    clip = random_batch(1)

    def theirs() -> Tensor:
        first, last = (Image.fromarray(to_bytes(clip[name][0])) for name in ("first", "last"))
        return plain(
            image=first,
            last_image=last,
            prompt="a cat",
            height=32,
            width=32,
            num_frames=5,
            num_inference_steps=2,
            guidance_scale=1.0,
            generator=torch.Generator().manual_seed(100),
            output_type="pt",
        ).frames[0][1:-1]

    ours = method.interpolate(clip["first"], clip["last"], clip["t"], generators(clip["seed"]))[0]
    assert (theirs() - ours).abs().max() > 1e-3  # before it is loaded
    plain.load_lora_weights(tmp_path / "lora", weight_name="pytorch_lora_weights.safetensors")
    if len(files) == 2:
        plain.load_lora_weights(tmp_path / "lora/transformer_2", load_into_transformer_2=True)
    torch.testing.assert_close(ours, theirs(), atol=1e-5, rtol=0)


def write_lora(method: FirstLastVideo, folder: Path) -> Path:
    """As `LoraWriter` does."""
    for name, weights in method.lora_files(method.state_dict()).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(weights, path, metadata={"format": "pt"})
    return folder


def test_adapters_begin_as_those_of_files(either_folder: Path, tmp_path: Path) -> None:
    method = method_of(either_folder)
    excite(method)
    folder = write_lora(method, tmp_path / "lora")
    found = method_of(either_folder, lora=folder)
    for name, value in method.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name
    alone = method_of(either_folder, lora=folder / "pytorch_lora_weights.safetensors").state_dict()
    for name, value in method.state_dict().items():
        assert torch.equal(alone[name], value) == (".transformer." in f".{name}" or "lora_A" in name), name


def test_adapters_that_do_not_fit(wan_folder: Path, tmp_path: Path) -> None:
    folder = write_lora(method_of(wan_folder, lora_rank=4), tmp_path / "lora")
    with pytest.raises(UserError, match=r"takes \[16, 24\]: set lora_rank to 4, or give"):
        method_of(wan_folder, lora=folder)
    with pytest.raises(UserError, match="trained none: set trained to lora"):
        method_of(wan_folder, lora=folder, trained="none")
    with pytest.raises(UserError, match=r"nowhere/pytorch_lora_weights.safetensors cannot be loaded"):
        method_of(wan_folder, lora=tmp_path / "nowhere")
    other = {"transformer.blocks.0.ffn.net.2.lora_A.weight": torch.zeros(4, 32)}
    save_file(other, folder / "pytorch_lora_weights.safetensors")
    with pytest.raises(UserError, match="has no adapter there: give another LoRA"):
        method_of(wan_folder, lora=folder)
    (folder / "pytorch_lora_weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be loaded as a LoRA"):
        method_of(wan_folder, lora=folder)


def write_peft(folder: Path, method: FirstLastVideo, **options: object) -> WanImageToVideoPipeline:
    """A file as diffusers' own training scripts write it, and a pipeline that has loaded it."""
    config = LoraConfig(r=16, target_modules=method.video_model.lora_layers, **options)
    method.video_model.transformer.peft_config["default"] = config
    weights = method.lora_files(method.state_dict())["pytorch_lora_weights.safetensors"]
    WanImageToVideoPipeline.save_lora_weights(
        folder,
        {key.removeprefix("transformer."): value for key, value in weights.items()},
        transformer_lora_adapter_metadata=config.to_dict(),
    )
    plain = tiny_wan()
    plain.load_lora_weights(folder)
    return plain


@pytest.mark.parametrize("options", [{"lora_alpha": 32}, {"lora_alpha": 4, "use_rslora": True}])
def test_the_scale_of_a_file(wan_folder: Path, tmp_path: Path, options: dict[str, object]) -> None:
    method = method_of(wan_folder)
    excite(method)
    plain = write_peft(tmp_path, method, **options)
    found = method_of(wan_folder, lora=tmp_path).video_model.transformer
    given = {
        "hidden_states": torch.randn(1, 36, 2, 4, 4),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": torch.randn(1, 512, 16),
        "encoder_hidden_states_image": torch.randn(2, 5, 8),
    }
    with torch.no_grad():
        ours, theirs, other = (
            each(**given).sample
            for each in (found, plain.transformer, method_of(wan_folder).video_model.transformer)
        )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert (ours - other).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["alpha_pattern", "rank_pattern"])
def test_scales_of_layers_are_refused(wan_folder: Path, tmp_path: Path, name: str) -> None:
    write_peft(tmp_path, method_of(wan_folder), **{name: {"blocks.0.attn1.to_q": 16}})
    with pytest.raises(UserError, match=f"has a {name}, and all adapters are of one kind here"):
        method_of(wan_folder, lora=tmp_path)
