"""Labelled vectors, checked and put into an order that does not depend on how they came."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from heads.errors import HeadError


@dataclass(frozen=True)
class Examples:
    """n labelled vectors in canonical order: by label, then by the bytes of the vector.

    vectors: float64 (n, d), unit length.
    labels: int (n,), positions in `classes`.
    groups: int (n,), the same number for identical vectors of the same label.
    order: int (n,), where each example stood in the caller's sequence.
    """

    classes: tuple[str, ...]
    vectors: npt.NDArray[np.float64]
    labels: npt.NDArray[np.intp]
    groups: npt.NDArray[np.intp]
    order: npt.NDArray[np.intp]

    @property
    def distinct(self) -> npt.NDArray[np.intp]:
        """Number of distinct vectors of every class (c,)."""
        first = np.unique(self.groups, return_index=True)[1]
        return np.bincount(self.labels[first], minlength=len(self.classes))


def examples(vectors: npt.ArrayLike, labels: Sequence[str]) -> Examples:
    """Check (n, d) vectors and n labels, and bring them to unit length and canonical order.

    Raises HeadError naming the example and what to do when a vector is not finite or all zeros,
    a label is empty, the numbers differ, or there are fewer than two classes.
    """
    unit = unit_rows(vectors)
    names = list(labels)
    if len(unit) != len(names):
        raise HeadError(
            f"{len(unit)} vectors but {len(names)} labels; give exactly one label for each vector"
        )
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise HeadError(
                f"the label of example {index} is {name!r}; name its class, or leave it out"
            )
    classes = tuple(sorted(set(names)))
    if len(classes) < 2:
        found = f"all are {classes[0]!r}" if classes else "there are none"
        raise HeadError(f"a head needs examples of at least two classes; {found}")

    rows = [row.tobytes() for row in unit.astype(np.float32)]
    order = sorted(range(len(names)), key=lambda index: (names[index], rows[index]))
    numbers = {
        pair: number for number, pair in enumerate(sorted(set(zip(names, rows, strict=True))))
    }
    position = {name: number for number, name in enumerate(classes)}
    return Examples(
        classes=classes,
        vectors=unit[order],
        labels=np.array([position[names[index]] for index in order]),
        groups=np.array([numbers[names[index], rows[index]] for index in order]),
        order=np.array(order),
    )


def unit_rows(vectors: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Rows (n, d) of any length but zero -> float64 (n, d) of unit length; HeadError otherwise."""
    try:
        array = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise HeadError(f"vectors must be numbers, all rows of the same length: {error}") from error
    if array.ndim != 2 or array.shape[1] == 0:
        raise HeadError(
            f"vectors must be a table of n rows and d columns, not of shape {array.shape}"
        )
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise HeadError(
            f"vector {int(np.argmin(finite))} has a value that is not finite (NaN or infinity); "
            "embed that image again or leave it out"
        )
    # The largest value goes first: squares of very large or very small values would over- or
    # underflow.
    largest = np.abs(array).max(axis=1, keepdims=True, initial=0)
    if not largest.all():
        raise HeadError(
            f"vector {int(np.argmin(largest))} is all zeros and has no direction; leave it out"
        )
    scaled = array / largest
    unit: npt.NDArray[np.float64] = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    return unit
