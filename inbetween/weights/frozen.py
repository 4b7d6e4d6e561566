"""State dicts without frozen weights."""

from typing import Any

from torch import nn


def frozen_keys(module: nn.Module) -> set[str]:
    """Names in `module.state_dict()` that training does not change.

    These are parameters without gradient, and buffers of submodules all of whose parameters are
    without gradient.
    """
    keys = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    for prefix, child in module.named_modules():
        parameters = list(child.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            keys |= {f"{prefix}.{name}" if prefix else name for name, _ in child.named_buffers()}
    return keys


def leave_frozen_out(module: nn.Module) -> None:
    """Make `module.state_dict()` hold the trainable weights alone, and accept such a dict on loading.

    A frozen key that is missing is forgiven on loading, since its weights come from the backbone. A
    trainable key that is missing stays an error, and so does an unexpected one. Which weights are
    frozen is read at each call, so it may change later.
    """
    module.register_state_dict_post_hook(_drop)  # type: ignore[no-untyped-call]
    module.register_load_state_dict_post_hook(_forgive)  # type: ignore[no-untyped-call]


# The hooks use the module they are called for, so that they work for copies of a module.
def _drop(module: nn.Module, state_dict: dict[str, Any], prefix: str, _: dict[str, Any]) -> None:
    for key in frozen_keys(module):
        state_dict.pop(prefix + key, None)


def _forgive(module: nn.Module, incompatible: tuple[list[str], list[str]]) -> None:
    missing, _unexpected = incompatible
    frozen = tuple(frozen_keys(module))
    # Names carry the prefix of whatever wraps the module, such as an average of the weights.
    missing[:] = [key for key in missing if not key.endswith(frozen)]
