"""Linear evaluation: multinomial logistic regression on frozen features, by L-BFGS.

As in SimCLR's transfer experiments (arXiv:2002.05709, appendix B.8): the l2 penalty that is best on
a validation part of the training set, then a fit on the whole of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from zoo.arrays import Features, Labels


@dataclass(frozen=True)
class Penalties:
    """The l2 values tried, strongest first, until `patience` in a row have not helped.

    unit: `spread` counts in the features' mean squared distance from their mean, so that a narrow
    embedding space gets the choice of a wide one, with the loss a mean over images; `sum` is the
    penalty beside the sum of the losses, scikit-learn's 1 / C.
    """

    values: Sequence[float]
    patience: int
    unit: Literal["spread", "sum"]


SPREAD = Penalties(tuple(10 ** (-step / 2) for step in range(15)), 3, "spread")
PAPER = Penalties(tuple(float(x) for x in np.logspace(5, -6, 45)), 45, "sum")
"""SimCLR's transfer experiments: 45 values from 1e-6 to 1e5, all of them."""


@dataclass(frozen=True)
class Linear:
    """weights: float32 (d, c), bias: float32 (c,), on the features as they came."""

    weights: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]

    def predict(self, features: Features) -> Labels:
        """Class numbers (n,) for features (n, d)."""
        answer: Labels = (features @ self.weights + self.bias).argmax(axis=1)
        return answer

    def loss(self, features: Features, labels: Labels) -> float:
        """Mean negative log-likelihood of labels (n,) for features (n, d)."""
        told = log_softmax(features @ self.weights + self.bias, axis=1)
        return -float(told[np.arange(len(labels)), labels].mean())


@dataclass(frozen=True)
class LinearResult:
    """`accuracy` on the test images; `l2` was chosen by accuracy on the validation part, and where
    that is equal by loss: many penalties get a few images all right, some by a hair.

    `l2` stands beside the mean of the losses, as `fit_linear` takes it.
    """

    accuracy: float
    l2: float
    validation: float


def linear_accuracy(
    train: Features,
    train_labels: Labels,
    test: Features,
    test_labels: Labels,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    penalties: Penalties = SPREAD,
) -> LinearResult:
    """Accuracy on `test` of a classifier fitted on `train`.

    A fifth of each class is the validation part. Penalties are tried from the strongest on, each
    from the last one's solution: the weak ones are by far the slowest to fit.

    Args:
        train: (n, d). train_labels: (n,), class numbers from 0. test: (m, d). test_labels: (m,).
        progress: called with the number of fits done and the most there can be.

    Raises:
        ValueError: a class has fewer than two training images, so that none can be held out.
    """
    held = _held_out(train_labels, seed)
    problem = _Problem(train[~held], train_labels[~held])
    best, chosen, waited = (-1.0, -np.inf), 0.0, 0
    solution = None
    most = len(penalties.values) + 1
    for number, l2 in enumerate(penalties.values):
        solution = problem.solve(problem.relative(l2, penalties), solution)
        fitted = problem.linear(solution)
        accuracy = float((fitted.predict(train[held]) == train_labels[held]).mean())
        reached = accuracy, -fitted.loss(train[held], train_labels[held])
        waited += 1
        if reached > best:
            best, chosen, waited = reached, l2, 0
        if progress:
            progress(number + 1, most)
        if waited == penalties.patience:
            break
    whole = _Problem(train, train_labels)
    relative = whole.relative(chosen, penalties)
    final = whole.linear(whole.solve(relative))
    if progress:
        progress(most, most)
    return LinearResult(
        accuracy=float((final.predict(test) == test_labels).mean()),
        l2=relative * whole.spread,
        validation=best[0],
    )


def fit_linear(features: Features, labels: Labels, l2: float) -> Linear:
    """Minimise mean(-log p[label]) + l2 / 2 * |weights|^2, the bias free.

    scikit-learn's LogisticRegression finds the same at C = 1 / (l2 * n).
    """
    problem = _Problem(features, labels)
    return problem.linear(problem.solve(l2 / problem.spread))


