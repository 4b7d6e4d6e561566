"""From drawings to a training: sources, shares, and what is held out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inbetween.commands.adapt.drawings import SMALLEST, Drawings
from inbetween.commands.adapt.holding import GAP, blocks, hold_out
from inbetween.commands.adapt.measuring import FEWEST_GROUPS
from inbetween.commands.adapt.sprites import FOLDER, Sprites, digest, make_sprites, nothing_to_move
from inbetween.data import HeldOutScenes, LayeredImages, WindowDataModule, WindowSource, WindowSpec
from inbetween.data.windows import SceneWindows
from inbetween.io.images import read_layers

LARGEST_SIDE = 384  # pixels of the longer side that windows are shrunk to
# Pixels of windows of layers where there are no sequences: twice the largest drawing, within these.
LAYERS_SIDES = (64, 256)
TESTED = 48  # windows to test on, at most
LEARNING_RATE = 2e-4
# Weights of the sources in the mixture of training windows.
SHARES = {"sequences": 3.0, "layers": 2.0, "synthetic": 1.0}
BATCH = 4
_EPOCH = 100_000  # windows of an endless source: more than a training takes


@dataclass
class Preparation:
    """What is trained and tested on.

    Args:
        model: Arguments of the method that differ from its config's.
        cycle: Whether the cycle is trained and measured, of keyframes alone.
        data: All keys of the data module.
        test: The data module of what is held out.
        groups: Of each held-out window, by its index.
        held: Drawings of sequences that are held out.
        tested: What is held out, in words.
        sprites: To be written before anything is read.
        found: Lines that say what was found, and what will be done with it.
    """

    model: dict[str, Any]
    cycle: bool
    data: dict[str, Any] = field(default_factory=dict)
    test: WindowDataModule | None = None
    groups: dict[int, str] = field(default_factory=dict)
    held: list[Path] = field(default_factory=list)
    tested: str = ""
    sprites: Sprites = field(default_factory=Sprites)
    found: list[str] = field(default_factory=list)


def prepare(
    drawings: Drawings, output: Path, keyframes: bool, network: Path | None, seed: int
) -> Preparation:
    """Decide what to train and to test on; decodes the sequences into the frame store.

    Args:
        drawings: What the folder holds.
        output: Where sprites will be.
        keyframes: Sequences are of keyframes alone.
        network: File of VGG16's weights for the perceptual loss; None trains without it.
        seed: Of the training.

    Raises:
        UserError: There are too few drawings, or one cannot be used.
    """
    made = Preparation(_model(keyframes, network), keyframes)
    gaps = [1] if keyframes else [1, 2]
    common = {"between": 1, "gaps": gaps, "stride": 1, "size": _size(drawings), "seed": seed}
    sources: dict[str, dict[str, Any]] = {}
    if drawings.sequences:
        sources["sequences"] = _sequences(made, drawings, common)
    held = {digest(read_layers(path)) for path in made.held} if drawings.static else ()
    made.sprites = make_sprites(drawings.static, not drawings.sequences, without=held)
    layered = not keyframes and (made.sprites.usable or (drawings.sequences and made.sprites.movable))
    if layered:
        sources["layers"] = _layers(made, drawings, common, output / FOLDER)
    elif drawings.static:
        made.found.append(f"static drawings: {len(drawings.static)}, not used here")
        made.sprites = Sprites()
    if not sources:
        raise nothing_to_move(drawings.root)
    endless = {"truth": "targets", "random_t": True, "length": {"train": _EPOCH, "val": 8}}
    sources["synthetic"] = _source("SyntheticAnimation", endless)
    weights = [SHARES[name] for name in sources]
    made.found.append(
        f"synthetic animation: {weights[-1] / sum(weights):.0%} of the training's windows, so that nothing is"
        " forgotten"
    )
    mixture = {"sources": [*sources.values()], "weights": weights, "length": _EPOCH}
    made.data = {
        **common,
        "source": _source("MixedWindows", mixture),
        # samples are cropped, flipped and reversed by the method itself
        "augment": {"flip": 0.0, "reverse": 0.0, "crop": 1.0, "color": 0.0},
        "batch_size": BATCH,
    }
    return made


def _sequences(made: Preparation, drawings: Drawings, common: dict[str, Any]) -> dict[str, Any]:
    """The source of sequences; sets what is tested on."""
    folders = [sequence.folder for sequence in drawings.sequences]
    spec = WindowSpec(**{**common, "gaps": tuple(common["gaps"]), "size": tuple(common["size"])})
    every = HeldOutScenes(drawings.root, folders).dataset("train", spec)
    assert isinstance(every, SceneWindows)
    counts = Counter(every.scenes[place].scene.animation for place, _ in every.windows)
    held = hold_out(drawings, counts, {one.scene.animation: one.hold_starts for one in every.scenes})
    spans = {folder: list(span) for folder, span in held.spans.items()}
    for sequence in drawings.sequences:
        if span := held.spans.get(sequence.folder):
            made.held += sequence.frames[span[0] : span[1] + 1]
    arguments = {"root": str(drawings.root), "folders": folders, "held_out": spans, "margin": GAP}
    source = HeldOutScenes(drawings.root, folders, held.spans, GAP)
    training, testing = source.dataset("train", spec), source.dataset("val", spec)
    assert isinstance(testing, SceneWindows)
    made.groups = blocks(testing, {sequence.folder: sequence.scene for sequence in drawings.sequences})
    made.tested = f"{held.text}, which training has not seen"
    made.test = _test(source, common)
    kind, use = "drawings", "each window is two of them and the one between"
    if made.cycle:
        kind, use = "keyframes", "each must come back from in-betweens before and after it"
    scenes = f"{len(drawings.scenes)} scenes" if len(drawings.scenes) > 1 else "one scene"
    made.found.append(
        f"sequences: {len(folders)} with {drawings.count} {kind} in {scenes}; {use};"
        f" {len(training)} windows to learn from, {len(testing)} to test on ({held.text}),"
        f" {len(every) - len(training) - len(testing)} in neither, being near or like what is held out"
    )
    return _source("HeldOutScenes", arguments)


def _layers(made: Preparation, drawings: Drawings, common: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The source of moving layers; sets what is tested on, where there are no sequences."""
    sprites = made.sprites
    arguments = {"sprites": str(folder), "truth": "targets", "random_t": True}
    arguments["length"] = {"train": _EPOCH, "val": TESTED}
    if made.test is None:
        source = LayeredImages(folder, truth="targets", length={"val": TESTED})
        made.test = _test(source, common)
        # windows are drawn by chance: those of few drawings all show the same ones, and are one group
        enough = sprites.different >= FEWEST_GROUPS
        made.groups = {index: str(index) if enough else "0" for index in range(TESTED)}
        made.tested = f"moving layers of {sprites.held_out} drawings, which training has not seen"
    parts = {
        "with transparency": sprites.transparent,
        "cut from flat paper": sprites.sheets,
        "as backgrounds": sprites.behind,
        "left out, being held out in a sequence": sprites.copies,
    }
    shown = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
    held = f", of {sprites.held_out} of them {TESTED} windows to test on" if sprites.held_out else ""
    made.found.append(
        f"static drawings: {len(drawings.static)} ({shown}); they move as layers, endlessly many windows to"
        f" learn from{held}"
    )
    return _source("LayeredImages", arguments)


