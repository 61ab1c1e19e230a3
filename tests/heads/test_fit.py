from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from heads import Classifier, HeadError, fit, probabilities

Vectors = np.ndarray


def clusters(
    counts: Sequence[int], dim: int, *, apart: float = 1.0, seed: int = 0
) -> tuple[Vectors, list[str]]:
    """Gaussian clusters around random centres, `counts` examples of each class."""
    generator = np.random.default_rng(seed)
    centres = apart * generator.normal(size=(len(counts), dim))
    labels = np.repeat(np.arange(len(counts)), counts)
    vectors = 1 + centres[labels] + generator.normal(size=(len(labels), dim))
    return vectors, [f"class {label}" for label in labels]


def unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def digits(per_class: int, seed: int = 0) -> tuple[Vectors, list[str], Vectors, list[str]]:
    """Real images: (train vectors, labels, test vectors, labels)."""
    data = load_digits()
    generator = np.random.default_rng(seed)
    train = np.concatenate(
        [generator.permutation(np.flatnonzero(data.target == c))[:per_class] for c in range(10)]
    )
    test = np.setdiff1d(np.arange(len(data.target)), train)
    names = [str(label) for label in data.target]
    return (
        data.data[train],
        [names[i] for i in train],
        data.data[test],
        [names[i] for i in test],
    )


def share_right(found: Classifier, vectors: Vectors, labels: list[str]) -> float:
    answers = probabilities(found, vectors).argmax(axis=1)
    return float(np.mean(np.array(found.classes)[answers] == np.array(labels)))


def objective_gradient(classifier: Classifier, vectors: Vectors, labels: list[str]) -> Vectors:
    """Gradient of sum(loss) + |weights|^2 / (2 C) over weights and bias, in all dimensions."""
    excess = probabilities(classifier, vectors)
    for row, label in enumerate(labels):
        excess[row, classifier.classes.index(label)] -= 1
    slope = excess.T @ unit(vectors) + classifier.weights / classifier.strength
    return np.column_stack([slope, excess.sum(axis=0)])


# Fewer examples than dimensions (solved in their span), and more.
SHAPES = [((5, 5, 5), 64), ((30, 20, 25), 8), ((1, 1, 1, 1), 16), ((4, 4), 32)]


@pytest.mark.parametrize(("counts", "dim"), SHAPES)
def test_equals_scikit_learn_in_all_dimensions(counts: tuple[int, ...], dim: int) -> None:
    vectors, labels = clusters(counts, dim)
    found = fit(vectors, labels)
    # Two classes: scikit-learn has one row of weights, whose penalty is half that of two opposite
    # rows of half the length.
    factor = 2 if len(counts) == 2 else 1
    peer = LogisticRegression(C=factor * found.strength, tol=1e-10, max_iter=100_000)
    peer.fit(unit(vectors), labels)
    others = np.random.default_rng(1).normal(size=(50, dim)) + 1
    assert list(peer.classes_) == list(found.classes)
    np.testing.assert_allclose(
        probabilities(found, others), peer.predict_proba(unit(others)), atol=2e-4
    )


@pytest.mark.parametrize(("counts", "dim"), SHAPES)
def test_gradient_over_all_dimensions_vanishes(counts: tuple[int, ...], dim: int) -> None:
    vectors, labels = clusters(counts, dim)
    gradient = objective_gradient(fit(vectors, labels), vectors, labels)
    assert np.abs(gradient).max() < 1e-4


def test_one_label_a_class_is_right_about_clear_clusters() -> None:
    vectors, labels = clusters((20,) * 10, 64, apart=2)
    found = fit(vectors[::20], labels[::20])
    assert share_right(found, vectors, labels) > 0.9


def test_strength_is_near_the_best_for_unseen_examples() -> None:
    train, names, test, truth = digits(5)
    found = fit(train, names)
    loss = {}
    for step in (0.01, 0.1, 1, 10, 100):
        peer = LogisticRegression(C=found.strength * step, max_iter=10_000)
        peer.fit(unit(train), names)
        p = peer.predict_log_proba(unit(test))
        loss[step] = -np.mean([p[row, int(name)] for row, name in enumerate(truth)])
    assert loss[1] < min(loss.values()) + 0.1
    assert loss[1] < loss[0.01] - 0.5


@pytest.mark.parametrize("counts", [(1, 30), (2, 2, 9), (1, 1, 3), (2, 1), (7, 6, 1, 1, 1)])
def test_classes_with_fewer_members_than_folds(counts: tuple[int, ...]) -> None:
    vectors, labels = clusters(counts, 32, apart=3)
    found = fit(vectors, labels)
    answers = probabilities(found, vectors).argmax(axis=1)
    assert [found.classes[a] for a in answers] == labels


def test_two_hundred_classes() -> None:
    vectors, labels = clusters((3,) * 200, 64, apart=2)
    found = fit(vectors, labels)
    assert len(found.classes) == 200
    assert share_right(found, vectors, labels) > 0.9


def test_same_examples_same_classifier() -> None:
    vectors, labels = clusters((5, 4, 3), 16)
    first, second = fit(vectors, labels, seed=3), fit(vectors, labels, seed=3)
    np.testing.assert_array_equal(first.weights, second.weights)
    np.testing.assert_array_equal(first.bias, second.bias)


@settings(max_examples=15, deadline=None)
@given(st.permutations(range(12)), st.floats(0.01, 100))
def test_order_and_length_do_not_matter(order: list[int], factor: float) -> None:
    vectors, labels = clusters((5, 4, 3), 16)
    first = fit(vectors, labels)
    second = fit(factor * vectors[order], [labels[index] for index in order])
    others = np.random.default_rng(0).normal(size=(20, 16))
    np.testing.assert_allclose(
        probabilities(first, others), probabilities(second, others), atol=1e-5
    )


def test_identical_vectors_of_all_classes_are_fitted() -> None:
    found = fit(np.ones((6, 4)), ["a", "b", "b"] * 2)
    np.testing.assert_allclose(probabilities(found, np.ones((1, 4))), [[1 / 3, 2 / 3]], atol=1e-3)


GOOD = [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("vectors", "labels", "message"),
    [
        (GOOD, ["a"], "2 vectors but 1 labels"),
        (GOOD, ["a", ""], "label of example 1 is ''"),
        (GOOD, ["  ", "b"], "label of example 0"),
        (GOOD, ["a", None], "label of example 1 is None"),
        (GOOD, ["a", "a"], "at least two classes; all are 'a'"),
        (np.zeros((0, 2)), [], "at least two classes; there are none"),
        ([[1.0, 0.0], [np.inf, 1.0]], ["a", "b"], "vector 1 .* not finite"),
        ([[0.0, 0.0], [0.0, 1.0]], ["a", "b"], "vector 0 is all zeros"),
        ([1.0, 2.0], ["a", "b"], r"not of shape \(2,\)"),
        (np.zeros((2, 0)), ["a", "b"], "table"),
    ],
)
def test_examples_that_cannot_be_fitted(
    vectors: ArrayLike, labels: list[str], message: str
) -> None:
    with pytest.raises(HeadError, match=message):
        fit(vectors, labels)
