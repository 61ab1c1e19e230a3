"""Accuracy from a few labels a class, over random draws that all methods share.

The classifier is the gateway's own (`heads.fit`), so that the figure is what a user gets.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from heads.few_label_accuracy import few_label_accuracies, interval
from training.data import DataError
from training.evaluation.features import Features
from training.evaluation.results import Accuracy, Difference
from training.evaluation.task import Task


def check_few_label(task: Task) -> None:
    """That every class leaves an image to test.

    Raises:
        DataError: one does not.
    """
    counts = Counter(entry.label for entry in task.data.images())
    _check(list(counts), list(counts.values()), max(task.options.labels_per_class))


def measure_few_label(task: Task) -> Iterator[Accuracy | Difference]:
    """Every number of labels; the first embedder is compared with each of the others."""
    options, data = task.options, task.data
    name = data.name + (f" ({data.subset.split})" if data.subset.split else "")
    methods = [embedder.name for embedder in task.embedders]
    sets = [task.features(embedder, data.images()) for embedder in task.embedders]
    for count in options.labels_per_class:
        found = []
        for method, features in zip(methods, sets, strict=True):
            report = task.report(f"{method}: {count} labels")
            values = few_label(features, count, options.draws, options.seed, report)
            classes = len(features.classes)
            yield Accuracy(
                method=method, data=name, protocol=f"few-label-{count}", **_bounds(values),
                images=len(features.labels) - count * classes, classes=classes,
            )  # fmt: skip
            found.append(values)
        for other, values in zip(methods[1:], found[1:], strict=True):
            yield Difference(
                method=methods[0], other=other, data=name, protocol=f"few-label-{count}",
                **_bounds(found[0] - values),
            )  # fmt: skip


def few_label(
    features: Features,
    per_class: int,
    draws: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float64]:
    """`heads.few_label_accuracy.few_label_accuracies` of features.

    Raises:
        DataError: a class has too few images to leave one to be tested.
    """
    _check(features.classes, np.bincount(features.labels).tolist(), per_class)
    return few_label_accuracies(features.vectors, features.labels, per_class, draws, seed, progress)


def _check(classes: Sequence[str], counts: Sequence[int], per_class: int) -> None:
    if len(counts) < 2:
        raise DataError(f"few-label evaluation needs two classes; there is {list(classes)}")
    if min(counts) <= per_class:
        name = classes[counts.index(min(counts))]
        raise DataError(
            f"class {name!r} has {min(counts)} images: {per_class} to learn from leave none to "
            "test; add images or ask for fewer labels"
        )


def _bounds(values: npt.NDArray[np.float64]) -> dict[str, float]:
    found = interval(values)
    return {"value": found.mean, "low": found.low, "high": found.high}
