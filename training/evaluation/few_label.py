"""Accuracy from a few labels a class, over random draws that all methods share.

The classifier is the gateway's own (`heads.fit`), so that the figure is what a user gets.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t

import heads
from training.data import DataError
from training.evaluation.features import Features


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
    counts = np.bincount(features.labels)
    if len(counts) < 2:
        raise DataError(f"few-label evaluation needs two classes; there is {features.classes}")
    if counts.min() <= per_class:
        name = features.classes[int(counts.argmin())]
        raise DataError(
            f"class {name!r} has {counts.min()} images: {per_class} to learn from leave none to "
            "test; add images or ask for fewer labels"
        )
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