def _test(source: WindowSource, common: dict[str, Any]) -> WindowDataModule:
    return WindowDataModule(
        source, **common, batch_size=BATCH, val_windows=TESTED, test_split="val", num_workers=0
    )


def _size(drawings: Drawings) -> list[int]:
    """Height and width of windows: of the largest sequence, shrunk to `LARGEST_SIDE`."""
    if not drawings.sequences:
        least, most = LAYERS_SIDES
        return [min(max(2 * drawings.largest, least), most)] * 2
    height, width = max(
        (sequence.size for sequence in drawings.sequences), key=lambda size: size[0] * size[1]
    )
    share = min(LARGEST_SIDE / max(height, width), 1.0)
    # no side so small that nothing can be cut out of it
    return [max(round(height * share), SMALLEST), max(round(width * share), SMALLEST)]


def _model(keyframes: bool, network: Path | None) -> dict[str, Any]:
    """Arguments of the method: little changes, for a short time."""
    model: dict[str, Any] = {
        "perceptual_weight": 0.0,
        "optimizer": {"init_args": {"lr": LEARNING_RATE}},
        "warmup_steps": 20,
        "prior_dropout": 0.1,
    }
    if keyframes:
        # the cycle alone, and the true motion of synthetic animation
        return model | {"cycle_weight": 1.0, "l1_weight": 0.0, "line_weight": 0.0, "matching_weight": 0.0}
    if network is not None:
        # less of L1, which blurs what is uncertain
        model |= {"l1_weight": 0.5, "perceptual_weight": 1.0, "perceptual_from": 0.0}
        model["perceptual_network"] = str(network)
    return model


def _source(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": f"inbetween.data.{name}", "init_args": arguments}
