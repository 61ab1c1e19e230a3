"""Protocols that fit a classifier on the frozen features of one split and test it on another."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from heads.interval import wilson
from sources import DataError
from training.evaluation.features import Features
from training.evaluation.knn import knn_accuracy
from training.evaluation.linear import PAPER, SPREAD, Penalties, linear_accuracy
from training.evaluation.linear_sgd import BATCH, EPOCHS, fit_linear_sgd
from training.evaluation.results import Accuracy
from training.evaluation.sets import Division
from training.evaluation.task import Task
from zoo.arrays import Labels

Fit = Callable[[Features, Features, Labels, Task, str], tuple[float, str]]
"""(train, test, the test labels as numbers of train's classes, task, what it is) -> accuracy and
what decided it."""


def check_division(task: Task) -> None:
    """That there are two splits, and that every tested class can be learned.

    Raises:
        DataError: there are not, or one cannot.
    """
    task.division()


def check_linear(task: Task) -> None:
    """Also that there are two classes, and two images of each to learn from.

    Raises:
        DataError: there are not.
    """
    _check(task.division())


def check_transfer(task: Task) -> None:
    """The same, of halves where the set has no splits."""
    _check(task.data.division_or_halves(task.options.seed))


def measure_knn(task: Task) -> Iterator[Accuracy]:
    """Weighted kNN."""
    return _measure(task, "knn", task.division(), _knn)


def measure_linear(task: Task) -> Iterator[Accuracy]:
    """Logistic regression by L-BFGS, the penalty in units of the features' spread."""
    return _measure(task, "linear", task.division(), _lbfgs(SPREAD))


def measure_linear_sgd(task: Task) -> Iterator[Accuracy]:
    """A linear layer trained as in the paper."""
    return _measure(task, "linear-sgd", task.division(), _sgd)


def measure_transfer(task: Task) -> Iterator[Accuracy]:
    """Logistic regression by L-BFGS over the paper's 45 penalties."""
    division = task.data.division_or_halves(task.options.seed)
    return _measure(task, "transfer", division, _lbfgs(PAPER))


def split_accuracy(
    method: str, name: str, protocol: str, value: float, classes: int, images: int, note: str
) -> Accuracy:
    """An accuracy over `images` of a test split, with its Wilson interval."""
    low, high = wilson(value, images)
    return Accuracy(
        method=method, data=name, protocol=protocol, value=value, low=low, high=high,
        images=images, classes=classes, note=note,
    )  # fmt: skip


def numbered(test: Features, train: Features) -> Labels:
    """The labels of `test` as positions in the classes of `train`.

    Raises:
        DataError: of a class that is tested, no training image could be read.
    """
    number = {label: index for index, label in enumerate(train.classes)}
    if lost := set(test.classes) - set(train.classes):
        raise DataError(f"no training image of class {min(lost)!r}, which is tested, can be read")
    return np.array([number[test.classes[label]] for label in test.labels], np.int64)


def _check(division: Division) -> None:
    counts = Counter(entry.label for entry in division.train)
    few = min(counts, key=lambda label: (counts[label], label))
    if len(counts) < 2 or counts[few] < 2:
        raise DataError(
            f"{division.name}: two classes of two training images are the least; there are "
            f"{len(counts)}, and {counts[few]} of class {few!r}: add images"
        )


def _measure(task: Task, protocol: str, division: Division, fit: Fit) -> Iterator[Accuracy]:
    for embedder in task.embedders:
        train = task.features(embedder, division.train)
        test = task.features(embedder, division.test)
        labels = numbered(test, train)
        value, note = fit(train, test, labels, task, f"{embedder.name}: {protocol}")
        yield split_accuracy(
            embedder.name, division.name, protocol, value, len(train.classes), len(labels), note
        )


def _knn(train: Features, test: Features, labels: Labels, _: Task, __: str) -> tuple[float, str]:
    return knn_accuracy(train.vectors, train.labels, test.vectors, labels), ""


def _lbfgs(penalties: Penalties) -> Fit:
    def fit(
        train: Features, test: Features, labels: Labels, task: Task, what: str
    ) -> tuple[float, str]:
        found = linear_accuracy(
            train.vectors, train.labels, test.vectors, labels,
            task.options.seed, task.report(what), penalties,
        )  # fmt: skip
        return found.accuracy, f"l2 {found.l2:.2g}, validation {found.validation:.3f}"

    return fit


def _sgd(
    train: Features, test: Features, labels: Labels, task: Task, what: str
) -> tuple[float, str]:
    fitted = fit_linear_sgd(
        train.vectors, train.labels, task.options.seed, progress=task.report(what)
    )
    batch = min(BATCH, max(1, len(train.labels) // 8))
    accuracy = float((fitted.predict(test.vectors) == labels).mean())
    return accuracy, f"batch {batch}, {EPOCHS} epochs"
