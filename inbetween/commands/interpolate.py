"""Your own keyframes in, frames out: a whole sequence, numbered as it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from zlib import crc32

import torch
from tqdm import tqdm

from inbetween.commands.inputs import check_unchanged, file_state, state_of
from inbetween.commands.machine import open_fabric
from inbetween.commands.places import Places
from inbetween.commands.playing import Playback, Written
from inbetween.commands.remarks import check_charts, check_method, check_steering, warnings
from inbetween.commands.sequence_folder import SequenceFolder
from inbetween.commands.sequence_page import write_sequence
from inbetween.commands.timeline import check_options, frame_rate, keyframes_in, numbered, plan
from inbetween.data.keyframes import Keyframes, read_keyframes
from inbetween.data.source import MAX_BETWEEN
from inbetween.data.transitions import Transition
from inbetween.errors import UserError
from inbetween.functional.seeds import sample_seed
from inbetween.functional.spacing import Chart
from inbetween.interpolation.arcs import Neighbours, neighbours
from inbetween.interpolation.guides import Guides, PairGuides
from inbetween.interpolation.keep_palette import flat_palettes, pair_palette
from inbetween.interpolation.loading import default_method, find_model, load
from inbetween.interpolation.model import Cuts, Interpolator
from inbetween.interpolation.palette import FlatColours, PaletteMode
from inbetween.interpolation.timing import chosen_chart
from inbetween.io.animation import SLOWEST
from inbetween.io.sequences import SourceImage, find_images
from inbetween.methods.spaced import SpacedMethod
from inbetween.weights.precision import REPLACED, Precision, resolve_precision


def interpolate(
    keyframes: list[str] | None = None,
    output: Path = Path("logs/interpolate"),
    method: str | None = None,
    between: int | None = None,
    frames: int | None = None,
    spacing: Chart | None = None,
    t: list[float] | None = None,
    spacing_map: list[str] | None = None,
    hold: int = 1,
    keys_every: int = 1,
    loop: bool = False,
    redraw_holds: bool = False,
    cuts: Cuts = "repeat",
    candidates: int = 1,
    write: Sequence[Written] = ("webp",),
    fps: float | None = None,
    plays: int = 0,
    seed: int = 0,
    palette: PaletteMode = "none",
    guides: Path | None = None,
    arcs: bool = False,
    report: bool = False,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    overwrite: bool = False,
) -> None:
    """Interpolate between your own keyframes, two or more of any one size.

    Writes the finished sequence as PNG files, keyframes included: with N frames between, `0000.png` is
    the first keyframe, `0001.png` to N lie between, N + 1 is the second keyframe, and so on, and what
    plays them. Grey keyframes give grey frames, transparent ones transparent frames, PNG and TIFF files of 16
    bits frames of 16 bits. Between identical keyframes the keyframe is repeated. A method that predicts its
    error writes `review.csv`: which frames are `easy`, which to `check`, which to `redraw` by hand. After an
    interruption the same command continues where it stopped.

    Args:
        keyframes: Images in order, a folder of them (in natural order), or a video. Of a video, an animated
            file (GIF, PNG, WebP, AVIF) or one of many pages (TIFF) all are keyframes.
        output: Folder for the frames. It must not hold others.
        method: A method that ships, such as `spacing_flow`, `dis` or `exp1`; weights that `fit` wrote; a YAML
            file such as `fit` takes, here or among the shipped configs; or both, as `exp1.yaml=PATH`. Without
            it, `spacing_rife` where RIFE's weights have been fetched (`fetch-weights rife`), else
            `spacing_flow`.
        between: Frames between two keyframes; 1 unless something else sets their number.
        frames: The number of all drawings instead, keyframes included, spread evenly.
        spacing: Their spacing chart: `even` (the default), `ease_in` (starts slowly), `ease_out` (ends
            slowly), `ease_in_out`, or `halves` (each goes half of the remaining distance: 1/2, 3/4, 7/8).
        t: A chart of your own, instead of both: the position of each frame, rising numbers between 0 and 1.
        spacing_map: Instead, a grey image per frame, or a folder of them: how far each pixel has moved, black
            at the first keyframe, white at the last. For methods that follow spacing maps.
        hold: How often each frame is written: 2 is "on twos".
        keys_every: Take every so many of the images as keyframes, from the first on.
        loop: A cycle: interpolate from the last keyframe to the first, too, which is not repeated at the end.
        redraw_holds: For a clip on twos or threes: each repeated image becomes an in-between, at its own
            time. The others stay as they are, and so do the last drawing and those held for more than 6
            frames.
        cuts: Between keyframes of two different shots `repeat` repeats the first one, blends a fade, and
            shows a flash once; `interpolate` interpolates all the same.
        candidates: How many candidates to make, each in a folder of its own: `candidate_1` and so on.
            For methods that sample at random, and for spacing flow and spacing RIFE: their second takes more
            of the first keyframe where both disagree, their third more of the last.
        write: What to write beside the frames: `webp` and `apng` play them, with all colours and
            transparency, and so do `gif` and `mp4`; `sheet` shows all on one sheet; or `none`.
        fps: Frames a second in what plays. Without it, as many as keep the times of the keyframes where a
            video or an animated file has times, else 12. For such a file alone it also sets the number of
            frames, so that they last as long.
        plays: How often `webp`, `apng` and `gif` play; 0 is for ever.
        seed: Seed of methods that sample at random.
        palette: `keep` repaints frames of flat-coloured drawings in the flat colours of their two keyframes,
            and mixtures of two where these meet, as antialiasing has it; in 8 bits. `none` leaves them as
            drawn.
        guides: A JSON file: paths, matched points, bones and spacing by region; see the manual's Steering.
        arcs: Let motion run through the keyframes; for spacing flow and spacing RIFE.
        report: Also write `report.html`: the sequence, played in a browser, with marks of what to review,
            onion skin, and candidates side by side.
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
    playback = Playback(write, fps, plays)
    given = {"between": between, "frames": frames, "spacing": spacing, "t": t, "spacing_map": spacing_map}
    every = keys_every if keys_every != 1 else None
    check_options({**given, "hold": hold - 1 or None, "keys_every": every, "redraw_holds": redraw_holds})
    chosen_chart(between, spacing, t or None)
    maps = find_images(spacing_map or [])
    keys = read_keyframes(
        keyframes or [],
        partial(tqdm, desc="reading keyframes", leave=False, disable=None),
        every=keys_every,
        loop=loop,
        redraw_holds=redraw_holds,
    )
    steered = Guides() if guides is None else Guides.read(guides)
    keys = keys.with_motion(steered.guided)
    places = plan(keys, between, spacing, t, maps, frames, fps, hold)
    numbers = numbered(places, loop)
    playback.check(keys.size, numbers[-1].stop, hold)
    transitions = [keys.transition(pair, cuts == "repeat") for pair in range(keys.pairs)]
    names = [str(source_image) for source_image in keys.stops]
    still = [pair + 1 for pair, transition in enumerate(transitions) if transition != "motion"]
    palettes = flat_palettes(map(keys.read, range(len(names))), palette, names, still)
    name, advice = default_method() if method is None else (method, "")
    files = find_model(name)
    asked, precision = precision, resolve_precision(precision, accelerator)
    model = load(name, device=open_fabric(accelerator, precision).device, precision=precision)
    check_method(model, name, candidates, spaced=bool(maps))
    check_steering(model, keys, steered, arcs, spaced=bool(maps))
    check_charts(model, keys, places, transitions)
    depth = 8 if palettes else keys.depth
    folder = SequenceFolder(output.expanduser(), candidates, hold, depth, keys.chunks)
    inputs = [source_image.path for source_image in (*keys.source_images, *maps)]
    states = {path: file_state(path) for path in inputs}
    job = {
        "keyframes": [state_of(source_image) for source_image in keys.source_images],
        "t": places.t,
        "spacing_map": [state_of(source_image) for source_image in maps],
        "hold": hold,
        "cuts": cuts,
        "candidates": candidates,
        "method": [state_of(SourceImage(path)) for path in files if path],
        "seed": seed,
        "precision": precision,
    }
    # only what is asked for: records of earlier versions stay valid
    more = {
        "palette": palette if palettes else None,
        "guides": steered.digest if steered else None,
        "arcs": arcs,
        "loop": loop,
        "rest": places.rest,
        "transitions": transitions if {"fade", "repeat_last"} & {*transitions} or keys.gaps else None,
        "depth": depth if depth > 8 else None,
        "appearance": [[kind.decode(), crc32(content)] for kind, content in keys.chunks],
    }
    job |= {key: value for key, value in more.items() if value}
    folder.prepare(inputs, job, overwrite)

    if precision != asked:
        print(REPLACED)
    print(f"{keys}; between each two {places}, by {name}")
    if advice:
        print(advice)
    for warning in warnings(keys, [*(keyframes or []), *(spacing_map or [])], model, files, cuts):
        print(f"warning: {warning}")
    rate = frame_rate(keys, places, hold)
    if keys.span and fps is None:
        print(f"at {rate:g} frames a second, as {keys.source_images[0].path} keeps time")
    work = [(pair, candidate) for pair in range(len(numbers)) for candidate in range(candidates)]
    left = [(pair, candidate) for pair, candidate in work if not folder.has(candidate, numbers[pair])]
    if len(left) < len(work):
        print(f"{len(work) - len(left)} of {len(work)} pairs of keyframes are done already")
    try:
        for pair, candidate in tqdm(left, desc="interpolating", unit="pair", leave=False, disable=None):
            used = (*keys.stops[max(pair - 1, 0) : pair + 3], *(places.maps[pair] if maps else ()))
            check_unchanged({image.path: states[image.path] for image in used})
            own, moved = palettes[pair : pair + 2], steered.of_pair(pair)
            near = neighbours(keys.read, keys.pairs, pair, still, loop) if arcs else None
            write_pair(
                model,
                keys,
                places,
                folder,
                pair,
                candidate,
                numbers[pair],
                own,
                transitions[pair],
                moved,
                near,
                seed=seed,
            )
        for warning in playback.write(folder, numbers[-1].stop, rate, keyframes_in(places, loop)):
            print(warning)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command continues where it stopped") from None
    except torch.OutOfMemoryError as error:
        raise UserError(
            f"The memory of {model.device} is too small for {keys}: give smaller keyframes, or --accelerator"
            " cpu."
        ) from error
    if report:
        facts = [("Keyframes", str(keys)), ("Between each two", str(places)), ("Method", name)]
        shown = range(0, hold * numbers[-1].stop, hold)
        ends = {hold * number for number in keyframes_in(places, loop)}
        write_sequence(folder, shown, ends, (playback.fps or max(rate, SLOWEST)) / hold, facts, model.device)
    print(f"frames: {folder}")
    for line in folder.review():
        print(line)


def write_pair(
    model: Interpolator,
    keys: Keyframes,
    places: Places,
    folder: SequenceFolder,
    pair: int,
    candidate: int,
    frames: range,
    colours: Sequence[FlatColours] = (),
    transition: Transition = "motion",
    guides: PairGuides | None = None,
    near: Neighbours | None = None,
    *,
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
        transition: What lies between the keyframes.
        guides: The pair's guides.
        near: The keyframes around it, for motion that runs through keyframes.
        seed: Of the whole job.
    """
    first, last = keys.read(pair), keys.read(pair + 1)
    numbers = iter(frames[1:])
    parts = model.in_betweens(
        first,
        last,
        places.counts[pair],
        partial(places.between, pair),
        transparent=keys.transparent,
        candidate=candidate,
        seed=sample_seed(seed, candidate, pair),
        palette=pair_palette(first, last, colours) if transition == "motion" else None,
        transition=transition,
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
    folder.write(candidate, frames[0], keys.as_stored(first))
    for number in numbers:  # the last keyframe, and what repeats it
        folder.write(candidate, number, keys.as_stored(last))
