"""Encoders compared on the same draws of labels."""

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import ttest_rel
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from heads import HeadError, fit
from heads.few_label_accuracy import Interval, few_label_accuracies, interval
from heads.rank import Ranked, check_enough, choose, rank

DIGITS = load_digits()
CHOSEN = np.flatnonzero(DIGITS.target < 5)[:200]
LABELS = DIGITS.target[CHOSEN].astype(np.int64)
PIXELS = DIGITS.images[CHOSEN].reshape(200, -1).astype(np.float32) + 1
ALL_DIFFERENT = np.arange(200)


def noisy(share: float) -> npt.NDArray[np.float32]:
    """The digits with a share of noise in each pixel."""
    noise = np.random.default_rng(0).uniform(0, 16, PIXELS.shape)
    return ((1 - share) * PIXELS + share * noise).astype(np.float32)


def test_accuracies_are_those_of_scikit_learn() -> None:
    found = few_label_accuracies(PIXELS, LABELS, 3, 3, seed=5, groups=ALL_DIFFERENT)
    unit = PIXELS / np.linalg.norm(PIXELS, axis=1, keepdims=True)
    expected = []
    for number in range(3):
        generator = np.random.default_rng([5, number])
        learned = np.zeros(200, bool)
        for digit in range(5):
            members = np.flatnonzero(digit == LABELS)
            learned[members[generator.permutation(len(members)) < 3]] = True
        names = [str(label) for label in LABELS[learned]]
        strength = fit(unit[learned], names, seed=number).strength
        peer = LogisticRegression(C=strength, tol=1e-10, max_iter=100_000)
        peer.fit(unit[learned].astype(np.float64), LABELS[learned])
        expected.append(peer.score(unit[~learned], LABELS[~learned]))
    # One of 185 digits may lie on the border between two classes.
    assert found == pytest.approx(expected, abs=1.01 / 185)
    assert 0.6 < found.mean() < 0.99


def test_encoders_are_ranked_with_paired_intervals() -> None:
    vectors = {"worse": noisy(0.6), "good": noisy(0), "again": noisy(0)}
    calls = []
    ranking = rank(
        vectors, LABELS, ALL_DIFFERENT, 2, 4, seed=1, progress=lambda *call: calls.append(call)
    )
    assert [one.name for one in ranking] == ["good", "again", "worse"]
    assert [one.level for one in ranking] == [True, True, False]
    assert calls[:2] == [("worse", 1, 4), ("worse", 2, 4)]
    assert calls[-1] == ("again", 4, 4)
    good, worse = (
        few_label_accuracies(vectors[name], LABELS, 2, 4, seed=1) for name in ("good", "worse")
    )
    expected = ttest_rel(good, worse).confidence_interval(0.95)
    behind = ranking[2].behind
    assert behind.mean == pytest.approx((good - worse).mean(), abs=1e-12)
    assert (behind.low, behind.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert ranking[0].behind == ranking[1].behind == Interval(0, 0, 0)


def test_an_interval_of_accuracy_ends_at_one() -> None:
    vectors = np.repeat(np.eye(2, dtype=np.float32), 8, axis=0)
    vectors[15] = vectors[0]  # is right only where it is among the labels
    labels, groups = np.repeat([0, 1], 8), np.arange(16)
    values = few_label_accuracies(vectors, labels, 5, 3, seed=1)
    assert interval(values).high > 1
    (found,) = rank({"one": vectors}, labels, groups, 5, 3, seed=1)
    assert found.accuracy == Interval(values.mean(), interval(values).low, 1)


def test_copies_of_a_photo_are_never_learned_from_and_tested_on() -> None:
    """Of noise nothing can be learned; who has seen a copy of it knows the answer."""
    rng = np.random.default_rng(0)
    photos = rng.normal(size=(60, 200)).astype(np.float32)
    vectors = np.repeat(photos, 2, axis=0)
    labels = np.repeat(np.arange(3), 40)
    groups = np.repeat(np.arange(60), 2)
    assert few_label_accuracies(vectors, labels, 10, 10).mean() > 0.45
    assert few_label_accuracies(vectors, labels, 10, 10, groups=groups).mean() < 0.37


def ranked(name: str, low: float, high: float) -> Ranked:
    return Ranked(name, Interval(0.5, 0.4, 0.6), Interval((low + high) / 2, low, high))


def test_the_fastest_of_those_level_with_the_best_is_taken() -> None:
    ranking = [
        ranked("best", 0, 0),
        ranked("level", -0.01, 0.02),
        ranked("touches", 0, 0.03),
        ranked("behind", 0.01, 0.04),
    ]
    speed = {"best": 10.0, "level": 20.0, "touches": 30.0, "behind": 900.0}
    choice = choose(ranking, speed)
    assert choice.name == "touches"
    assert choice.level == ("best", "level", "touches")
    assert choose(ranking, speed | {"best": 31.0}).name == "best"
    assert choose(ranking[::3], speed).level == ("best",)


@pytest.mark.parametrize(
    ("labels", "groups", "said"),
    [
        ([0, 0, 0], [0, 1, 2], "two classes or more are needed; all photos are of 'cat'"),
        ([0, 0, 0, 1, 1], [0, 1, 2, 3, 4], "class 'dog' has 2 photos and needs 3: 2 to learn"),
        ([0, 0, 0, 1, 1], [0, 1, 2, 3, 4], "add photos, or ask for fewer labels a class, at mo"),
        ([0, 0, 0, 1, 1, 1], [0, 1, 1, 3, 4, 5], "'cat' has 3 photos, of which 2 are different,"),
        (
            [0, 1, 1],
            [0, 1, 2],
            "'cat' has 1 photo and needs 3: 2 to learn from and one to be teste",
        ),
        ([0, 1, 1], [0, 1, 2], "and 1 more class has too few; add photos"),
        ([0, 0, 0], [0, 1, 2], "class 'dog' has 0 photos"),
    ],
)
def test_too_few_photos_are_named(labels: list[int], groups: list[int], said: str) -> None:
    classes = ("cat",) if said.startswith("two") else ("cat", "dog")
    with pytest.raises(HeadError, match=said.replace("'", ".")):
        check_enough(classes, np.array(labels), np.array(groups), 2)


def test_three_different_photos_a_class_are_enough_for_two_labels() -> None:
    check_enough(("cat", "dog"), np.array([0, 0, 0, 1, 1, 1]), np.arange(6), 2)
