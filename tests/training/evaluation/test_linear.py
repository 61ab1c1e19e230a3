import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from training.evaluation.linear import PAPER, fit_linear, linear_accuracy


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].astype(np.float32) / 16, labels[order].astype(np.int64)


@pytest.mark.parametrize("l2", [1e-1, 1e-3, 1e-4])
def test_a_fit_equals_scikit_learns(l2, digits) -> None:
    features, labels = digits[0][:600], digits[1][:600]
    theirs = LogisticRegression(C=1 / (l2 * 600), tol=1e-8, max_iter=5000).fit(features, labels)
    ours = fit_linear(features, labels, l2)

    def centred(x: np.ndarray) -> np.ndarray:  # what is added to all classes changes nothing
        return x - x.mean(axis=-1, keepdims=True)

    np.testing.assert_allclose(centred(ours.weights), centred(theirs.coef_.T), atol=2e-2)
    want = theirs.predict_proba(digits[0])
    logits = digits[0] @ ours.weights + ours.bias
    got = np.exp(logits - logits.max(axis=1, keepdims=True))
    got /= got.sum(axis=1, keepdims=True)
    # With little penalty the minimum is flat: 2e-8 above it, probabilities differ by 0.007.
    np.testing.assert_allclose(got, want, atol=1e-2)


def test_features_of_any_scale_and_more_dimensions_than_images_are_fitted(digits) -> None:
    images, labels = digits
    wide = np.random.default_rng(1).normal(size=(64, 300)).astype(np.float32)
    features = (images[:200] @ wide) * 1e-3 + 5
    fitted = fit_linear(features, labels[:200], 1e-9)
    assert (fitted.predict(features) == labels[:200]).mean() == 1


def test_the_penalty_is_chosen_without_the_test_images(digits) -> None:
    images, labels = digits
    done = []
    result = linear_accuracy(
        images[:900], labels[:900], images[900:], labels[900:],
        progress=lambda n, of: done.append((n, of)),
    )  # fmt: skip
    assert result.accuracy > 0.93
    assert result.validation > 0.93
    assert done[-1][0] == done[-1][1]
    wrong = linear_accuracy(images[:900], labels[:900], images[900:], (labels[900:] + 1) % 10)
    assert wrong.l2 == result.l2
    assert wrong.validation == result.validation
    assert wrong.accuracy < 0.05


def test_a_class_of_one_image_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two training images"):
        linear_accuracy(np.eye(3), np.array([0, 0, 1]), np.eye(3), np.array([0, 0, 1]))


def test_the_papers_penalties_are_scikit_learns_and_all_are_tried(digits) -> None:
    assert len(PAPER.values) == 45
    assert (PAPER.values[0], PAPER.values[-1]) == pytest.approx((1e5, 1e-6))
    (images, test), (labels, answers) = (np.split(part, [400]) for part in digits)
    done = []
    result = linear_accuracy(images, labels, test, answers, 0, lambda n, of: done.append(n), PAPER)
    assert done == list(range(1, 47))
    # What is chosen stands beside the mean of the losses; scikit-learn's C beside their sum.
    theirs = LogisticRegression(C=1 / (result.l2 * 400), max_iter=5000).fit(images, labels)
    assert result.accuracy == pytest.approx(theirs.score(test, answers), abs=0.01)
    assert min(abs(result.l2 * 400 - np.array(PAPER.values))) < 1e-6 * result.l2 * 400


def test_of_penalties_that_get_all_right_none_is_taken_that_only_the_bias_decides() -> None:
    rng = np.random.default_rng(0)

    def two_classes(counts: tuple[int, int]):
        labels = np.repeat([0, 1], counts)
        features = 0.3 * rng.normal(size=(len(labels), 16))
        features[:, 0] += 4 * labels
        return features.astype(np.float32), labels

    # One image more of a class, and the strongest penalty calls everything by its name.
    (images, labels), (test, answers) = two_classes((19, 20)), two_classes((50, 50))
    found = linear_accuracy(images, labels, test, answers, penalties=PAPER)
    assert found.validation == found.accuracy == 1
