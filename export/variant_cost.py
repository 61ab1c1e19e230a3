"""What a variant costs: how far its embeddings, neighbours and classifications are from fp32's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heads.few_label_accuracy import few_label_accuracies, interval
from zoo.arrays import Pixels, Vectors
from zoo.errors import PackageError
from zoo.manifest import Cost
from zoo.runtimes.golden import agreement

PER_CLASS, DRAWS, NEIGHBOURS = 5, 30, 10


@dataclass(frozen=True)
class Labelled:
    """Images to measure on, uint8 (n, size, size, 3), with n labels; `names` of the data."""

    images: Pixels
    labels: Sequence[str]
    names: tuple[str, ...]


def check_labelled(data: Labelled) -> None:
    """That there is enough to measure a cost on.

    Raises:
        PackageError: fewer than two classes, or a class that leaves no image to test.
    """
    counts = {label: data.labels.count(label) for label in sorted(set(data.labels))}
    where = ", ".join(data.names)
    if len(counts) < 2:
        raise PackageError(f"{where}: the cost of a variant needs images of two classes or more")
    if min(counts.values()) <= PER_CLASS:
        few = min(counts, key=lambda label: counts[label])
        raise PackageError(
            f"{where}: {counts[few]} images of {few!r} are left to measure on, more than "
            f"{PER_CLASS} a class are needed: give more images"
        )


def measure_cost(data: Labelled, reference: Vectors, found: Vectors) -> Cost:
    """Compare the embeddings of `data.images`, float32 (n, dim) each, with those in fp32."""
    agrees = agreement(found, reference)
    _, labels = np.unique(np.asarray(data.labels), return_inverse=True)
    accuracies = [
        few_label_accuracies(vectors, labels.astype(np.int64), PER_CLASS, DRAWS)
        for vectors in (found, reference)
    ]
    lead = interval(accuracies[0] - accuracies[1])
    return Cost(
        data=data.names,
        images=len(data.images),
        cosine_min=agrees.cosine_min,
        cosine_mean=agrees.cosine_mean,
        recall_at_10=_recall(reference, found),
        few_label=float(accuracies[0].mean()),
        few_label_lead=lead.mean,
        low=lead.low,
        high=lead.high,
    )


def _recall(reference: Vectors, found: Vectors) -> float:
    """Share of each image's nearest others by cosine that stay its nearest."""
    before, after = _neighbours(reference), _neighbours(found)
    same = [len(np.intersect1d(a, b)) for a, b in zip(before, after, strict=True)]
    return float(np.mean(same) / before.shape[1])


def _neighbours(vectors: Vectors) -> npt.NDArray[np.intp]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    k = min(NEIGHBOURS, len(vectors) - 1)
    return np.argpartition(-scores, k - 1, axis=1)[:, :k]
