"""What a representation knows of how an image was transformed (SimCLR, arXiv:2002.05709, Table 3).

Images are augmented as in the run's training, less the transformation that is asked for, which is
then applied to some of them. A small network (an MLP) learns from h, and another from g(h), to
tell which: what the projection head has thrown away cannot be told from g(h).
"""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator, Tensor

from sources import DataError, Entry, source_name
from training.augment import OPERATORS, Augmentation, OperatorName, apply_operators, random_views
from training.data import pack
from training.evaluation.frozen import check_division, split_accuracy
from training.evaluation.models import device, recipe_of
from training.evaluation.results import Accuracy
from training.evaluation.task import Task
from training.methods import build_method
from training.methods.simclr import SimCLR
from zoo.arrays import Labels, Pixels, Vectors
from zoo.encoders import Run, load_weights
from zoo.encoders.run import CHECKPOINT

REPRESENTATIONS = ("h", "g(h)")
_TRAIN, _TEST, _BATCH = 10_000, 4_000, 256
_HIDDEN, _EPOCHS = 512, 60


@dataclass(frozen=True)
class Transformation:
    """guess: the accuracy of always naming the commonest class.

    apply: (views (n, 3, side, side), augmentation, generator) -> the views, some of them
    transformed, and the class of each, int64 (n,).
    """

    operator: OperatorName
    guess: float
    apply: Callable[[Tensor, Augmentation, Generator], tuple[Tensor, Tensor]]


