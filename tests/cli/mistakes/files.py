"""Mistakes in pictures, YAML files and checkpoints."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.cli.mistakes.place import BLEND, SYNTHETIC, UNREADABLE, Place
from tests.cli.mistakes.row import Row, row

CACHE = ("cache", "cache/*", "cache/*/lock")  # an empty store
PICTURES = {
    "empty": (lambda path: path.write_bytes(b""), "is not an image"),
    "text": (lambda path: path.write_text("a drawing"), "is not an image"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-40]), "is damaged or cut short"),
    "junk": (lambda path: path.write_bytes(bytes(range(256)) * 8), "is not an image"),
    "huge": (lambda path: Image.new("1", (20000, 4000)).save(path), "more than 64 million pixels"),
    "cmyk": (lambda path: Image.new("CMYK", (32, 32)).save(path, "JPEG"), "CMYK"),
    "floats": (lambda path: Image.new("F", (32, 32)).save(path, "TIFF"), "floating-point"),
    "other_size": (lambda path: Image.new("RGB", (31, 32)).save(path), "differ in size"),
    "unreadable": (lambda path: (path.unlink(), path.symlink_to(UNREADABLE)), "cannot be read"),
}

YAMLS: dict[str, tuple[bytes, str]] = {
    "bad_syntax": (b"data: [1\nmodel: 2\n", "is no valid YAML in line 2"),
    "tabs": (b"data:\n\tbetween: 3\n", "is no valid YAML in line 2"),
    "a_list": (b"- data\n- model\n", "has no keys"),
    "a_number": (b"3\n", "has no keys"),
    "empty": (b"", "has no keys"),
    "not_utf8": ("data: {fit: gr\xfcn}\n".encode("latin-1"), "is no text"),
    "binary": (bytes(range(256)), "is no text"),
    "unknown_key": (b"data: {colour: 3}\n", "colour"),
    "unknown_top_key": (b"dta: {between: 3}\n", "dta"),
    "wrong_type": (b"data: {between: [3]}\n", "data.between"),
    "a_word_for_a_section": (b"data: cels\n", "data"),
    "number_for_a_section": (b"trainer: 3\n", "trainer"),
    "unknown_class": (b"model: {class_path: inbetween.methods.Nope}\n", "no class Nope"),
    "unknown_module": (b"model: {class_path: nope.Nope}\n", "no module nope"),
    "not_a_subclass": (b"model: {class_path: torch.nn.Linear}\n", "torch.nn.Linear is no Method"),
    "wrong_init_type": (b"model: {init_args: {width: wide}}\n", "width"),
    "callback_no_class": (b"trainer: {callbacks: [{class_path: os.path.join}]}\n", "os.path.join"),
    "of_interpolate": (b"spacing: even\nhold: 2\n", "spacing"),
    "duplicate_anchor": (b"data: *nowhere\n", "is no valid YAML in line 1"),
    "recursive": (b"data: &a {source: *a}\n", "contains itself"),
}


def tensors(change: Any) -> Any:
    """A change to a checkpoint's weights."""
    return lambda content: change(content["state_dict"])


class Code:
    """A pickle that would run code."""

    def __reduce__(self) -> Any:
        return print, ("inbetween: ran code",)


def other_shapes(state: dict[str, torch.Tensor]) -> None:
    state["network.0.weight"] = torch.zeros(3, 6, 1, 1)


def missing(state: dict[str, torch.Tensor]) -> None:
    del state["network.1.bias"]


def extra(state: dict[str, torch.Tensor]) -> None:
    state["network.2.bias"] = torch.zeros(3)


def safetensors(place: Place, change: Any, **about: str) -> Path:
    """Weights alone that are not right."""
    state = torch.load(place.shared.checkpoint, weights_only=True)["state_dict"]
    change(state)
    save_file(state, place.folder / "w.safetensors", {"method": BLEND, "hyper_parameters": "{}"} | about)
    return place.folder / "w.safetensors"


