"""The directions in which embeddings of generic images vary, and how far."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from zoo.arrays import Vectors
from zoo.errors import PackageError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Whitening:
    """`(x - mean) @ directions / scales`: PCA whitening of embeddings of `width` values.

    mean: (width,). directions: (width, dim), orthonormal, the one with most variance first.
    scales: (dim,). share: of the variance that the directions keep, 0 to 1. images: fitted on.
    """

    mean: Floats
    directions: Floats
    scales: Floats
    share: float
    images: int

    @property
    def matrix(self) -> Floats:
        """(width, dim): what embeddings less their mean are multiplied by."""
        return self.directions / self.scales


def fit_whitening(vectors: Vectors, dim: int) -> Whitening:
    """Whitening by the `dim` leading directions of embeddings (n, width) of n images.

    Each direction is divided by sqrt(l + mean l), where l is its variance and the mean is over the
    `dim` that are kept: without the second term, the directions that vary least, which few images
    tell least about, would weigh as much as those that vary most.

    Raises:
        PackageError: too few images, or the embeddings do not vary in so many directions.
    """
    count, width = vectors.shape
    if dim > width:
        raise PackageError(f"{width} values have no {dim} directions: ask for {width} or fewer")
    if count <= dim:
        raise PackageError(
            f"{count} images cannot give {dim} directions: more than {dim} are needed"
        )
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    variances, directions = _principal(centred, dim)
    if not variances[-1] > _LEAST * variances[0]:  # NaN fails too
        seen = int((variances > _LEAST * variances[0]).sum())
        raise PackageError(
            f"the embeddings of these {count} images vary in {seen} directions, not in {dim}: give "
            "more, and more different, images, or ask for fewer values"
        )
    scales = np.sqrt(variances + variances.mean())
    share = float(variances.sum() * count / np.sum(centred**2))
    return Whitening(mean, directions, scales, min(share, 1.0), count)


_LEAST = 1e-12
"""Share of the largest variance below which a direction is rounding."""


def _principal(centred: Floats, dim: int) -> tuple[Floats, Floats]:
    """Variances (dim,), largest first, and directions (width, dim), of rows of zero mean.

    By the smaller of the two matrices of products, which have the same variances.
    """
    count, width = centred.shape
    wide = width > count
    products = (centred @ centred.T if wide else centred.T @ centred) / count
    side = len(products)
    found: Any = eigh(products, subset_by_index=(side - dim, side - 1))
    variances, vectors = np.maximum(found[0][::-1], 0), found[1][:, ::-1]
    if wide:
        vectors = centred.T @ vectors
        vectors /= np.maximum(np.linalg.norm(vectors, axis=0), np.finfo(np.float64).tiny)
    # A direction and its opposite are the same: that whose largest value is positive is taken, so
    # that the same images give the same encoder.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(dim)])
    return variances, vectors * np.where(signs == 0, 1, signs)
