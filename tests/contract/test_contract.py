"""Every method that `inbetween.methods` exports, through one contract; new ones are found by themselves."""

import inspect
from pathlib import Path

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import inbetween.methods
from inbetween.errors import UserError
from inbetween.functional.seeds import generators
from inbetween.methods import Method
from inbetween.methods.loading import load_method
from inbetween.types import Window
from tests.contract.cases import CASES, YAMLS, model_of
from tests.tiny import random_batch

EXPORTED = [
    item
    for item in vars(inbetween.methods).values()
    if inspect.isclass(item) and issubclass(item, Method) and not inspect.isabstract(item)
]


@pytest.fixture(scope="module", params=CASES)
def config(request, tiny_yaml):
    return tiny_yaml(*CASES[request.param])


@pytest.fixture(scope="module")
def method(config, trained):
    """The method, after a little training if it trains."""
    return load_method(config) if trained is None else trained.method


def frames_of(method: Method, batch, rows=slice(None)):
    with torch.no_grad():
        return method.interpolate(
            batch["first"][rows], batch["last"][rows], batch["t"][rows], generators(batch["seed"][rows])
        )


def test_every_exported_method_has_a_yaml():
    named = {model_of(path)["class_path"] for path in YAMLS}
    assert {f"inbetween.methods.{cls.__name__}" for cls in EXPORTED} <= named


def test_method_documents_itself(method):
    assert inspect.getdoc(type(method)), "the class docstring is the help on the command line"
    parameters = set(inspect.signature(type(method).__init__).parameters) - {"self"}
    for name in parameters:
        assert (
            f"{name}:" in type(method).__doc__ or issubclass(Method, type(method)) or name in Method.__doc__
        )


@pytest.mark.parametrize(
    ("windows", "between", "height", "width"), [(2, 3, 32, 32), (1, 1, 120, 184), (2, 7, 33, 47)]
)
def test_any_size_and_count(method, windows, between, height, width):
    frames = frames_of(method, random_batch(windows, between, height, width))
    assert frames.shape == (windows, between, 3, height, width)
    assert frames.dtype == torch.float32
    assert frames.min() >= 0
    assert frames.max() <= 1
    assert torch.isfinite(frames).all()


def test_same_frames_whatever_the_batch_size(method):
    batch = random_batch(5)
    together = frames_of(method, batch)
    alone = torch.cat([frames_of(method, batch, slice(row, row + 1)) for row in range(5)])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=0)


def test_frame_at_t_does_not_depend_on_its_neighbours(method):
    batch = random_batch(2, between=3)
    all_three = frames_of(method, batch)
    batch["t"] = batch["t"][:, 1:2]
    torch.testing.assert_close(frames_of(method, batch)[:, 0], all_three[:, 1], atol=2e-4, rtol=0)


def test_same_frames_however_they_are_dealt_out_to_calls(method):
    batch = random_batch(2, between=4)
    with torch.no_grad():
        draw_at = method.interpolator(batch["first"], batch["last"], generators(batch["seed"]))
        parts = [draw_at(t) for t in batch["t"].split([1, 3], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), frames_of(method, batch), atol=1e-4, rtol=0)


def test_same_seed_same_frames(method):
    batch = random_batch(2)
    assert torch.equal(frames_of(method, batch), frames_of(method, batch))


def test_keyframes_are_left_alone(method):
    batch = random_batch(2)
    first, last = batch["first"].clone(), batch["last"].clone()
    frames_of(method, batch)
    assert torch.equal(batch["first"], first)
    assert torch.equal(batch["last"], last)


def test_promised_ends_and_mirror(method):
    batch = random_batch(2, between=1)
    first, last = batch["first"], batch["last"]
    if method.exact_endpoints:
        near_first = method.interpolate(first, last, torch.full((2, 1), 1e-4))[:, 0]
        near_last = method.interpolate(first, last, torch.full((2, 1), 1 - 1e-4))[:, 0]
        torch.testing.assert_close(near_first, first, atol=5e-3, rtol=0)
        torch.testing.assert_close(near_last, last, atol=5e-3, rtol=0)
    if method.time_symmetric:
        forward = method.interpolate(first, last, torch.full((2, 1), 0.3))
        backward = method.interpolate(last, first, torch.full((2, 1), 0.7))
        torch.testing.assert_close(forward, backward, atol=1e-4, rtol=0)


