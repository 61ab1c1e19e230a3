"""Vectors that callers send: checked one by one and brought to unit length."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from service.errors import ItemError, invalid_item

Vector = npt.NDArray[np.float32]


def unit_vector(values: Sequence[float], dim: int) -> Vector | ItemError:
    """`dim` finite numbers, not all zero, as float32 (dim,) of unit length; else what is wrong."""
    if len(values) != dim:
        return invalid_item(f"the vector has {len(values)} numbers; this model's have {dim}")
    vector = np.asarray(values, np.float64)
    if not np.isfinite(vector).all():
        return invalid_item("the vector has a value that is not finite (NaN or infinity)")
    largest = np.abs(vector).max()
    if largest == 0:
        return invalid_item("the vector is all zeros, so it has no direction")
    # The largest value goes first: squares of very large or small values over- or underflow.
    scaled = vector / largest
    unit: Vector = (scaled / np.linalg.norm(scaled)).astype(np.float32)
    return unit
