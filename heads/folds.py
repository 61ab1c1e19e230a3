"""Stratified folds that also serve classes with fewer examples than folds."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from heads.examples import Examples

Index = npt.NDArray[np.intp]
MOST_FOLDS = 5


def splits(data: Examples, generator: np.random.Generator) -> Iterator[tuple[Index, Index]]:
    """(train, test) positions of every fold of one cross-validation; none if nothing can be tested.

    Every class's distinct vectors are dealt over at most five folds. Identical vectors of a class
    stay together, since a copy in training would give the answer away. A class with one distinct
    vector is always in training and never tested: nothing could be known of it otherwise.
    """
    counts = data.distinct
    folds = min(MOST_FOLDS, int(counts.max()))
    if folds < 2:
        return
    first = np.unique(data.groups, return_index=True)[1]
    fold_of_group = np.full(len(first), -1)
    next_fold = 0
    for label in np.flatnonzero(counts > 1):
        members = generator.permutation(np.flatnonzero(data.labels[first] == label))
        # Going on where the last class ended keeps folds equal in size when classes are small.
        fold_of_group[members] = (next_fold + np.arange(len(members))) % folds
        next_fold += len(members)
    fold_of = fold_of_group[data.groups]
    for fold in range(folds):
        test = np.flatnonzero(fold_of == fold)
        if len(test):
            yield np.flatnonzero(fold_of != fold), test


def tested(data: Examples) -> npt.NDArray[np.bool_]:
    """Which examples (n,) cross-validation can test: those of classes with two distinct vectors."""
    answer: npt.NDArray[np.bool_] = data.distinct[data.labels] > 1
    return answer
