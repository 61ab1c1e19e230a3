"""How many threads linear algebra may take."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
R = TypeVar("R")

# The libraries of NumPy and SciPy, which the modules that are wrapped have loaded.
_CONTROLLER = ThreadpoolController()


def one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """The function with BLAS on one thread.

    The matrices of a fit are small: handing them to other threads costs three to five times what
    it saves, and takes the cores from the encoder.
    """

    @functools.wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> R:
        with _CONTROLLER.limit(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return limited
