"""The memory of video models: counted on the meta device as it is with real tensors."""

from dataclasses import replace

import pytest
import torch

from benchmarks import video_memory
from benchmarks.video_autoencoders import coding
from benchmarks.video_memory import activations, count, main, parameters, training_step, with_adapters
from benchmarks.video_sizes import PUBLISHED, Published, autoencoder, denoiser, text_encoder, vision

WAN = {
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": 16,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 3,
}
TINY = (
    WAN | {"vace_layers": [0, 2]},
    WAN | {"in_channels": 36, "image_dim": 8, "added_kv_proj_dim": 24, "pos_embed_seq_len": 514},
    WAN | {"in_channels": 36},
    {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "cross_attention_dim": 24,
        "num_layers": 2,
        "caption_channels": 16,
    },
)
SIZE = (9, 32, 64)
MODELS = [
    pytest.param(replace(model, config=config), id=model.name)
    for model, config in zip(PUBLISHED, TINY, strict=True)
]


@pytest.mark.parametrize("model", MODELS)
def test_counted_without_weights_as_with_them(model: Published) -> None:
    network, adapters = with_adapters(model, 2)
    assert adapters == sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    assert parameters(denoiser(model)) == parameters(network) - adapters
    assert {weight.dtype for weight in network.parameters() if not weight.requires_grad} == {torch.bfloat16}
    with torch.device("meta"):
        counted, counted_adapters = with_adapters(model, 2)
    assert (parameters(counted), counted_adapters) == (parameters(network), adapters)
    # of a layer normalisation, the CPU keeps the mean and deviation of each token with fewer bits
    real = activations(model, network, SIZE)
    assert activations(model, counted, SIZE) == pytest.approx(real, rel=1e-3)
    assert real > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_step_trains_the_adapters_alone(model: Published) -> None:
    """What is measured on a GPU."""
    torch.manual_seed(0)
    network, _ = with_adapters(model, 2)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    training_step(model, network, SIZE)
    changed = {name for name, weight in network.named_parameters() if not torch.equal(weight, before[name])}
    assert all("lora_" in name for name in changed)
    assert any("lora_B" in name for name in changed)


@pytest.mark.parametrize("model", MODELS)
def test_longer_clips_take_more(model: Published) -> None:
    with torch.device("meta"):
        network, _ = with_adapters(model, 2)
    short, long = (activations(model, network, (frames, *SIZE[1:])) for frames in (9, 17))
    assert short < long < 2.1 * short


def test_published_sizes() -> None:
    """As published: numbers of weights."""
    with torch.device("meta"):
        numbers = [parameters(denoiser(model)) for model in PUBLISHED]
        assert [round(number / 1e9, 2) for number in numbers] == [2.15, 16.4, 14.29, 1.92]
        assert parameters(autoencoder(PUBLISHED[0])) == 126_892_531
        assert parameters(text_encoder(PUBLISHED[0])) == 5_680_910_336
        assert parameters(vision()) == 632_076_800
    memory = count(PUBLISHED[0], (33, 480, 832), 16)
    assert memory.parameters == numbers[0]
    # 4 of 30 blocks' attention, twice, and 16 bytes of each
    assert memory.adapters == 16 * 30 * 2 * 4 * 16 * (1536 + 1536)
    assert memory.weights == 2 * numbers[0] + 4 * 126_892_531
    assert memory.total < 12 * 2**30


def test_an_autoencoder_takes_what_lives_at_once() -> None:
    size = (5, 32, 64)
    encoding, decoding = coding(PUBLISHED[0], size)
    # at least input and output of its last layer of full size, of 96 channels and one latent frame
    assert encoding > 2 * 4 * 96 * 32 * 64
    assert decoding > 2 * 4 * 96 * 4 * 32 * 64
    # much less than of all layers together, and frames of a chunk more for each chunk
    assert decoding < 100 * 4 * 96 * 4 * 32 * 64
    longer = coding(PUBLISHED[0], (9, 32, 64))
    assert encoding < longer[0] < 1.2 * encoding
    wider = coding(PUBLISHED[0], (5, 32, 128))
    assert wider == pytest.approx((2 * encoding, 2 * decoding), rel=0.1)


def test_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(video_memory, "PUBLISHED", [MODELS[0].values[0]])
    assert main(["--frames", "9", "--height", "32", "--width", "64", "--rank", "2"]) == 0
    printed = capsys.readouterr().out
    assert "| Wan-AI/Wan2.1-VACE-1.3B-diffusers |" in printed
    assert len({line.count("|") for line in printed.splitlines()}) == 1
    with pytest.raises(SystemExit):
        main(["--frames", "10"])
    assert "8 k + 1 frames" in capsys.readouterr().err
