"""The command: looks at drawings, trains, measures, and keeps what is better."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from inbetween.commands.adapt.drawings import Drawings, read_drawings
from inbetween.commands.adapt.measuring import Verdict, decide, measured
from inbetween.commands.adapt.output import Output
from inbetween.commands.adapt.preparing import BATCH, Preparation, prepare
from inbetween.commands.adapt.sprites import FOLDER, write_sprites
from inbetween.commands.adapt.training import EXPERIMENT, RUN, WEIGHTS, Run, experiment, write_experiment
from inbetween.commands.machine import open_fabric
from inbetween.configs import merged, read_config
from inbetween.errors import UserError
from inbetween.interpolation.loading import ModelFiles, find_model
from inbetween.methods import SpacingFlow
from inbetween.methods.loading import load_method
from inbetween.metrics import WindowMetrics, load_lpips
from inbetween.modules.perceptual import cached_vgg
from inbetween.weights.precision import REPLACED, Precision, resolve_precision

NO_NETWORK = (
    "The weights of VGG16 are not on this machine, so that the training compares pixels alone, which has"
    " lowered LPIPS in no trial: `python -m inbetween fetch-weights vgg16` gets them."
)
FEWEST_STEPS = 20  # of a training that is worth the name
_SPARE = 5.0  # seconds for what is not measured: loading, and writing the results


def adapt(
    drawings: Path,
    output: Path = Path("logs/adapt"),
    method: str = "spacing_flow",
    minutes: float = 10.0,
    steps: int | None = None,
    keyframes: bool = False,
    network: Path | None = None,
    lpips_network: Path | None = None,
    seed: int = 0,
    precision: Precision = "bf16-mixed",
    accelerator: str = "auto",
    overwrite: bool = False,
) -> Verdict:
    """Train a method further on your own drawings, and keep the new weights where they are better.

    Sequences (folders of three or more successive drawings) give windows as they are; static drawings and
    model sheets move as layers; a share of synthetic animation keeps the method from forgetting. Some
    drawings are held out of the training, and both weights interpolate them: only if the new ones are better
    there, by an interval, `weights.safetensors` is written. Else the old weights stay. Also writes
    `adapt.json`, `windows.csv`, `differences.csv` and `training.yaml`, which `fit` takes. After an
    interruption the same command continues where it stopped.

    Args:
        drawings: Folder of drawings. Each folder in it with three or more drawings of one size is a sequence;
            other drawings are static.
        output: Folder for the results.
        method: What to start from: `spacing_flow`, or a config and weights of that method as
            `my.yaml=weights.safetensors`.
        minutes: About how long all of it may take, the measurements included.
        steps: The length of the training instead, in steps of 4 windows: with the same seed, the same
            weights.
        keyframes: The sequences are of keyframes alone, far apart: nothing is between two of them that could
            be learnt, and the training makes in-betweens of in-betweens give the keyframe back.
        network: File of VGG16's weights for the perceptual loss; None takes those that `fetch-weights vgg16`
            has fetched. Without any, the loss is of pixels alone, which has lowered LPIPS in no trial.
        lpips_network: File with AlexNet's weights for LPIPS; None searches the caches. Without weights SSIM
            and the distance of lines decide.
        seed: Of the training.
        precision: bf16-mixed runs networks in bfloat16 where the device has fast instructions for it, else in
            float32.
        accelerator: Where to compute, as in Lightning's Trainer: `auto`, `cpu`, `gpu`, `mps`.
        overwrite: Replace an earlier adaptation in `output`.

    Returns:
        The comparison.

    Raises:
        UserError: An option is invalid, or drawings cannot be used; nothing is written then.
        KeyboardInterrupt: SIGINT; its text says how to go on.
    """
    start = time.monotonic()
    if not minutes > 0:
        raise UserError(f"minutes is {minutes:g}: give a number above 0.")
    if steps is not None and steps < 1:
        raise UserError(f"steps is {steps}: give 1 or more.")
    network = perceptual_network(network, keyframes)
    root, output = drawings.expanduser(), output.expanduser()
    files = adaptable(method)
    looked_at = read_drawings(root, keyframes)
    places = output.resolve(), root.resolve()
    if places[0].is_relative_to(places[1]) or places[1].is_relative_to(places[0]):
        raise UserError(f"{output} and {root} lie in each other: give a folder elsewhere with --output.")
    for path in (*files, network, lpips_network):
        if path and path.expanduser().resolve().is_relative_to(places[0]):
            raise UserError(f"{path} lies in {output}: give another folder with --output.")
    length: dict[str, Any] = {"minutes": minutes} if steps is None else {"steps": steps}
    job = {
        "drawings": [_state(path) for path in _paths(looked_at)],
        "method": [_state(path) for path in files if path],
        "network": str(network),
        "keyframes": keyframes,
        "seed": seed,
        **length,
    }
    folder = Output(output, job)
    again = not overwrite and folder.open(overwrite=False)  # refused before anything is decoded
    lpips = load_lpips(lpips_network)
    prepared = prepare(looked_at, output, keyframes, network, seed)
    asked, precision = precision, resolve_precision(precision, accelerator)
    fabric = open_fabric(accelerator, precision)
    if overwrite:
        folder.open(overwrite=True)  # after all checks: it removes an earlier adaptation
    print("\n".join(prepared.found))
    if network is None and not keyframes:
        print(NO_NETWORK)
    if precision != asked:
        print(REPLACED)
    metrics = WindowMetrics(lpips)
    try:
        if not again:
            write_sprites(prepared.sprites, output / FOLDER)
        assert prepared.test is not None  # `prepare` leaves nothing untested
        prepared.test.setup("test")
        begun = time.monotonic()
        before, names = measured("before", load_method(*files), prepared.test, fabric, metrics, keyframes)
        if not again:
            now = time.monotonic()
            # measuring takes as long again after the training
            left = 60 * minutes - (now - start) - (now - begun) - _SPARE
            _begin(folder, prepared, files, steps, left, seed, precision, accelerator)
        assert files.weights is not None  # see `adaptable`
        run = Run.of(output / EXPERIMENT, files.weights, precision, accelerator)
        count = run.keys["trainer"]["max_steps"]
        print(f"training {count} steps of {BATCH} windows" + (", from where it stopped" if again else ""))
        trained = run.train(output / RUN)
        after, _ = measured(
            "after", load_method(files.config, trained), prepared.test, fabric, metrics, keyframes
        )
    except BaseException as error:
        if not (output / RUN / "checkpoints" / "last.ckpt").is_file():
            folder.remove()
            raise
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt("the same command continues where it stopped") from None
        raise
    verdict = decide(before, after, prepared.groups)
    about = {
        "held_out": prepared.tested,
        "steps": count,
        "seed": seed,
        "minutes": (time.monotonic() - start) / 60,
    }
    folder.finish(verdict, [before, after], names, prepared.groups, about)
    _tell(verdict, prepared, files, output)
    return verdict


def adaptable(method: str) -> ModelFiles:
    """The files of a method that can be trained further here.

    Raises:
        UserError: It is another method, or has no weights.
    """
    files = find_model(method)
    model = read_config(files.config).get("model") or {}
    name = str(model.get("class_path", "")).rpartition(".")[2]
    if name != SpacingFlow.__name__:
        raise UserError(f"{method} cannot be adapted: give spacing_flow, or weights of it with --method.")
    if files.weights is None:
        raise UserError(
            f"{method} is not trained: give its weights, as in --method {method}=weights.safetensors."
        )
    return files


def perceptual_network(given: Path | None, keyframes: bool) -> Path | None:
    """The file of VGG16's weights: given, or fetched; keyframes alone need none.

    Raises:
        UserError: There is no such file.
    """
    if given is not None and not given.expanduser().is_file():
        raise UserError(f"There is no file {given}: give VGG16's weights, or leave out --network.")
    if keyframes:
        return None
    fetched = cached_vgg()
    return given.expanduser() if given is not None else fetched if fetched.is_file() else None


def _begin(
    folder: Output,
    prepared: Preparation,
    files: ModelFiles,
    steps: int | None,
    seconds: float,
    seed: int,
    precision: Precision,
    accelerator: str,
) -> None:
    """Write the YAML of the training; with `steps` None, of as many as fit into the seconds that are left."""
    assert files.weights is not None
    keys = experiment(str(files.config), prepared.model, prepared.data, steps or FEWEST_STEPS, seed)
    if steps is None:
        whole = {key: value for key, value in keys.items() if key != "base"}
        run = Run(
            merged(read_config(files.config), whole), files.config, files.weights, precision, accelerator
        )
        begun = time.monotonic()
        each = run.seconds_per_step()
        steps = int((seconds - (time.monotonic() - begun)) / each)
        if steps < FEWEST_STEPS:
            raise UserError(
                f"There is time for {max(steps, 0)} steps only, of {each:.1f} seconds each: give more"
                " --minutes, or --steps."
            )
        keys["trainer"]["max_steps"] = steps
        print(f"a step takes {each:.2f} seconds here")
    write_experiment(folder.folder / EXPERIMENT, keys, files.weights)
    folder.begin()


def _tell(verdict: Verdict, prepared: Preparation, files: ModelFiles, output: Path) -> None:
    """Print the comparison, and what to do with it."""
    print(*verdict.changes, sep="\n")
    print(
        f"on {verdict.windows} windows of {prepared.tested}; in brackets the 95 % interval of the change,"
        f" over {verdict.groups} groups of windows"
    )
    if verdict.better:
        weights = f"{files.config.name}={output / WEIGHTS}"
        print("better: the new weights are written. Use them:")
        print(f"  python -m inbetween interpolate --method {weights} --keyframes FOLDER")
    else:
        print(f"not better: {verdict.reason}. The old weights stay; no weights are written.")


def _paths(drawings: Drawings) -> list[Path]:
    return [*(path for sequence in drawings.sequences for path in sequence.frames), *drawings.static]


def _state(path: Path) -> list[Any]:
    """What changes with a file."""
    found = path.stat()
    return [str(path.resolve()), found.st_size, found.st_mtime_ns]
