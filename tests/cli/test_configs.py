"""Every YAML that ships goes through the real command line."""

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from inbetween.__main__ import main
from inbetween.configs import read_config, read_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
CONTENT = {path.relative_to(CONFIGS).as_posix(): read_config(path) for path in CONFIGS.rglob("*.yaml")}
BASES = sorted(name for name in CONTENT if name.startswith("base/"))
EXPERIMENTS = sorted(
    name for name, keys in CONTENT.items() if "model" in keys and "class_path" in keys["model"]
)
COMPARISONS = sorted(name for name, keys in CONTENT.items() if "methods" in keys)
SHEETS = sorted(name for name, keys in CONTENT.items() if "hold" in keys)
# what an overlay is laid on, where that is not exp1.yaml
BELOW = {
    # the one method that looks at no picture goes with a backbone that reads a prompt
    "backbone/sd15_text.yaml": "latent_slerp.yaml",
    "backbone/refine_autoencoder.yaml": "backbone/train_autoencoder.yaml",
    "backbone/image_variation_one_gpu.yaml": "backbone/train_image_variation.yaml",
    "data/spacing_flow.yaml": "spacing_flow.yaml",
    "spacing_flow_error_head.yaml": "spacing_flow.yaml",
    "trainer/fsdp2.yaml": "wan_14b.yaml",
    "trainer/one_gpu.yaml": "spacing_rife.yaml",
}
OVERLAYS = sorted(set(CONTENT) - set(EXPERIMENTS) - set(COMPARISONS) - set(SHEETS) - set(BASES))


def printed(command: str, *configs: str) -> dict[str, Any]:
    """What `--print_config` says the command would run with."""
    out = io.StringIO()
    arguments = [word for config in configs for word in ("--config", config)]
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        main([command, *arguments, "--print_config"])
    assert ended.value.code in (0, None)
    return yaml.safe_load(out.getvalue())


def missing(wanted: object, found: object, key: str = "") -> list[str]:
    """Keys of `wanted` that `found` lacks or has another value for.

    Where a key takes one class alone, `class_path` and `init_args` may be written or left out.
    """
    if (
        isinstance(wanted, dict)
        and isinstance(found, dict)
        and ("class_path" in wanted) != ("class_path" in found)
        and "init_args" not in {*wanted} & {*found}
    ):
        wanted, found = (
            keys.get("init_args", {}) if "class_path" in keys else keys for keys in (wanted, found)
        )
    if isinstance(wanted, dict) and isinstance(found, dict):
        return [text for name in wanted for text in missing(wanted[name], found.get(name), f"{key}.{name}")]
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        return [text for pair in zip(wanted, found, strict=True) for text in missing(*pair, f"{key}[]")]
    return [] if wanted == found else [f"{key} is {found}, not {wanted}"]


def test_all_kinds_of_config_are_there() -> None:
    assert {"exp1.yaml", "repeat.yaml", "cross_fade.yaml", "optical_flow.yaml", "dis.yaml"} <= set(
        EXPERIMENTS
    )
    assert {"exp2.yaml", "keyframe_diffusion.yaml", "latent_slerp.yaml"} <= set(EXPERIMENTS)
    assert {"data/anita.yaml", "data/folder.yaml", "data/lottie.yaml", "data/synthetic.yaml"} <= set(OVERLAYS)
    assert COMPARISONS == ["compare.yaml"]
    assert SHEETS == ["interpolate.yaml"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_is_what_its_yaml_says(name: str) -> None:
    command = "fit" if "max_steps" in CONTENT[name]["trainer"] else "validate"
    assert missing(CONTENT[name], printed(command, name)) == []


@pytest.mark.parametrize("name", ["exp2.yaml", "spacing_flow.yaml"])
def test_what_a_run_saves_needs_no_base(name: str, tmp_path: Path) -> None:
    found = printed("fit", name)
    saved = tmp_path / "config.yaml"
    saved.write_text(yaml.safe_dump(found))
    assert "base" not in found
    assert printed("fit", str(saved)) == found


def test_an_experiment_adds_to_the_callbacks_of_its_base() -> None:
    names = [callback["class_path"] for callback in printed("fit", "exp2.yaml")["trainer"]["callbacks"]]
    assert [name.rpartition(".")[2] for name in names] == [
        *("FrameMetrics", "SampleGrid", "EMA", "WeightsWriter", "ModelCheckpoint", "LearnedWeights")
    ]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_says_what_is_special_about_it(name: str) -> None:
    """Not what its base says already."""
    path = CONFIGS / name
    keys = read_yaml(path)
    base = read_config(CONFIGS / keys.pop("base"))
    assert repeated(keys, base) == []
    assert {**base.get("model", {}), **keys.get("model", {})}["class_path"]


def repeated(keys: dict[str, Any], base: dict[str, Any], key: str = "") -> list[str]:
    """Keys that say what the base says."""
    found = []
    for name, value in keys.items():
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            found += repeated(value, base[name], f"{key}{name}.")
        elif name in base and base[name] == value:
            found.append(f"{key}{name}")
    return found


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_adds_to_an_experiment(name: str) -> None:
    experiment = BELOW.get(name, "exp1.yaml")
    found = printed("fit", experiment, name)
    assert missing(CONTENT[name], found) == []
    assert missing(CONTENT[experiment]["model"]["class_path"], found["model"]["class_path"]) == []


@pytest.mark.parametrize("name", COMPARISONS)
def test_a_comparison_is_what_its_yaml_says(name: str) -> None:
    assert missing(CONTENT[name], printed("compare", name)) == []
    assert {method.partition("=")[0] for method in CONTENT[name]["methods"]} <= set(EXPERIMENTS)


@pytest.mark.parametrize("name", SHEETS)
def test_a_sheet_for_interpolate_is_what_its_yaml_says(name: str) -> None:
    assert missing(CONTENT[name], printed("interpolate", name)) == []


def test_later_configs_and_keys_win() -> None:
    found = printed("fit", "exp1.yaml", "data/synthetic.yaml")
    assert found["data"]["source"]["init_args"]["length"] == {"train": 10000, "val": 48, "test": 48}
    assert found["data"]["size"] == 256
