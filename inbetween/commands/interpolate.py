"""Your own keyframes in, frames out: a whole sequence, numbered as it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from inbetween.commands.animation import FPS, Animation, check_animation
from inbetween.commands.machine import open_fabric
from inbetween.commands.places import Places, maps_per_pair
from inbetween.commands.sequence_folder import SequenceFolder
from inbetween.data.keyframes import Keyframes, read_keyframes
from inbetween.data.source import MAX_BETWEEN
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.functional.spacing import Chart
from inbetween.interpolation.arcs import Neighbours, check_arcs, neighbours
from inbetween.interpolation.guides import Guides, PairGuides, check_guides
from inbetween.interpolation.keep_palette import flat_palettes, pair_palette
from inbetween.interpolation.loading import ModelFiles, default_method, find_model, load
from inbetween.interpolation.model import Cuts, Interpolator
from inbetween.interpolation.palette import FlatColours, PaletteMode
from inbetween.interpolation.timing import chosen_chart
from inbetween.io.sequences import SourceImage, find_images, left_out
from inbetween.methods.spaced import SpacedMethod
from inbetween.weights.precision import REPLACED, Precision, resolve_precision


def interpolate(
    keyframes: list[str] | None = None,
    output: Path = Path("logs/interpolate"),
    method: str | None = None,
    between: int | None = None,
    spacing: Chart | None = None,
    t: list[float] | None = None,
    spacing_map: list[str] | None = None,
    hold: int = 1,
    cuts: Cuts = "repeat",
    candidates: int = 1,
    animation: Animation = "webp",
    fps: float = FPS,
    seed: int = 0,
    palette: PaletteMode = "none",
    guides: Path | None = None,
    arcs: bool = False,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    overwrite: bool = False,
) -> None:
    """Interpolate between your own keyframes, two or more of any one size.

    Writes the finished sequence as 8-bit PNG files, keyframes included: with N frames between, `0000.png` is
    the first keyframe, `0001.png` to N lie between, N + 1 is the second keyframe, and so on, and
    `animation.webp`, which plays them. Grey keyframes give grey frames, transparent ones transparent frames.
    Between identical keyframes the keyframe is repeated. A method that predicts its error writes
    `review.csv`: which frames are `easy`, which to `check`, which to `redraw` by hand. After an
    interruption the same command continues where it stopped.

    Args:
        keyframes: Images in order, or a folder of them (in natural order). Of an animated file (GIF, PNG,
            WebP, AVIF) or one of many pages (TIFF) every image is a keyframe.
        output: Folder for the frames. It must not hold others.
        method: A method that ships, such as `spacing_flow`, `dis` or `exp1`; weights that `fit` wrote; a YAML
            file such as `fit` takes, here or among the shipped configs; or both, as `exp1.yaml=PATH`. Without
            it, `spacing_rife` where RIFE's weights have been fetched (`fetch-weights rife`), else
            `spacing_flow`.
        between: Frames between two keyframes; 1 unless `t` or `spacing_map` is given.
        spacing: Their spacing chart: `even` (the default), `ease_in` (starts slowly), `ease_out` (ends
            slowly), `ease_in_out`, or `halves` (each goes half of the remaining distance: 1/2, 3/4, 7/8).
        t: A chart of your own, instead of both: the position of each frame, rising numbers between 0 and 1.
        spacing_map: Instead, a grey image per frame, or a folder of them: how far each pixel has moved, black
            at the first keyframe, white at the last. For methods that follow spacing maps.
        hold: How often each frame is written: 2 is "on twos".
        cuts: Between keyframes of two different shots `repeat` repeats the first one, and `interpolate`
            interpolates all the same.
        candidates: How many candidates to make, each in a folder of its own: `candidate_1` and so on.
            For methods that sample at random, and for spacing flow and spacing RIFE: their second takes more
            of the first keyframe where both disagree, their third more of the last.
        animation: What to write beside the frames to play them: `webp`, with all colours and transparency,
            `gif`, or `none`.
        fps: Frames a second in that file.
        seed: Seed of methods that sample at random.
        palette: `keep` repaints frames of flat-coloured drawings in the flat colours of their two keyframes,
            and mixtures of two where these meet, as antialiasing has it. `none` leaves them as drawn.
        guides: A JSON file of guides: paths, matched points, bones and spacing by region; see the page
            Steering of the manual. A pair of keyframes that has guides is no cut.
        arcs: Let motion run through the keyframes, on curved paths and without a jump of its velocity; for
            spacing flow and spacing RIFE.
        precision: bf16-mixed runs networks in bfloat16 where the device has fast instructions for it, else
            in float32.
        accelerator: Where to compute, as in Lightning's Trainer: `auto`, `cpu`, `gpu`, `mps`.
        overwrite: Replace the numbered frames that are in `output` already.

    Raises:
        UserError: An option is invalid, or a file cannot be used.
    """
    for name, value in (("between", between or 1), ("hold", hold), ("candidates", candidates)):
        if value < 1:
            raise UserError(f"{name} is {value}: give 1 or more.")
        if value > MAX_BETWEEN:
            raise UserError(f"{name} is {value}: give {MAX_BETWEEN} at most.")
    maps = find_images(spacing_map or [])
    chart = () if maps else chosen_chart(between, spacing, t)
    if maps and (between is not None or spacing or t):
        raise UserError("spacing_map sets the frames' positions: leave out --between, --spacing and --t.")
    keys = read_keyframes(keyframes or [], partial(tqdm, desc="reading keyframes", leave=False, disable=None))
    check_animation(animation, fps, keys.size)
    steered = Guides() if guides is None else Guides.read(guides)
    keys = replace(keys, cuts=keys.cuts - steered.followed)
    places = Places(chart, maps_per_pair(maps, keys))
    read = map(keys.read, range(len(keys.source_images)))
    names = [str(source_image) for source_image in keys.source_images]
    palettes = flat_palettes(read, palette, names, keys.cuts if cuts == "repeat" else ())
    name, advice = default_method() if method is None else (method, "")
    files = find_model(name)
    asked, precision = precision, resolve_precision(precision, accelerator)
    model = load(name, device=open_fabric(accelerator, precision).device, precision=precision)
    _check_method(model, name, candidates, spaced=bool(maps))
    check_guides(steered, keys.size, len(keys.source_images) - 1, model.method)
    if arcs:
        check_arcs(model.method)
    if steered and maps:
        raise UserError("guides move things by t: leave out --spacing_map, or give spacing among the guides.")
    folder = SequenceFolder(output.expanduser(), candidates, hold)
    job = {
        "keyframes": [state_of(source_image) for source_image in keys.source_images],
        "t": list(chart),
        "spacing_map": [state_of(source_image) for source_image in maps],
        "hold": hold,
        "cuts": cuts,
        "candidates": candidates,
        "method": [state_of(SourceImage(path)) for path in files if path],
        "seed": seed,
        "precision": precision,
    }
    if palette != "none":
        job["palette"] = palette
    if arcs:
        job["arcs"] = True
    if steered:
        job["guides"] = steered.digest
    folder.prepare([source_image.path for source_image in (*keys.source_images, *maps)], job, overwrite)

    if precision != asked:
        print(REPLACED)
    print(f"{keys}; between each two {places}, by {name}")
    if advice:
        print(advice)
    _warn(keys, [*(keyframes or []), *(spacing_map or [])], model, files, cuts)
    frames = numbered(len(keys.source_images) - 1, places.count)
    work = [(pair, candidate) for pair in range(len(frames)) for candidate in range(candidates)]
    left = [(pair, candidate) for pair, candidate in work if not folder.has(candidate, frames[pair])]
    if len(left) < len(work):
        print(f"{len(work) - len(left)} of {len(work)} pairs of keyframes are done already")
    try:
        for pair, candidate in tqdm(left, desc="interpolating", unit="pair", leave=False, disable=None):
            held = cuts == "repeat" and pair + 1 in keys.cuts
            own, moved = palettes[pair : pair + 2], steered.of_pair(pair)
            shots = keys.cuts if cuts == "repeat" else ()
            near = neighbours(keys.read, len(keys.source_images), pair, shots) if arcs else None
            write_pair(
                model,
                keys,
                places,
                folder,
                pair,
                candidate,
                frames[pair],
                own,
                moved,
                near,
                held=held,
                seed=seed,
            )
        if animation != "none":
            folder.animate(frames[-1].stop, animation, fps)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command continues where it stopped") from None
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"The memory of {model.device} is too small for {keys}: give smaller keyframes, or --accelerator"
            " cpu."
        ) from error
    print(f"frames: {folder}")
    for line in folder.review():
        print(line)


def numbered(pairs: int, count: int) -> list[range]:
    """Numbers of the frames of each pair, in the order of the sequence.

    A pair's are its first keyframe and `count` that lie between; the last pair's, its last keyframe too.
    """
    step = count + 1
    return [range(pair * step, (pair + 1) * step + (pair == pairs - 1)) for pair in range(pairs)]


def write_pair(
    model: Interpolator,
    keys: Keyframes,
    places: Places,
    folder: SequenceFolder,
    pair: int,
    candidate: int,
    frames: range,
    colours: Sequence[FlatColours] = (),
    guides: PairGuides | None = None,
    near: Neighbours | None = None,
    *,
    held: bool,
    seed: int,
) -> None:
    """Interpolate between two keyframes and write the frames as they come, then the keyframes.

    Args:
        model: The method.
        keys: All keyframes.
        places: Positions of the frames.
        folder: The output.
        pair: Number of the pair.
        candidate: Number of the candidate.
        frames: Numbers of the pair's frames; see `numbered`.
        colours: Flat colours of both keyframes, to repaint the frames in; none to leave them.
        guides: The pair's guides.
        near: The keyframes around it, for motion that runs through keyframes.
        held: Repeat the first keyframe instead.
        seed: Of the whole job.
    """
    first, last = keys.read(pair), keys.read(pair + 1)
    numbers = iter(frames[1:])
    parts = model.in_betweens(
        first,
        first if held else last,
        places.count,
        partial(places.between, pair),
        transparent=keys.transparent,
        candidate=candidate,
        seed=sample_seed(seed, candidate, pair),
        palette=None if held else pair_palette(first, last, colours),
        guides=guides,
        near=near,
    )
    thresholds = model.method.review_thresholds if isinstance(model.method, SpacedMethod) else None
    for images, errors in parts:
        own = list(islice(numbers, len(images)))
        if thresholds and errors is not None:
            folder.write_review(candidate, own, errors.flatten(1).mean(1).tolist(), thresholds)
        for number, image in zip(own, images, strict=True):
            folder.write(candidate, number, keys.as_stored(image))
    for number, keyframe in zip([frames[0], *numbers], (first, last), strict=False):
        folder.write(candidate, number, keys.as_stored(keyframe))


def state_of(source_image: SourceImage) -> list[Any]:
    """Path, size and modification time of an image's file, and the image's index in it."""
    found = source_image.path.stat()
    state = [str(source_image.path.resolve()), found.st_size, found.st_mtime_ns]
    return state if source_image.frame is None else [*state, source_image.frame]


def _check_method(model: Interpolator, name: str, candidates: int, spaced: bool) -> None:
    """Check that a method supports spacing maps and that many candidates, where they are asked for."""
    kind, own = type(model.method).__name__, model.candidates
    if spaced and not isinstance(model.method, SpacedMethod):
        raise UserError(f"{kind} ({name}) takes no spacing map: leave out --method, or give --t instead.")
    if candidates > own and not model.stochastic:
        raise UserError(
            f"{kind} ({name}) has {own} candidates: give --candidates {own} or less."
            if own > 1
            else f"{kind} ({name}) has one candidate only: leave out --candidates."
        )


def _warn(keys: Keyframes, entries: list[str], model: Interpolator, files: ModelFiles, cuts: Cuts) -> None:
    """Warn about an untrained method, files that are left out, and cuts."""
    config = files.config.name
    untrained = not files.weights and not model.method.begins_trained
    if untrained and any(parameter.requires_grad for parameter in model.method.parameters()):
        print(f"warning: {config} is not trained: give the weights of a run with --method {config}=PATH")
    if unread := left_out(entries):
        named = ", ".join(map(str, unread))
        print(f"warning: of a kind that is not read, and left out: {named}; to use them, save them as PNG")
    for number in sorted(keys.cuts):
        before, after = keys.source_images[number - 1], keys.source_images[number]
        held = f"{before} is repeated until then; --cuts interpolate interpolates instead"
        then = held if cuts == "repeat" else "interpolating anyway"
        print(f"warning: {after} seems to begin another shot: {then}")
