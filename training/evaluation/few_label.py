"""Accuracy from a few labels a class, over random draws that all methods share.

The classifier is the gateway's own (`heads.fit`), so that the figure is what a user gets.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t

import heads
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


@dataclass(frozen=True)
class Interval:
    """A mean over draws with its 95% interval.

    The t interval says how far another choice of labels would move the mean. It does not cover
    other photos or classes: all draws are from the same images.
    """

    mean: float
    low: float
    high: float


def few_label(
    features: Features,
    per_class: int,
    draws: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float64]:
    """Accuracy of each draw, (draws,): fitted on `per_class` images a class, tested on the rest.

    Two methods on the same images with the same seed get the same draws, so their difference can
    be taken draw by draw.

    Raises:
        DataError: a class has too few images to leave one to be tested.
    """
    _check(features.classes, np.bincount(features.labels).tolist(), per_class)
    result = np.empty(draws)
    for number, (chosen, rest) in enumerate(_draws(features.labels, per_class, draws, seed)):
        names = [features.classes[label] for label in features.labels[chosen]]
        classifier = heads.fit(features.vectors[chosen], names, seed=number)
        probabilities = heads.probabilities(classifier, features.vectors[rest])
        # The classifier's classes are sorted names, as the features' are.
        result[number] = (probabilities.argmax(axis=1) == features.labels[rest]).mean()
        if progress:
            progress(number + 1, draws)
    return result


def interval(values: npt.NDArray[np.float64]) -> Interval:
    """Mean of (draws,) values, at least two, with the 95% t interval.

    For two methods on the same draws, give the differences of their accuracies.
    """
    mean = float(values.mean())
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return Interval(mean, mean - half, mean + half)


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


def _draws(
    labels: npt.NDArray[np.int64], per_class: int, draws: int, seed: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
    """(chosen, rest); a draw of more labels holds the same-numbered draw of fewer."""
    for number in range(draws):
        rng = np.random.default_rng([seed, number])
        rank = np.empty(len(labels), np.int64)
        for label in range(int(labels.max()) + 1):
            members = np.flatnonzero(labels == label)
            rank[members] = rng.permutation(len(members))
        yield np.flatnonzero(rank < per_class), np.flatnonzero(rank >= per_class)
