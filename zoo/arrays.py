"""The arrays that modules hand to one another, by what they hold."""

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""uint8 (n, size, size, 3) or (size, size, 3), RGB."""

Vector = npt.NDArray[np.float32]
"""float32 (dim,)."""

Vectors = npt.NDArray[np.float32]
"""float32 (n, dim)."""

Labels = npt.NDArray[np.int64]
"""int64 (n,), the number of each row's class."""

Keys = npt.NDArray[np.int64]
"""int64 (n,), of items in the database."""

Features = npt.NDArray[np.floating]
"""Floats of any width, (n, dim): what an evaluation works on."""
