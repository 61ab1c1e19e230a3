"""Images that int8 takes its ranges from, and others that the cost of a variant is measured on."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from export.variant_cost import PER_CLASS, Labelled
from zoo.arrays import Pixels
from zoo.errors import PackageError

CALIBRATION, MEASURED = 512, 2000
"""Images that are enough for either."""

CLASSES = 100
"""Classes that these are of, so that each has several."""


@dataclass(frozen=True)
class Samples:
    """Images for the ranges of int8, and others with labels to measure what a variant costs."""

    calibration: Pixels
    labelled: Labelled


def divide_samples(
    found: Sequence[tuple[str, Pixels]], names: tuple[str, ...]
) -> tuple[Samples, list[str]]:
    """Divide shuffled images; the labels of which too few are left to measure on come back too.

    Args:
        found: label and square of each, uint8 (size, size, 3). names: of the data.

    Raises:
        PackageError: there are too few, or they have no labels.
    """
    # A fifth of few images calibrates: what is measured on needs several a class.
    first = min(CALIBRATION, len(found) // 5)
    counts = Counter(label for label, _ in found[first:] if label)
    rare = sorted(label for label, count in counts.items() if count <= PER_CLASS)
    measured = [(label, image) for label, image in found[first:] if counts[label] > PER_CLASS]
    if not first or not measured:
        raise PackageError(
            f"{', '.join(names)}: too few readable images with labels: give a folder that holds a "
            "folder of images for each class"
        )
    calibration = np.stack([image for _, image in found[:first]])
    images = np.stack([image for _, image in measured])
    labels = [label for label, _ in measured]
    return Samples(calibration, Labelled(images, labels, names)), rare