class Repeated(Dataset):
    """The rows of one batch as windows, their left halves standing still."""

    def __init__(self, size: int = 4) -> None:
        self.batch = random_batch(size)
        still = self.batch["first"][..., :16]
        self.batch["last"][..., :16] = still
        self.batch["targets"][..., :16] = still[:, None]

    def __len__(self) -> int:
        return len(self.batch["name"])

    def __getitem__(self, row: int) -> Window:
        return {key: value[row] for key, value in self.batch.items()}


def fit(method: Method, folder: Path, steps: int, checkpoint: Path | None = None) -> L.Trainer:
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=[
            L.pytorch.callbacks.ModelCheckpoint(folder, save_last=True, every_n_train_steps=1, save_top_k=-1)
        ],
    )
    method.train()  # `load_method` gives it for drawing
    trainer.fit(method, DataLoader(Repeated(), batch_size=4), ckpt_path=checkpoint)
    return trainer


def named_tensors(method: Method) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in (*method.named_parameters(), *method.named_buffers())}


class Trained:
    """A method, what it held before and after three steps, and where its checkpoints are."""

    def __init__(self, config: Path, folder: Path) -> None:
        torch.manual_seed(0)
        self.method, self.folder = load_method(config), folder
        self.names = {True: set(), False: set()}
        for name, parameter in self.method.named_parameters():
            self.names[parameter.requires_grad].add(name)
        self.before = named_tensors(self.method)
        fit(self.method, folder, 3)
        self.after = named_tensors(self.method)
        self.method.eval()


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """`Trained`, or None for a method that has nothing to train."""
    trainable = any(parameter.requires_grad for parameter in load_method(config).parameters())
    return Trained(config, tmp_path_factory.mktemp("whole")) if trainable else None


def class_name(config: Path) -> str:
    return model_of(config)["class_path"].rpartition(".")[2]


def test_without_weights_fit_is_refused(method, trained, tmp_path):
    if trained is None:
        assert not any(parameter.requires_grad for parameter in method.parameters())
        with pytest.raises(UserError, match="nothing to train"):
            fit(method, tmp_path, 1)


def test_training_changes_the_trainable_weights_and_nothing_else(trained):
    if trained is None:
        return
    trainable, frozen = trained.names[True], trained.names[False]
    changed = {
        name for name, tensor in trained.before.items() if not torch.equal(tensor, trained.after[name])
    }
    assert trainable
    # A bias that a following normalisation cancels has no gradient to speak of.
    untouched = trainable - changed
    assert len(untouched) <= 0.05 * len(trainable), untouched
    assert not changed & frozen


def test_save_load_and_resume_agree(config, trained, tmp_path):
    if trained is None:
        return
    saved = torch.load(trained.folder / "last.ckpt", weights_only=True)
    assert trained.names[True] <= set(saved["state_dict"])
    assert not trained.names[False] & set(saved["state_dict"])

    loaded = load_method(config, trained.folder / "last.ckpt")
    batch = random_batch(2)
    assert torch.equal(frames_of(loaded, batch), frames_of(trained.method, batch))

    (early,) = trained.folder.glob("*step=1.ckpt")
    resumed = load_method(config)
    fit(resumed, tmp_path, 3, early)
    weights = resumed.state_dict()
    for name, tensor in trained.method.state_dict().items():
        torch.testing.assert_close(weights[name], tensor, atol=1e-6, rtol=1e-5)


def test_checkpoint_holds_the_architecture_and_no_other_option(trained):
    if trained is None:
        return
    saved = torch.load(trained.folder / "last.ckpt", weights_only=True)["hyper_parameters"]
    # a backbone made in Python, as here, is in the weights or frozen
    assert set(saved) == set(trained.method.architecture) - {"backbone"}


def test_missing_trainable_weight_is_an_error(config, trained, tmp_path):
    if trained is None:
        return
    saved = torch.load(trained.folder / "last.ckpt", weights_only=True)
    saved["state_dict"].popitem()
    torch.save(saved, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="do not fit"):
        load_method(config, tmp_path / "last.ckpt")


def test_checkpoint_of_another_method_is_refused(config, tmp_path):
    saved = {"state_dict": {}, "hyper_parameters": {}, "method": "inbetween.methods.Other"}
    torch.save(saved, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match=f"checkpoint of Other, and the config names {class_name(config)}"):
        load_method(config, tmp_path / "a.ckpt")