class _Problem:
    """One training set, centred, scaled and turned to its principal axes.

    There the Hessian is close to diagonal, so that L-BFGS on variables divided by its root needs
    tens of steps and not hundreds; the penalty does not change under rotation.
    """

    def __init__(self, features: Features, labels: Labels) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        x = torch.from_numpy(np.ascontiguousarray(features, np.float32)).to(device)
        self.mean = x.mean(dim=0)
        x = x - self.mean
        covariance = (x.T @ x).double() / len(x)
        self.spread = max(float(covariance.trace()), 1e-12)
        variances, axes = torch.linalg.eigh(covariance / self.spread)
        kept = variances > 1e-7  # below, single precision holds nothing but rounding
        self.axes = (axes[:, kept] / self.spread**0.5).float()
        self.variances = variances[kept]
        self.x = x @ self.axes
        self.labels = torch.from_numpy(labels).to(device)
        self.classes = int(labels.max()) + 1

    def relative(self, l2: float, penalties: Penalties) -> float:
        """A penalty in the unit of `solve`."""
        return l2 if penalties.unit == "spread" else l2 / len(self.x) / self.spread

    def solve(self, l2: float, start: Tensor | None = None) -> Tensor:
        """Weights and, as last row, bias on the turned features: float64 (rank + 1, classes)."""
        share = (1 - 1 / self.classes) / self.classes  # p (1 - p) where nothing is known
        curvature = torch.cat([self.variances, self.variances.new_ones(1)]) * share
        curvature[:-1] += l2
        scale = curvature.rsqrt()[:, None]
        shape = (len(scale), self.classes)
        if start is None:
            start = torch.zeros(shape, dtype=torch.float64, device=self.x.device)

        def objective(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            table = torch.from_numpy(flat).to(scale.device).view(shape) * scale
            loss, slope = self._loss(table, l2)
            return loss, (slope * scale).cpu().numpy().ravel()

        options = {"maxiter": 200, "maxcor": 20, "gtol": 2e-6, "ftol": 1e-9}
        first = (start / scale).cpu().numpy().ravel()
        found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
        return torch.from_numpy(found.x).to(scale.device).view(shape) * scale

    def linear(self, table: Tensor) -> Linear:
        """A solution on the turned features -> one on the features as they came."""
        weights = self.axes @ table[:-1].float()
        bias = table[-1].float() - self.mean @ weights
        return Linear(weights.cpu().numpy(), bias.cpu().numpy())

    def _loss(self, table: Tensor, l2: float) -> tuple[float, Tensor]:
        """The objective and its gradient (rank + 1, classes); the large products in float32."""
        weights = table[:-1]
        narrow = table.float()
        log_p = torch.addmm(narrow[-1], self.x, narrow[:-1]).log_softmax(dim=1)
        picked = log_p.gather(1, self.labels[:, None])
        loss = -float(picked.double().mean()) + l2 / 2 * float(weights.square().sum())
        excess = log_p.exp_()
        excess.scatter_add_(1, self.labels[:, None], torch.full_like(picked, -1))
        slope = torch.cat([self.x.T @ excess, excess.sum(dim=0, keepdim=True)]).double()
        slope /= len(self.x)
        slope[:-1] += l2 * weights
        return loss, slope


def _held_out(labels: Labels, seed: int) -> npt.NDArray[np.bool_]:
    """A fifth of each class, at least one image of it."""
    counts = np.bincount(labels)
    if len(counts) < 2 or counts.min() < 2:
        raise ValueError(
            f"linear evaluation needs two classes of at least two training images, not {counts}"
        )
    rng = np.random.default_rng(seed)
    held = np.zeros(len(labels), bool)
    for number, count in enumerate(counts):
        members = rng.permutation(np.flatnonzero(labels == number))
        held[members[: max(1, count // 5)]] = True
    return held
