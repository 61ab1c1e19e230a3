"""What the names in a pickle of PyTorch's stand for: inert records, and functions of our own."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


class RefusedError(ValueError):
    """A pickle that holds what is not read; the message names it."""


@dataclass(frozen=True)
class Storage:
    """A flat array that lies elsewhere in the file: `count` values, known by `key`.

    kind: PyTorch's name of its type, such as `FloatStorage`.
    """

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class View:
    """A tensor: values of a storage, from `offset` on, `strides` apart. All are counted in values;
    checked only when it is read."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Named:
    """A name of the pickle that stands for a function or a type: it is never looked up."""

    name: str


class Array:
    """A NumPy array; `values` are set by the instruction that comes after the one that makes it."""

    values: npt.NDArray[Any]

    def fill(
        self, version: int, shape: tuple[int, ...], dtype: Any, fortran: bool, data: bytes
    ) -> None:
        """Set the values, from the state that NumPy stores."""
        if version != 1 or not isinstance(dtype, np.dtype) or not isinstance(data, bytes):
            raise RefusedError("a NumPy array of objects")
        flat = np.frombuffer(data, dtype)
        self.values = flat.reshape(shape, order="F" if fortran else "C")


def checked_key(key: Any) -> Any:
    """A key of a dictionary.

    Raises:
        RefusedError: it is of another type than checkpoints have.
    """
    # A tuple in tuples without end would overflow the stack of the interpreter when it is hashed.
    if key is None or isinstance(key, str | int | float | bytes):
        return key
    if isinstance(key, tuple) and all(isinstance(part, str | int | float) for part in key):
        return key
    raise RefusedError(f"a key that is a {type(key).__name__}")


def is_count(value: Any) -> bool:
    """Whether it counts values or bytes of a file."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > 32 or not all(map(is_count, values)):
        raise ValueError("sizes that are no sizes")
    return values


def _view(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> View:
    (offset,), shape, strides = _counts((offset,)), _counts(shape), _counts(strides)
    if not isinstance(storage, Storage) or len(shape) != len(strides):
        raise ValueError("a tensor without a storage")
    return View(storage, offset, shape, strides)


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _dictionary(items: Any = ()) -> dict[Any, Any]:
    pairs = items.items() if isinstance(items, dict) else items
    return {checked_key(key): value for key, value in pairs}


def _members(values: Any = ()) -> tuple[Any, ...]:
    return tuple(values)


def _no_bytes() -> bytes:
    return b""


def _encoded(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise RefusedError(f"text in {encoding!r}")
    return text.encode("latin-1")


def _dtype(name: Any, *_: Any) -> "np.dtype[Any]":
    if not isinstance(name, str) or name not in _DTYPES:
        raise RefusedError(f"NumPy values of type {name!r}")
    return np.dtype(name)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, np.dtype) or not isinstance(data, bytes):
        raise RefusedError("a NumPy scalar of objects")
    (value,) = np.frombuffer(data, dtype)
    return value


def _array(*_: Any) -> Array:
    return Array()


CORE = "numpy.core"

_DTYPES = {f"{kind}{size}" for kind in "iuf" for size in (2, 4, 8)} | {"b1", "i1", "u1"}

CALLS: Mapping[str, Callable[..., Any]] = {
    "collections.OrderedDict": _dictionary,
    "collections.Counter": _dictionary,  # in the state of learning rate schedules
    "builtins.set": _members,
    "builtins.bytes": _no_bytes,
    "torch.Size": _members,
    "torch.device": _members,
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": _parameter,
    "_codecs.encode": _encoded,
    "numpy.dtype": _dtype,
    f"{CORE}.multiarray.scalar": _scalar,
    f"{CORE}.multiarray._reconstruct": _array,
}
TYPES = re.compile(r"numpy\.ndarray|torch\.(\w+Storage|(u?int|b?float|complex)\d+\w*|bool)")
"""Names that stand in arguments alone."""
