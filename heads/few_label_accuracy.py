"""How well heads fitted on a few labels do, over random draws of the labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import t

from heads.classifier import probabilities
from heads.fit import fit


@dataclass(frozen=True)
class Interval:
    """A mean over draws with its 95% interval.

    The t interval says how far another choice of labels would move the mean. It does not cover
    other photos or classes: all draws are from the same images.
    """

    mean: float
    low: float
    high: float


def few_label_accuracies(
    vectors: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    per_class: int,
    draws: int,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    groups: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float64]:
    """Accuracy of each draw, (draws,): fitted on `per_class` images a class, tested on the rest.

    Two encoders on the same images with the same seed get the same draws, so their difference can
    be taken draw by draw.

    vectors: (n, d). labels: (n,), numbers from 0; of each there are more than `per_class`.
    groups: (n,), the same number for copies of one photo: none is tested in a draw that learns
    from another. Of each label there are more groups than `per_class`. Without it there are none.
    """
    result = np.empty(draws)
    # Classes of a classifier are sorted names: these sort as the numbers do.
    names = [f"{label:09d}" for label in labels]
    for number, (chosen, rest) in enumerate(random_draws(labels, per_class, draws, seed)):
        tested = rest if groups is None else rest[~np.isin(groups[rest], groups[chosen])]
        classifier = fit(vectors[chosen], [names[row] for row in chosen], seed=number)
        found = probabilities(classifier, vectors[tested]).argmax(axis=1)
        result[number] = (found == labels[tested]).mean()
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


def random_draws(
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
