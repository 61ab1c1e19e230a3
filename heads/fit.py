"""Fit a classifier to a few labelled embeddings."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heads.classifier import Classifier
from heads.examples import Examples, examples
from heads.folds import splits
from heads.softmax import Matrix, Solution, solve, span
from heads.threads import one_thread

# Strengths tried, in units of 1 / spread (mean squared distance of the vectors from their mean),
# so that an encoder with narrow embeddings gets the same choice as one with wide ones.
GRID = tuple(10 ** (step / 2) for step in range(-2, 7))
# For one example a class, where nothing can be held out. The least regret in held-out log-loss over
# draws of one label a class from handwritten digits (best 1000) and from embeddings of photos of 2
# and of 20 kinds by a barely trained SimCLR encoder (best 0.3 and 1): a compromise, weakly based.
DEFAULT = 10.0


@one_thread
def fit(vectors: npt.ArrayLike, labels: Sequence[str], *, seed: int = 0) -> Classifier:
    """Multinomial logistic regression with an L2 penalty on unit-length vectors.

    vectors: (n, d), any length but zero; they are brought to unit length.
    labels: n names of classes, at least two different.
    seed: of the folds that choose the strength; the same seed gives the same classifier, in
    whatever order the examples come.
    """
    data = examples(vectors, labels)
    reduced = span(data.vectors)
    strength = choose_strength(data, reduced.coordinates, seed)
    solution = solve(reduced.coordinates, data.labels, len(data.classes), strength)
    weights, bias = reduced.back(solution.weights, solution.bias)
    return Classifier(data.classes, weights.astype(np.float32), bias.astype(np.float32), strength)


def choose_strength(data: Examples, coordinates: Matrix, seed: int) -> float:
    """The strength with the least out-of-fold log-loss, or a default if nothing can be tested."""
    unit = 1 / max(float(np.mean(np.sum(coordinates**2, axis=1))), 1e-12)
    folds = list(splits(data, np.random.default_rng(seed)))
    if not folds:
        return DEFAULT * unit
    # Single precision serves to compare, in half the time.
    coordinates = coordinates.astype(np.float32)
    best, least = DEFAULT * unit, np.inf
    solutions: list[Solution | None] = [None] * len(folds)
    for strength in (unit * step for step in GRID):
        loss = 0.0
        for number, (train, test) in enumerate(folds):
            found = solve(
                coordinates[train],
                data.labels[train],
                len(data.classes),
                strength,
                start=solutions[number],
                tolerance=1e-3,
            )
            solutions[number] = found
            loss -= found.log_probabilities(coordinates[test])[
                np.arange(len(test)), data.labels[test]
            ].sum()
        # The loss falls and then rises; what lies beyond is slow to solve and never chosen.
        if loss > least:
            break
        best, least = strength, loss
    return best
