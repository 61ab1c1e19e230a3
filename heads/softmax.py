"""Multinomial logistic regression with an L2 penalty, solved in the span of the data."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Data (n, d) = `coordinates` (n, r) @ `basis` (r, d) + `mean` (d,), with orthonormal rows.

    r <= min(n - 1, d). The minimum over all weights (c, d) with a free bias is the minimum over
    coordinates, mapped back, and exactly so: the gradient of the data term is a combination of
    centred examples, so the penalty keeps the weights in their span, and the penalty does not
    change under rotation (representer theorem; Hastie and Tibshirani 2004,
    "Efficient quadratic regularization for expression arrays", Theorem 1).
    """

    coordinates: Matrix
    basis: Matrix
    mean: Matrix

    def back(self, weights: Matrix, bias: Matrix) -> tuple[Matrix, Matrix]:
        """Weights (c, r) and bias (c,) over coordinates -> weights (c, d) and bias over data."""
        full = weights @ self.basis
        return full, bias - full @ self.mean


@dataclass(frozen=True)
class Solution:
    """Weights (c, r) and bias (c,)."""

    weights: Matrix
    bias: Matrix

    def log_probabilities(self, data: Matrix) -> Matrix:
        """Natural logarithm of every class's probability: (n, r) -> (n, c)."""
        answer: Matrix = log_softmax(data @ self.weights.T + self.bias, axis=1)
        return answer


def span(data: Matrix) -> Span:
    """Coordinates of the data (n, d) in an orthonormal basis of its centred rows."""
    mean = data.mean(axis=0)
    left, scale, right = np.linalg.svd(data - mean, full_matrices=False)
    kept = scale > max(data.shape) * np.finfo(np.float64).eps * max(scale.max(initial=0), 1)
    return Span(left[:, kept] * scale[kept], right[kept], mean)


def solve(
    data: Matrix,
    labels: npt.NDArray[np.intp],
    classes: int,
    strength: float,
    *,
    start: Solution | None = None,
    tolerance: float = 1e-7,
) -> Solution:
    """Minimise sum(-log p[label]) + |weights|^2 / (2 strength) over weights (c, r) and bias (c,).

    `start` is a solution for a nearby strength. Of the objective divided by n, the gradient ends
    below `tolerance` in every (rescaled) component, or a step gains less than 100 tolerance^2.
    data: (n, r), float64, or float32 where rough figures do.

    L-BFGS on rescaled variables: with a curvature of p(1 - p) shared by the classes, the Hessian
    is diagonal in centred singular coordinates, and dividing by its root makes it close to the
    identity.
    """
    count, rank = data.shape
    start = start or Solution(np.zeros((classes, rank)), np.zeros(classes))
    target = np.zeros((count, classes), dtype=data.dtype)
    target[np.arange(count), labels] = 1
    penalty = 1 / (strength * count)
    guess = np.exp(start.log_probabilities(data))
    curvature = float(np.mean(guess * (1 - guess)))
    # The last column is the bias, which has no penalty; its curvature must not vanish.
    hessian = np.append(curvature * np.mean(data**2, axis=0) + penalty, max(curvature, penalty))
    scale = 1 / np.sqrt(hessian)

    def objective(flat: Matrix) -> tuple[float, Matrix]:
        table = (flat.reshape(classes, rank + 1) * scale).astype(data.dtype)
        weights, bias = table[:, :-1], table[:, -1]
        log_p = log_softmax(data @ weights.T + bias, axis=1)
        loss = -np.mean(log_p[np.arange(count), labels]) + penalty / 2 * np.sum(weights**2)
        excess = (np.exp(log_p) - target) / count
        slope = np.column_stack([excess.T @ data + penalty * weights, excess.sum(axis=0)])
        return float(loss), (slope * scale).ravel().astype(np.float64)

    first = np.column_stack([start.weights, start.bias]) / scale
    # Near the minimum the objective's distance from it goes with the square of the gradient.
    options = {"maxiter": 1000, "gtol": tolerance, "ftol": 100 * tolerance**2, "maxcor": 5}
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    table = found.x.reshape(classes, rank + 1) * scale
    return Solution(table[:, :-1], table[:, -1])