CHECKPOINTS: dict[str, tuple[Any, str]] = {
    "missing": (lambda p: p.folder / "nowhere.ckpt", "There is no checkpoint"),
    "folder": (lambda p: p.folder, "There is no checkpoint"),
    "empty": (lambda p: p.write("a.ckpt", b""), "a.ckpt is not a checkpoint"),
    "truncated": (
        lambda p: p.write("a.ckpt", p.shared.checkpoint.read_bytes()[:-500]),
        "a.ckpt is not a checkpoint",
    ),
    "junk": (lambda p: p.write("a.ckpt", bytes(range(256)) * 9), "a.ckpt is not a checkpoint"),
    "text": (lambda p: p.write("a.ckpt", "weights"), "a.ckpt is not a checkpoint"),
    "unreadable": (lambda p: p.link("a.ckpt", UNREADABLE), "a.ckpt"),
    "code": (lambda p: p.changed(lambda content: content.update(a=Code())), "is not a checkpoint"),
    "a_list": (lambda p: (torch.save([1], p.folder / "a.ckpt"), p.folder / "a.ckpt")[1], "not a checkpoint"),
    "bare_weights": (
        lambda p: (torch.save({"w": torch.ones(2)}, p.folder / "a.ckpt"), p.folder / "a.ckpt")[1],
        "is not a checkpoint",
    ),
    "no_weights": (lambda p: p.changed(lambda content: content.pop("state_dict")), "not a checkpoint"),
    "odd_hyperparameters": (
        lambda p: p.changed(lambda content: content["hyper_parameters"].update(depth=3)),
        "depth",
    ),
    "method_no_text": (lambda p: p.changed(lambda content: content.update(method=3)), "is a checkpoint of 3"),
    "other_method": (
        lambda p: p.changed(lambda content: content.update(method="tests.cli.mistakes.blend.Other")),
        "is a checkpoint of Other, and the config names Blend",
    ),
    "other_shapes": (lambda p: p.changed(tensors(other_shapes)), "network.0.weight"),
    "missing_tensors": (lambda p: p.changed(tensors(missing)), "network.1.bias"),
    "extra_tensors": (lambda p: p.changed(tensors(extra)), "network.2.bias"),
    "no_tensors": (
        lambda p: p.changed(lambda content: content["state_dict"].update({"network.1.bias": 3})),
        "network.1.bias",
    ),
    "safetensors_junk": (lambda p: p.write("a.safetensors", b"junk" * 99), "is not a checkpoint"),
    "safetensors_empty": (lambda p: p.write("a.safetensors", b""), "is not a checkpoint"),
    "safetensors_of_others": (
        lambda p: (save_file({"a": torch.ones(1)}, p.folder / "o.safetensors"), p.folder / "o.safetensors")[
            1
        ],
        "is not a checkpoint",
    ),
    "safetensors_truncated": (
        lambda p: p.write("a.safetensors", p.shared.weights.read_bytes()[:-20]),
        "is not a checkpoint",
    ),
    "safetensors_other_shapes": (lambda p: safetensors(p, other_shapes), "network.0.weight"),
    "safetensors_missing": (lambda p: safetensors(p, missing), "network.1.bias"),
    "safetensors_extra": (lambda p: safetensors(p, extra), "network.2.bias"),
    "safetensors_hyperparameters": (
        lambda p: safetensors(p, missing, hyper_parameters="{"),
        "is not a checkpoint",
    ),
}


