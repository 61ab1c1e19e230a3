import numpy as np
import pytest

from training.evaluation.knn import knn_accuracy


def unit(x: np.ndarray) -> np.ndarray:
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def brute_force(bank, bank_labels, queries, labels, k, temperature) -> float:
    right = 0
    for query, label in zip(queries, labels, strict=True):
        cosines = bank @ query
        votes = dict.fromkeys(bank_labels.tolist(), 0.0)
        for i in sorted(range(len(bank)), key=lambda i: -cosines[i])[:k]:
            votes[int(bank_labels[i])] += float(np.exp(np.float64(cosines[i]) / temperature))
        right += max(votes, key=lambda name: votes[name]) == label
    return right / len(queries)


@pytest.mark.parametrize("k", [1, 5, 20, 500])
def test_equals_votes_counted_one_by_one(k) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(4, 8))
    bank_labels, labels = rng.integers(4, size=60), rng.integers(4, size=40)
    bank = unit(centres[bank_labels] + 1.5 * rng.normal(size=(60, 8)))
    queries = unit(centres[labels] + 1.5 * rng.normal(size=(40, 8)))
    want = brute_force(bank, bank_labels, queries, labels, k, 0.07)
    assert 0.3 < want < 1
    assert knn_accuracy(bank, bank_labels, queries, labels, k) == pytest.approx(want)


def test_near_neighbours_outvote_many_far_ones() -> None:
    bank = unit(np.array([[1, 0.01], [0, 1], [0, 1], [0, 1]]))
    assert knn_accuracy(bank, np.array([0, 1, 1, 1]), unit(np.array([[1, 0]])), np.array([0])) == 1
