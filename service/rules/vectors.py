"""Vectors that callers send: checked one by one and brought to unit length."""

from collections.abc import Sequence

import numpy as np

from service.errors import invalid_item
from zoo.arrays import Vector


def unit_vector(values: Sequence[float], dim: int) -> Vector:
    """`dim` finite numbers, not all zero, as float32 (dim,) of unit length.

    Raises:
        ItemFailedError: they are not that.
    """
    if len(values) != dim:
        raise invalid_item(f"the vector has {len(values)} numbers; this model's have {dim}")
    vector = np.asarray(values, np.float64)
    if not np.isfinite(vector).all():
        raise invalid_item("the vector has a value that is not finite (NaN or infinity)")
    largest = np.abs(vector).max()
    if largest == 0:
        raise invalid_item("the vector is all zeros, so it has no direction")
    # The largest value goes first: squares of very large or small values over- or underflow.
    scaled = vector / largest
    unit: Vector = (scaled / np.linalg.norm(scaled)).astype(np.float32)
    return unit
