"""Parts of pretrained backbones from disk or the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError

from inbetween.errors import UserError
from inbetween.paths import shipped

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, AutoencoderTiny, SchedulerMixin, UNet2DConditionModel

PredictionType = Literal["epsilon", "v_prediction"]
SMALL = "small"  # the name of the backbone that ships


def load_autoencoder(vae: str) -> AutoencoderKL | AutoencoderTiny:
    """A trained autoencoder, of the class that its config names.

    Args:
        vae: Its folder, or `small` for the one that ships.

    Raises:
        UserError: It cannot be loaded.
    """
    from diffusers import AutoModel

    folder = shipped("checkpoints", SMALL, "vae") if vae == SMALL else Path(vae)
    try:
        loaded: AutoencoderKL | AutoencoderTiny = AutoModel.from_pretrained(str(folder))
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        raise UserError(
            f"The autoencoder cannot be loaded from {folder}: train one with"
            " `fit --config backbone/train_autoencoder.yaml`."
        ) from error
    return loaded


def load_part(
    from_pretrained: Callable[..., Any],
    name: str,
    pretrained: str,
    revision: str | None,
    variant: str | None,
    **overrides: Any,  # noqa: ANN401 - values of a part's config
) -> Any:  # noqa: ANN401 - a model, a scheduler or a tokenizer
    """One part of a backbone.

    Args:
        from_pretrained: That of the part's class.
        name: Subfolder.
        pretrained: Folder or hub id, or `small` for the one that ships.
        revision: Branch, tag or commit of a hub id.
        variant: Suffix of the weight files.
        **overrides: Values in place of those in the part's config.

    Raises:
        UserError: It cannot be loaded.
    """
    from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

    if pretrained == SMALL:
        pretrained = str(shipped("checkpoints", SMALL))
    shows = is_progress_bar_enabled()
    disable_progress_bar()  # of reading files, which takes seconds; downloads have one of their own
    try:
        return from_pretrained(pretrained, subfolder=name, revision=revision, variant=variant, **overrides)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        if Path(pretrained).is_dir():
            files = f"weights of variant {variant}" if variant else "weights"
            raise UserError(
                f"The backbone's {name} cannot be loaded from {pretrained}: the folder needs a subfolder"
                f" {name} with config and {files} as diffusers' save_pretrained writes them"
                f" ({type(error).__name__})."
            ) from error
        state = f" --revision {revision}" if revision else ""
        raise UserError(
            f"The backbone's {name} cannot be loaded from {pretrained}: it is no folder here and cannot be"
            f" loaded from the hub{f' at revision {revision}' if revision else ''} ({type(error).__name__});"
            f" run `hf download {pretrained}{state} --local-dir FOLDER` where there is a network, bring"
            " FOLDER here and give it as `pretrained`."
        ) from error
    finally:
        if shows:
            enable_progress_bar()


def load_shared_parts(
    pretrained: str, revision: str | None, variant: str | None, prediction_type: PredictionType | None
) -> tuple[AutoencoderKL | AutoencoderTiny, UNet2DConditionModel, SchedulerMixin]:
    """Autoencoder, denoiser and noise schedule of a backbone; see `load_part`.

    Args:
        pretrained: See `load_part`.
        revision: See `load_part`.
        variant: See `load_part`.
        prediction_type: What the denoiser predicts; None takes it from the schedule's config.
    """
    from diffusers import AutoModel, DDIMScheduler, UNet2DConditionModel

    source = (pretrained, revision, variant)
    overrides = {"prediction_type": prediction_type} if prediction_type else {}
    return (
        # of the class that its config names
        load_part(AutoModel.from_pretrained, "vae", *source),
        load_part(UNet2DConditionModel.from_pretrained, "unet", *source),
        load_part(DDIMScheduler.from_pretrained, "scheduler", *source, **overrides),
    )


def drop_from_config(folder: Path, *names: str) -> None:
    """Take keys out of the `config.json` that a part's `save_pretrained` wrote to `folder`.

    Args:
        folder: The part's.
        *names: Keys; `_name_or_path`, which says where on this machine a part was loaded from, always goes.
    """
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for name in ("_name_or_path", *names):
        config.pop(name, None)
    path.write_text(json.dumps(config, indent=2) + "\n")
