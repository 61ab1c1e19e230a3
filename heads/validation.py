"""Predictions for examples that the classifier has not seen: cross-validation, learning curve."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heads.examples import Examples
from heads.folds import splits, tested
from heads.softmax import Matrix, solve

MOST_REPEATS = 10
# Multiplications a pass over all examples; more of them mean fewer repeats. Few examples need many
# repeats for a stable figure, and many examples need few.
WORK = 2e8
TOLERANCE = 1e-3
SERIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class OutOfFold:
    """What repeated cross-validation said of n examples, each time from a fit without them.

    tested: bool (n,); the other fields hold zeros where an example could not be tested.
    right: share of the repeats that predicted the label (n,).
    probabilities: mean over the repeats (n, c).
    confusion: examples by label (rows) and prediction (columns), mean over the repeats (c, c).
    trained: median number of training examples a class.
    repeats: how many cross-validations.
    """

    tested: npt.NDArray[np.bool_]
    right: Matrix
    probabilities: Matrix
    confusion: Matrix
    trained: int
    repeats: int


def cross_validate(
    data: Examples, coordinates: Matrix, strength: float, generator: np.random.Generator
) -> OutOfFold:
    """Repeated stratified cross-validation with one strength; at most ten repeats.

    Kohavi 1995, "A study of cross-validation and bootstrap for accuracy estimation": repeating
    takes away the variance that comes from the choice of folds, not that from the few examples.
    """
    count, classes = len(data.labels), len(data.classes)
    repeats = _repeats(coordinates, classes)
    right = np.zeros(count)
    mean = np.zeros((count, classes))
    confusion = np.zeros((classes, classes))
    trained = []
    for _ in range(repeats):
        for train, test in splits(data, generator):
            labels = data.labels[train]
            found = solve(coordinates[train], labels, classes, strength, tolerance=TOLERANCE)
            log_p = found.log_probabilities(coordinates[test])
            answer = log_p.argmax(axis=1)
            right[test] += answer == data.labels[test]
            mean[test] += np.exp(log_p)
            np.add.at(confusion, (data.labels[test], answer), 1)
            trained.append(np.median(np.bincount(labels, minlength=classes)))
    return OutOfFold(
        tested=tested(data),
        right=right / repeats,
        probabilities=mean / repeats,
        confusion=confusion / repeats,
        trained=round(float(np.median(trained))) if trained else 0,
        repeats=repeats,
    )


def learning_curve(
    data: Examples,
    coordinates: Matrix,
    strength: float,
    below: int,
    generator: np.random.Generator,
) -> list[tuple[int, float]]:
    """(labels a class, accuracy on all other examples) at 1, 2, 5, 10, ... `below` a given number.

    Mean over random draws. A class always keeps at least one distinct vector for the test, except
    a class with only one, which is in training and not tested; copies of a training vector are
    never tested.
    """
    classes = len(data.classes)
    points = []
    for size in (size for size in SERIES if size < below):
        right = total = 0
        for _ in range(_repeats(coordinates[: size * classes], classes)):
            train = _draw(data, size, generator)
            test = tested(data) & ~np.isin(data.groups, data.groups[train])
            found = solve(
                coordinates[train], data.labels[train], classes, strength, tolerance=TOLERANCE
            )
            answer = found.log_probabilities(coordinates[test]).argmax(axis=1)
            right += int(np.sum(answer == data.labels[test]))
            total += len(answer)
        points.append((size, right / total))
    return points


def _draw(data: Examples, size: int, generator: np.random.Generator) -> npt.NDArray[np.intp]:
    """Positions of `size` distinct vectors of every class, or of all but one where it has fewer."""
    first = np.unique(data.groups, return_index=True)[1]
    chosen = []
    for label, count in enumerate(data.distinct):
        members = generator.permutation(first[data.labels[first] == label])
        chosen.append(members[: min(size, max(1, count - 1))])
    return np.concatenate(chosen)


def _repeats(coordinates: Matrix, classes: int) -> int:
    return int(np.clip(WORK / (coordinates.size * classes + 1), 2, MOST_REPEATS))
