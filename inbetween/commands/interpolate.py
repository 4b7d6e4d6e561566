"""Your own keyframes in, drawings out: a whole sequence, numbered as it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm import tqdm

from inbetween.commands.machine import open_fabric
from inbetween.commands.methods import load_method, placed
from inbetween.commands.pair_interpolation import candidates_of, few_at_once, is_stochastic, pair_interpolator
from inbetween.commands.sequence_folder import SequenceFolder
from inbetween.data.keyframes import Keyframes, one_size, read_keyframes, read_spacing_map
from inbetween.data.source import MOST_BETWEEN
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.functional.spacing import Chart, spacing_chart
from inbetween.io.sequences import SourceImage, SourceImageReader, find_images, left_out
from inbetween.methods.spaced import SpacedMethod
from inbetween.paths import find_checkpoint, find_config
from inbetween.weights.precision import REPLACED, Precision, resolve_precision

DEFAULT_METHOD = "spacing_flow.yaml=spacing_flow/weights.safetensors"


def interpolate(
    keyframes: list[str] | None = None,
    output: Path = Path("logs/interpolate"),
    method: str | None = None,
    between: int | None = None,
    spacing: Chart | None = None,
    t: list[float] | None = None,
    spacing_map: list[str] | None = None,
    hold: int = 1,
    cuts: Literal["repeat", "interpolate"] = "repeat",
    candidates: int = 1,
    seed: int = 0,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    overwrite: bool = False,
) -> None:
    """Draw the frames between your own keyframes, two or more of any one size.

    Writes the finished sequence as 8-bit PNG files, keyframes included: with N drawings between, `0000.png`
    is the first keyframe, `0001.png` to N the drawings, N + 1 the second keyframe, and so on. Grey
    keyframes give grey drawings, transparent ones transparent drawings. Between identical keyframes the
    drawing is repeated. A method that knows how sure it is writes `verdicts.csv`: which drawings are `easy`,
    which to `check`, which to `redraw` by hand. Interrupted, the same command goes on where it stopped.

    Args:
        keyframes: Pictures in order, or a folder of them (in natural order). Of an animated file (GIF, PNG,
            WebP, AVIF) or one of many pages (TIFF) every picture is a keyframe.
        output: Folder for the drawings. It must not hold others.
        method: A YAML file such as `fit` takes, here or among the shipped configs; `exp1.yaml=PATH` runs
            the method with the weights of the checkpoint PATH. Where nothing is said spacing flow draws, with
            the weights that ship.
        between: Drawings between two keyframes; 1 where nothing else says how many.
        spacing: How they lie: `even`, `ease_in` (starts slowly), `ease_out` (ends slowly), `ease_in_out`, or
            `halves` (each goes half of the way that is left: 1/2, 3/4, 7/8). Even where nothing else says.
        t: A chart of your own instead of both: where each drawing lies, rising numbers between 0 and 1.
        spacing_map: Grey pictures instead, one per drawing, or a folder of them: how far each region has
            gone, black not at all, white all the way. For methods that can follow one.
        hold: Frames that each drawing is shown for: 2 is "on twos". Each is written that often.
        cuts: Between keyframes of two different shots `repeat` repeats the first one and
            `interpolate` interpolates all the same.
        candidates: How many versions to draw, each in a folder of its own: `candidate_1`, `candidate_2`, ...
            For methods that draw by chance, and those that know more than one drawing: spacing flow's
            second takes more of the first keyframe where both disagree, its third more of the last.
        seed: Decides what methods that draw by chance come up with.
        precision: bf16-mixed runs networks in bfloat16 where that is safe, and in float32 where the machine
            has no fast instructions for it.
        accelerator: As Lightning's Trainer takes it.
        overwrite: Replace the numbered drawings that are in `output` already.

    Raises:
        UserError: A key makes no sense, or a file cannot be used.
    """
    for name, value in (("between", between or 1), ("hold", hold), ("candidates", candidates)):
        if value < 1:
            raise UserError(f"{name} is {value}: give 1 or more.")
        if value > MOST_BETWEEN:
            raise UserError(f"{name} is {value}: give {MOST_BETWEEN} at most.")
    maps = find_images(spacing_map or [])
    chart = () if maps else chosen_chart(between, spacing, t)
    if maps and (between is not None or spacing or t):
        raise UserError("spacing_map says where each drawing lies: leave out --between, --spacing and --t.")
    keys = read_keyframes(keyframes or [], partial(tqdm, desc="looking", leave=False, disable=None))
    places = Places(chart, maps_per_pair(maps, keys))
    method = method or DEFAULT_METHOD
    config, _, checkpoint = method.partition("=")
    model = [find_config(config), *([find_checkpoint(checkpoint)] if checkpoint else [])]
    asked, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    # Weights that no checkpoint brings start the same in every run.
    fabric.seed_everything(0, verbose=False)
    loaded = placed(load_method(*model), fabric.device)
    if maps and not isinstance(loaded, SpacedMethod):
        raise UserError(
            f"{type(loaded).__name__} ({config}) takes no spacing map: leave out --method, or give --t"
            " instead."
        )
    available = candidates_of(loaded)
    if candidates > available and not is_stochastic(loaded, fabric):
        has = f"{type(loaded).__name__} ({config}) has"
        raise UserError(
            f"{has} {available} answers: give --candidates {available} or less."
            if available > 1
            else f"{has} one answer only: leave out --candidates."
        )
    folder = SequenceFolder(output.expanduser(), candidates, hold)
    job = {
        "keyframes": [state_of(source_image) for source_image in keys.source_images],
        "t": list(chart),
        "spacing_map": [state_of(source_image) for source_image in maps],
        "hold": hold,
        "cuts": cuts,
        "candidates": candidates,
        "method": [state_of(SourceImage(path)) for path in model],
        "seed": seed,
        "precision": precision,
    }
    folder.prepare([source_image.path for source_image in (*keys.source_images, *maps)], job, overwrite)

    if precision != asked:
        print(REPLACED)
    print(f"{keys}; between each two {places}, by {method}")
    if not checkpoint and any(parameter.requires_grad for parameter in loaded.parameters()):
        print(f"warning: {config} is not trained: give the weights of a run with --method {config}=PATH")
    if unread := left_out([*(keyframes or []), *(spacing_map or [])]):
        named = ", ".join(map(str, unread))
        print(f"warning: of a kind that is not read, and left out: {named}; to use them, save them as PNG")
    for number in sorted(keys.cuts):
        before, after = keys.source_images[number - 1], keys.source_images[number]
        held = f"{before} is held until then; --cuts interpolate interpolates instead"
        print(
            f"warning: {after} seems to begin another shot: {held if cuts == 'repeat' else 'drawing anyway'}"
        )
    pairs, step = len(keys.source_images) - 1, places.count + 1
    work = [(pair, candidate) for pair in range(pairs) for candidate in range(candidates)]
    # a pair's frames are its first keyframe and what lies between; the last pair's, its last keyframe too
    frames = [range(pair * step, (pair + 1) * step + (pair == pairs - 1)) for pair in range(pairs)]
    left = [(pair, candidate) for pair, candidate in work if not folder.has(candidate, frames[pair])]
    if len(left) < len(work):
        print(f"{len(work) - len(left)} of {len(work)} pairs of keyframes are done already")
    try:
        for pair, candidate in tqdm(left, desc="interpolating", unit="pair", leave=False, disable=None):
            first, last = keys.read(pair), keys.read(pair + 1)
            numbers = iter(frames[pair][1:])
            if torch.equal(first, last) or (cuts == "repeat" and pair + 1 in keys.cuts):
                for _ in range(places.count):
                    folder.write(candidate, next(numbers), keys.as_stored(first))
            else:
                chance = sample_seed(seed, candidate, pair)
                with fabric.autocast(), torch.no_grad():
                    interpolator = pair_interpolator(
                        loaded, first, last, chance, keys.transparent, candidate % available
                    )
                for part in few_at_once(places.count, keys.size):
                    with fabric.autocast(), torch.no_grad():
                        in_betweens, errors = interpolator(places.between(pair, part))
                    own = list(islice(numbers, len(part)))
                    if isinstance(loaded, SpacedMethod) and loaded.review_thresholds and errors is not None:
                        expected = errors.flatten(1).mean(1).tolist()
                        folder.write_verdicts(candidate, own, expected, loaded.review_thresholds)
                    for number, in_between in zip(own, in_betweens, strict=True):
                        folder.write(candidate, number, keys.as_stored(in_between))
            for number, keyframe in zip([frames[pair][0], *numbers], (first, last), strict=False):
                folder.write(candidate, number, keys.as_stored(keyframe))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on where it stopped") from None
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"The memory of {loaded.device} is too small for {keys}: give smaller keyframes, or --accelerator"
            " cpu."
        ) from error
    print(f"drawings: {folder}")
    for line in folder.verdicts():
        print(line)


@dataclass(frozen=True)
class Places:
    """Where the drawings between two neighbouring keyframes lie.

    Args:
        t: Rising numbers in (0, 1), the same between all keyframes; empty where maps have the say.
        maps: Spacing maps of each pair of keyframes; empty where `t` has the say.
        reader: Reads the maps.
    """

    t: tuple[float, ...]
    maps: tuple[tuple[SourceImage, ...], ...]
    reader: SourceImageReader = field(default_factory=SourceImageReader)

    @property
    def count(self) -> int:
        """Drawings between two keyframes."""
        return len(self.t) or len(self.maps[0])

    def between(self, pair: int, part: range) -> Tensor:
        """`t` (1, n), or the spacing (1, n, 1, H, W), in [0, 1], of some drawings of a pair of keyframes."""
        if self.t:
            return torch.tensor([self.t[part.start : part.stop]])
        maps = self.maps[pair][part.start : part.stop]
        return torch.stack([read_spacing_map(source_image, self.reader) for source_image in maps])[None]

    def __str__(self) -> str:
        where = " ".join(f"{t:.3g}" for t in self.t)
        count = f"{self.count} drawing{'s' if self.count > 1 else ''}"
        return f"{count} at {where}" if where else f"{count} where the spacing maps say"


def chosen_chart(between: int | None, spacing: Chart | None, t: list[float] | None) -> tuple[float, ...]:
    """Where the drawings between two keyframes lie: the user's own chart, or one of ours.

    Raises:
        UserError: Both are given, or the numbers do not rise from 0 to 1.
    """
    if t and (between is not None or spacing):
        raise UserError("t says how many drawings there are and where: leave out --between and --spacing.")
    if between is not None and between < 1:
        raise UserError(f"between is {between}: there must be at least 1 drawing between two keyframes.")
    chart = t or spacing_chart(spacing or "even", between or 1)
    # methods calculate in float32, where drawings may meet that are apart in float64
    rounded = torch.tensor([0.0, *chart, 1.0])
    if bool((rounded.diff() > 0).all()):
        return tuple(chart)
    if t:
        given = " ".join(map(str, t))
        raise UserError(f"t is {given}: give rising numbers between 0 and 1, such as --t 0.25 0.5 0.75.")
    raise UserError(f"spacing {spacing} leaves no room for {between} drawings: ask for fewer.")


def maps_per_pair(maps: tuple[SourceImage, ...], keys: Keyframes) -> tuple[tuple[SourceImage, ...], ...]:
    """Deal spacing maps out to the pairs of keyframes, and look at each.

    Raises:
        UserError: They do not come out even, differ from the keyframes in size, or are not grey.
    """
    pairs, reader = len(keys.source_images) - 1, SourceImageReader()
    if len(maps) % pairs:
        raise UserError(
            f"There are {len(maps)} spacing maps for {pairs} pairs of keyframes: give equally many for each."
        )
    if maps:
        one_size([keys.source_images[0], *maps], "Keyframes and spacing maps", reader)
    for source_image in maps:
        read_spacing_map(source_image, reader)
    count = len(maps) // pairs
    return tuple(maps[pair * count : (pair + 1) * count] for pair in range(pairs if maps else 0))


def state_of(source_image: SourceImage) -> list[Any]:
    """What tells that a file is still the same, and which of its pictures is meant."""
    found = source_image.path.stat()
    state = [str(source_image.path.resolve()), found.st_size, found.st_mtime_ns]
    return state if source_image.frame is None else [*state, source_image.frame]