def _applied(operator: OperatorName, share: float) -> Transformation:
    """One operator on a share of the images: met (1) or not (0)."""

    def apply(
        views: Tensor, augmentation: Augmentation, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        met = torch.rand(len(views), generator=generator) < share
        index = met.nonzero()[:, 0].to(views.device)
        certain = augmentation.model_copy(update={"grey": 1.0})
        views[index] = apply_operators(views[index], (operator,), certain, generator)
        return views, met.long()

    return Transformation(operator, max(share, 1 - share), apply)


def _turned(views: Tensor, _: Augmentation, generator: Generator) -> tuple[Tensor, Tensor]:
    quarters = torch.randint(0, 4, (len(views),), generator=generator)
    return OPERATORS["rotate"].apply(views, quarters=quarters.to(views.device)), quarters


TRANSFORMATIONS = {
    "colour": _applied("grey", 0.2),
    "rotation": Transformation("rotate", 0.25, _turned),
    "noise": _applied("noise", 0.5),
    "sobel": _applied("sobel", 0.5),
}
"""Colour or grey; 0, 90, 180 or 270 degrees; original or noisy; original or Sobel-filtered."""


def check_probe(task: Task) -> None:
    """That the first embedder is a SimCLR run, which has a head, and that there are two splits.

    Raises:
        DataError: it is not, or there are not.
    """
    check_division(task)
    _run(task)


def measure_probe(task: Task) -> Iterator[Accuracy]:
    """Every transformation from h and from g(h), with what guessing gives.

    At most 10,000 training and 4,000 test images, a random sample.
    """
    run, division = _run(task), task.division()
    train, test = _pixels(task, division.train, _TRAIN), _pixels(task, division.test, _TEST)
    for number, name in enumerate(TRANSFORMATIONS):
        report = task.report(f"{task.embedders[0].name}: probe, {name}")
        yield from probe(run, name, train, test, division.name, task.options.seed)
        if report:
            report(number + 1, len(TRANSFORMATIONS))


def probe(
    run: Run, name: str, train: Pixels, test: Pixels, data: str, seed: int
) -> Iterator[Accuracy]:
    """One transformation: guessing, h and g(h), learned on `train` and tested on `test`.

    Args:
        name: of TRANSFORMATIONS. train, test: uint8 (n, side, side, 3). data: their name.
    """
    method, transformation = _method(run), TRANSFORMATIONS[name]
    generator = torch.Generator().manual_seed(seed)
    known, labels = _represent(method, run, train, transformation, generator)
    asked, answers = _represent(method, run, test, transformation, generator)
    classes, guess = int(labels.max()) + 1, transformation.guess
    yield Accuracy(
        method="guessing", data=data, protocol=f"probe-{name}", value=guess, low=guess,
        high=guess, images=len(answers), classes=classes,
    )  # fmt: skip
    for which in REPRESENTATIONS:
        value = mlp_accuracy(known[which], labels, asked[which], answers, seed)
        yield split_accuracy(
            which, data, f"probe-{name}", value, classes, len(answers),
            f"{known[which].shape[1]} values, {len(labels)} images",
        )  # fmt: skip


def mlp_accuracy(
    train: Vectors, train_labels: Labels, test: Vectors, labels: Labels, seed: int
) -> float:
    """Accuracy on `test` (m, d) of an MLP of one hidden layer, fitted on `train` (n, d).

    Each value is scaled to unit variance. A tenth of the training part decides when to stop, where
    there are twenty images of every class.
    """
    network = MLPClassifier(
        (_HIDDEN,),
        early_stopping=bool(np.bincount(train_labels).min() >= 20),
        max_iter=_EPOCHS,
        batch_size=min(200, len(train) // 2),
        random_state=seed,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the epochs are a limit on purpose
        fitted = make_pipeline(StandardScaler(), network).fit(train, train_labels)
    return float(fitted.score(test, labels))


def _run(task: Task) -> Run:
    source = task.embedders[0].source
    if not isinstance(source, Run):
        raise DataError(
            f"{task.embedders[0].name}: probe needs a training run's folder, as a package has no "
            "projection head"
        )
    method = source.described["recipe"]["method"]["name"]
    if method != "simclr":
        raise DataError(
            f"{source.folder}: a run of {method!r} has no projection head to be compared with the "
            "encoder; probe needs a run of 'simclr'"
        )
    return source


def _method(run: Run) -> SimCLR:
    """Encoder and head with their trained weights, in evaluation mode."""
    recipe = recipe_of(run)
    method = build_method(recipe.method, recipe.setup())
    assert isinstance(method, SimCLR)  # it was checked before
    for part in ("encoder", "head"):
        load_weights(method.get_submodule(part), run.part(part), str(run.folder / CHECKPOINT))
    return method.to(device()).eval()


def _pixels(task: Task, entries: list[Entry], most: int) -> Pixels:
    """A random sample of the entries, as the run's training would read them."""
    report = task.report(f"reading {source_name(task.data.source)}")
    side = recipe_of(_run(task)).stored_side
    packed = pack(task.data.source, task.cache / "packed", side, None, report)
    paths = {entry.path for entry in entries}
    rows = [row for row, entry in enumerate(packed.entries) if entry.path in paths]
    chosen = np.random.default_rng(task.options.seed).permutation(rows)[:most]
    sample: Pixels = packed.pixels[np.sort(chosen)]
    return sample


@torch.inference_mode()
def _represent(
    method: SimCLR, run: Run, pixels: Pixels, transformation: Transformation, generator: Generator
) -> tuple[dict[str, Vectors], Labels]:
    """h and g(h) of transformed views, float32 (n, d) each, and the classes, (n,)."""
    recipe = recipe_of(run)
    usual = recipe.augmentation.operators or ("crop", "flip", "jitter", "grey")
    views = recipe.augmentation.model_copy(
        update={
            "size": recipe.view_size(1, 1),
            "operators": tuple(o for o in usual if o != transformation.operator),
        }
    )
    found: dict[str, list[Tensor]] = {which: [] for which in REPRESENTATIONS}
    classes = []
    for start in range(0, len(pixels), _BATCH):
        images = torch.from_numpy(pixels[start : start + _BATCH]).to(device())
        x, labels = transformation.apply(random_views(images, views, generator), views, generator)
        h = method.encoder(x)
        found["h"].append(h.float().cpu())
        found["g(h)"].append(method.head(h).float().cpu())
        classes.append(labels)
    joined = {which: torch.cat(parts).numpy() for which, parts in found.items()}
    return joined, torch.cat(classes).numpy()