def rows() -> list[Row]:
    """All of them."""
    found = []
    for name, (break_it, says) in PICTURES.items():
        found += [
            row(
                f"picture_{name}",
                lambda p, b=break_it: p.folder_data("validate", p.scenes(b)),
                "2.png",
                says,
                leaves=CACHE,
            ),
            row(
                f"keyframe_{name}",
                lambda p, b=break_it: p.interpolate(keyframes=p.keyframes(b)),
                "1.png",
                says,
            ),
        ]
    for name, (content, says) in YAMLS.items():
        found.append(
            row(f"yaml_{name}", lambda p, c=content: p.fit("--config", p.write("bad.yaml", c)), says)
        )
    for name in ("bad_syntax", "a_list", "not_utf8", "unknown_key", "tabs"):
        content, says = YAMLS[name]
        found += [
            row(
                f"compare_yaml_{name}", lambda p, c=content: p.compare("--config", p.write("b.yaml", c)), says
            ),
            row(
                f"interpolate_yaml_{name}",
                lambda p, c=content: p.interpolate("--config", p.write("b.yaml", c)),
                says if name != "unknown_key" else "data",
            ),
            row(
                f"benchmark_yaml_{name}",
                lambda p, c=content: p.benchmark("--config", p.write("b.yaml", c)),
                says,
            ),
        ]
    takes: dict[str, Any] = {
        "fit": lambda p, path: p.fit("--ckpt_path", path, "--trainer.max_steps", "4"),
        "interpolate": lambda p, path: p.interpolate("--method", f"{p.blend}={path}"),
        "validate": lambda p, path: p.trainer("validate", "--ckpt_path", path),
        "test": lambda p, path: p.trainer("test", "--ckpt_path", path),
        "predict": lambda p, path: p.trainer("predict", "--ckpt_path", path),
        "compare": lambda p, path: p.compare("--methods", f"{p.blend}={path}"),
        "benchmark": lambda p, path: p.benchmark("--methods", f"{p.blend}={path}"),
    }
    everywhere = ("missing", "junk", "other_method", "other_shapes", "safetensors_missing")
    found += [
        row(f"{command}_checkpoint_{name}", lambda p, m=make, take=take: take(p, m(p)), says)
        for name, (make, says) in CHECKPOINTS.items()
        for command, take in takes.items()
        if name in everywhere or command in {"fit", "interpolate"}
    ]
    found += [
        row(
            "fit_goes_on_from_weights_alone",
            lambda p: p.fit("--ckpt_path", p.changed(lambda c: c.pop("optimizer_states"))),
            "holds weights alone",
        ),
        row("config_is_a_folder", lambda p: p.fit("--config", p.folder), "There is no config file"),
        row(
            "config_is_unreadable",
            lambda p: p.fit("--config", p.link("a.yaml", UNREADABLE)),
            "a.yaml cannot be read",
        ),
        row(
            "config_is_missing",
            lambda p: p.trainer("predict", "--config", "nowhere.yaml"),
            "There is no config file nowhere.yaml",
        ),
        row("config_without_a_name", lambda p: p.fit("--config"), "config"),
        row("config_of_compare_for_fit", lambda p: ["fit", "--config", "compare.yaml"], "methods"),
        row(
            "config_of_interpolate_for_compare",
            lambda p: p.compare("--config", "interpolate.yaml"),
            "There is no",
        ),
        row(
            "config_of_fit_for_interpolate", lambda p: p.interpolate("--config", "repeat.yaml"), "There is no"
        ),
        row("one_keyframe", lambda p: p.interpolate(keyframes=p.keys / "0.png"), "two are needed"),
        row("no_keyframes", lambda p: ["interpolate", "--method", p.blend], "two are needed"),
        row(
            "keyframe_is_missing",
            lambda p: p.interpolate(keyframes=p.folder / "no.png"),
            "There is no image",
        ),
        row("keyframes_in_an_empty_folder", lambda p: p.interpolate(keyframes=p.folder), "holds no image"),
        row(
            "keyframe_is_a_folder_named_png",
            lambda p: ((p.folder / "a.png").mkdir(), p.interpolate(keyframes=p.folder / "a.png"))[1],
            "holds no image",
        ),
        row(
            "spacing_map_in_colour",
            lambda p: p.interpolate("--method", "spacing_flow.yaml", "--spacing_map", p.keys / "1.png"),
            "is not grey",
        ),
        row("spacing_map_missing", lambda p: p.interpolate("--spacing_map", "no.png"), "There is no image"),
        row(
            "spacing_map_of_a_method_without",
            lambda p: p.interpolate("--spacing_map", p.picture(np.zeros((32, 32), np.uint8), "m.png")),
            "takes no spacing map",
        ),
        row(
            "lpips_backbone_missing",
            lambda p: p.compare("--lpips_network", "no.pth"),
            "There is no LPIPS network no.pth",
        ),
        row(
            "lpips_backbone_junk",
            lambda p: p.compare("--lpips_network", p.write("a.pth", b"junk" * 9)),
            "a.pth",
        ),
        row(
            "lpips_backbone_unreadable",
            lambda p: p.compare("--lpips_network", p.link("a.pth", UNREADABLE)),
            "a.pth",
        ),
        row(
            "lpips_backbone_of_others",
            lambda p: p.compare("--lpips_network", p.shared.weights),
            "does not hold AlexNet",
        ),
        row(
            "cels_overlay_alone",
            lambda p: ["compare", "--config", p.overlay(SYNTHETIC | {"methods": ["data/synthetic.yaml"]})],
            "has no `model`",
        ),
    ]
    return found
