import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from training.evaluation.linear_sgd import fit_linear_sgd


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))
    return images[order].astype(np.float32) / 16, labels[order].astype(np.int64)


def in_float64(x, y, seed, epochs, batch) -> tuple[np.ndarray, np.ndarray]:
    """Nesterov momentum as Sutskever writes it, on the same batches; weights and bias."""
    x = x.astype(np.float64)
    mean = x.mean(axis=0)
    scale = np.sqrt(((x - mean) ** 2).mean())
    x = np.hstack([(x - mean) / scale, np.ones((len(x), 1))])
    classes = y.max() + 1
    w, speed = np.zeros((x.shape[1], classes)), np.zeros((x.shape[1], classes))
    rng, steps = np.random.default_rng(seed), epochs * (len(x) // batch)
    for step in range(steps):
        if step % (len(x) // batch) == 0:
            order = rng.permutation(len(x))
        start = step % (len(x) // batch) * batch
        rows = order[start : start + batch]
        logits = x[rows] @ w
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(batch), y[rows]] -= 1
        gradient = x[rows].T @ p / batch
        speed = 0.9 * speed + gradient
        lr = 0.1 * batch / 256 * 0.5 * (1 + np.cos(np.pi * step / steps))
        w -= lr * (gradient + 0.9 * speed)
    return w[:-1] / scale, w[-1] - mean @ w[:-1] / scale


def test_every_step_equals_the_same_in_float64(digits) -> None:
    features, labels = digits[0][:500], digits[1][:500]
    fitted = fit_linear_sgd(features, labels, seed=3, epochs=6, batch=50)
    weights, bias = in_float64(features, labels, seed=3, epochs=6, batch=50)
    np.testing.assert_allclose(fitted.weights, weights, atol=1e-5)
    np.testing.assert_allclose(fitted.bias, bias, atol=1e-5)


def test_it_reaches_what_scikit_learn_reaches(digits) -> None:
    (train, test), (y, answers) = np.split(digits[0], [1200]), np.split(digits[1], [1200])
    theirs = LogisticRegression(C=10, max_iter=3000).fit(train, y).score(test, answers)
    fitted = fit_linear_sgd(train, y)
    assert (fitted.predict(test) == answers).mean() > theirs - 0.02


def test_features_of_any_scale_give_the_same_answers(digits) -> None:
    images, labels = digits[0][:300], digits[1][:300]
    one = fit_linear_sgd(images, labels, epochs=5)
    other = fit_linear_sgd(images * 1e-3 + 5, labels, epochs=5)
    np.testing.assert_array_equal(one.predict(images), other.predict(images * 1e-3 + 5))


def test_fewer_images_than_a_batch_are_learned_from() -> None:
    x = np.array([[0.0, 1.0], [1.0, 0.0], [0.1, 1.0]], np.float32)
    fitted = fit_linear_sgd(x, np.array([0, 1, 0]))
    assert fitted.predict(x).tolist() == [0, 1, 0]
