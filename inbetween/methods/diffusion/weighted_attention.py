"""Cross-attention to two keyframes, weighted by the position t of the in-between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from inbetween.functional.time_codes import TIME_CODE_SIZE, time_code

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import Attention

Weighting = Literal["linear", "learned"]


class WeightedAttention(nn.Module):
    """Makes a denoiser attend to each keyframe's tokens separately and sum both, weighted.

    Every cross-attention (`attn2`) of the denoiser becomes

        w_first attn(h, tokens of first) + w_last attn(h, tokens of last),    w_first + w_last = 1,

    each with a softmax over its own keyframe's tokens, so that the weights are the keyframes' shares of the
    output. For each sample's own t they are, by `weighting`:

    - `linear`: (1 - t, t).
    - `learned`: softmax(log(1 - t), log(t) + MLP(phi(t))) for each layer and head, with the time code phi and
      an MLP per layer whose last linear layer is initialised to zero, which is `linear`. A head can learn to
      attend to one keyframe only; at t = 0 and t = 1 all attend to the keyframe there.

    The UNet's attention processors are replaced on construction, with `set_attn_processor`; the projections
    stay the pretrained ones (or peft's adapters of them). The weights are passed with each call, so that
    gradient checkpointing, which calls twice, gets the right ones. Example, in a method:

        self.attention = WeightedAttention(backbone.unet, "learned")  # owns the MLPs; saved with the method
        ...
        tokens = torch.cat([first_tokens, last_tokens], dim=1)  # (B, L, D) each; t is (B,)
        weights = self.attention.at(t)
        unet(sample, timestep, encoder_hidden_states=tokens, cross_attention_kwargs=weights)

    Args:
        unet: A UNet whose cross-attention is in BasicTransformerBlocks, such as Stable Diffusion's. No
            reference to it is kept, so that its weights are not this module's.
        weighting: `linear` or `learned`.
        hidden: Width of the MLPs.
    """

    def __init__(self, unet: UNet2DConditionModel, weighting: Weighting = "linear", hidden: int = 32) -> None:
        super().__init__()
        self.weighting = weighting
        self.heads: dict[str, int] = {}
        processors: dict[str, Any] = {}
        for path, processor in unet.attn_processors.items():
            if ".attn2." in path:
                layer = _layer_name(path)
                self.heads[layer] = int(unet.get_submodule(path.removesuffix(".processor")).heads)
                processors[path] = _CrossAttention(layer)
            else:
                processors[path] = _SelfAttention(processor)
        unet.set_attn_processor(processors)
        learned = self.heads if weighting == "learned" else {}
        self.layers = nn.ModuleDict({layer: _mlp(hidden, heads) for layer, heads in learned.items()})

    def at(self, t: Tensor) -> dict[str, Any]:
        """The UNet's `cross_attention_kwargs` for in-betweens at t (B,) in [0, 1]."""
        return {"keyframe_weights": self._weights(t)}

    @torch.no_grad()
    def learned_weights(self, t: Tensor) -> dict[str, Tensor]:
        """Each layer's weights of last (heads, T) float32 in [0, 1] at t (T,), for plots.

        Layers are named by their position in the UNet (`down_1_0_0`, `mid_0_0`, `up_1_2_0`), and sorted by
        name, which is their order of execution. The weight of first is 1 - that of last.
        """
        weights = sorted(self._weights(t).items())
        return {layer: pair[..., 1].T.expand(self.heads[layer], -1) for layer, pair in weights}

    def _weights(self, t: Tensor) -> dict[str, Tensor]:
        """Each layer's weights of (first, last): (B, heads or 1, 2) float32."""
        # bf16 could not tell t = 0.250 from t = 0.251
        with torch.autocast(t.device.type, enabled=False):
            t = t.float()
            linear = torch.stack([1 - t, t], dim=-1)[:, None]
            if self.weighting == "linear":
                return dict.fromkeys(self.heads, linear)
            code = time_code(t)
            # one logit suffices: softmax depends on the difference alone
            shifts = {layer: F.pad(mlp(code)[..., None], (1, 0)) for layer, mlp in self.layers.items()}
            return {layer: (linear.log() + shift).softmax(-1) for layer, shift in shifts.items()}


def _mlp(hidden: int, heads: int) -> nn.Sequential:
    last = nn.Linear(hidden, heads)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(TIME_CODE_SIZE, hidden), nn.SiLU(), last)


def _layer_name(path: str) -> str:
    """`down_blocks.1.attentions.0.transformer_blocks.0.attn2.processor` as `down_1_0_0`."""
    part, *rest = path.split(".")
    return "_".join([part.partition("_")[0], *(step for step in rest if step.isdigit())])


class _CrossAttention:
    """The attention processor of one `attn2`. It holds a name only, so a copied UNet needs no care."""

    def __init__(self, layer: str) -> None:
        self.layer = layer

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        attention_mask: None,
        keyframe_weights: dict[str, Tensor],
    ) -> Tensor:
        """Attend to both keyframes.

        Args:
            attn: The layer with its projections.
            hidden_states: (B, S, C), S latent pixels.
            encoder_hidden_states: (B, 2 L, D), the tokens of first and then of last.
            attention_mask: Always None; diffusers passes it.
            keyframe_weights: For each layer (B, heads or 1, 2).

        Returns:
            (B, S, C).
        """

        def by_head(x: Tensor) -> Tensor:
            return x.view(len(x), -1, attn.heads, x.shape[-1] // attn.heads).transpose(1, 2)

        query = by_head(attn.to_q(hidden_states))
        keys = by_head(attn.to_k(encoder_hidden_states)).chunk(2, dim=2)
        values = by_head(attn.to_v(encoder_hidden_states)).chunk(2, dim=2)
        weights = keyframe_weights[self.layer][..., None, None].to(query.dtype).unbind(2)
        # Weighting the L values is the same as weighting the S results, and there are fewer of them.
        first, last = (
            F.scaled_dot_product_attention(query, key, weight * value)
            for key, value, weight in zip(keys, values, weights, strict=True)
        )
        output: Tensor = (first + last).transpose(1, 2).flatten(2)
        for projection_or_dropout in attn.to_out:
            output = projection_or_dropout(output)
        return output


class _SelfAttention:
    """The original processor of a self-attention, which ignores `keyframe_weights`."""

    def __init__(self, processor: Any) -> None:  # noqa: ANN401 - one of diffusers' many
        self.processor = processor

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None,
        attention_mask: Tensor | None,
        keyframe_weights: dict[str, Tensor],
    ) -> Tensor:
        """Call the original processor."""
        output: Tensor = self.processor(attn, hidden_states, encoder_hidden_states, attention_mask)
        return output
