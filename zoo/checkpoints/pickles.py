"""Pickles of `torch.save`, read as data: no import, no call, nothing of them is run.

A pickle is a program for a small stack machine. This one knows the instructions that build numbers,
text, lists and dictionaries. Of all names in a pickle it knows those of `_CALLS`, for which
functions of this module stand, and of types; any other instruction or name is refused. It reads no
more of a pickle's claims than the file has bytes.
"""

import pickletools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import numpy.typing as npt

_MAX_STEPS = 5_000_000  # instructions; the largest known checkpoints have some hundred thousand


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


def read_pickle(file: IO[bytes]) -> tuple[Any, dict[str, Storage]]:
    """The next pickle of a file, and the storages that it names, by their keys.

    Args:
        file: a read of it gives at most what is there, whatever length a pickle claims.

    Returns:
        Numbers, text, bytes, containers, `View`, `Array`.

    Raises:
        RefusedError: it holds a name or an instruction that is not read.
        Exception: of many types, where the bytes are damaged.
    """
    machine = _Machine()
    return machine.run(file), machine.storages


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self, file: IO[bytes]) -> Any:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if step > _MAX_STEPS:
                raise RefusedError("more instructions than any checkpoint has")
            if opcode.name == "STOP":
                return self.stack.pop()
            if opcode.name in ("PROTO", "FRAME"):
                continue
            if opcode.name in _CONSTANTS:
                self.stack.append(_CONSTANTS[opcode.name])
            elif opcode.name in _LITERALS:
                self.stack.append(argument)
            elif opcode.name in _TUPLES:
                self.stack.append(tuple(self.pop(_TUPLES[opcode.name])))
            elif (instruction := _INSTRUCTIONS.get(opcode.name)) is not None:
                instruction(self, argument)
            elif opcode.name in _OBJECTS:
                raise RefusedError(f"an object, {opcode.name} {argument or ''}".rstrip())
            else:
                raise ValueError(f"the instruction {opcode.name}")
        raise AssertionError("genops ends with STOP, or raises")

    def pop(self, count: int) -> list[Any]:
        """The upmost values, in the order in which they came."""
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise IndexError("the stack is empty")
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def since_mark(self) -> list[Any]:
        """The values above the last mark, which goes."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def name(self, module: str, name: str) -> None:
        full = f"{module.replace('__builtin__', 'builtins')}.{name}".replace("numpy._core", _CORE)
        if full not in _CALLS and not _TYPES.fullmatch(full):
            raise RefusedError(full)
        self.stack.append(Named(full))

    def call(self) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, Named) or function.name not in _CALLS:
            raise RefusedError(function.name if isinstance(function, Named) else "a call")
        self.stack.append(_CALLS[function.name](*arguments))

    def load_persistent(self) -> None:
        (identity,) = self.pop(1)
        if identity[0] != "storage":
            raise RefusedError(f"a {identity[0]}")
        _, kind, key, _, count, *view = identity
        # The seventh part of older files is a storage that is a part of another.
        if not isinstance(kind, Named) or view not in ([], [None]):
            raise RefusedError("a storage that is part of another")
        if not isinstance(key, str) or not _is_count(count):
            raise ValueError("a storage without a key or a size")
        storage = Storage(kind.name.removeprefix("torch."), key, count)
        if self.storages.setdefault(key, storage) != storage:
            raise ValueError("one storage with two sizes")
        self.stack.append(storage)

    def build(self) -> None:
        target, state = self.pop(2)
        if isinstance(target, Array):
            target.fill(*state)
        elif isinstance(target, np.dtype):
            if state[1] not in ("<", "|"):
                raise RefusedError("big-endian NumPy values")
        elif not isinstance(target, dict):  # whose attributes are left out
            raise RefusedError(f"the state of {type(target).__name__}")
        self.stack.append(target)

    def make_dictionary(self, items: Sequence[Any]) -> None:
        self.stack.append({})
        self.set_items(items)

    def set_items(self, items: Sequence[Any]) -> None:
        (target,) = self.stack[-1:]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError("items of what is no dictionary")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def extend(self, values: Sequence[Any]) -> None:
        (target,) = self.stack[-1:]
        if not isinstance(target, list):
            raise TypeError("values of what is no list")
        target.extend(values)


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


def _key(key: Any) -> Any:
    # A tuple in tuples without end would overflow the stack of the interpreter when it is hashed.
    if key is None or isinstance(key, str | int | float | bytes):
        return key
    if isinstance(key, tuple) and all(isinstance(part, str | int | float) for part in key):
        return key
    raise RefusedError(f"a key that is a {type(key).__name__}")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 48


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > 32 or not all(map(_is_count, values)):
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
    return {_key(key): value for key, value in pairs}


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


_CORE = "numpy.core"

_DTYPES = {f"{kind}{size}" for kind in "iuf" for size in (2, 4, 8)} | {"b1", "i1", "u1"}

_CALLS: Mapping[str, Callable[..., Any]] = {
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
    f"{_CORE}.multiarray.scalar": _scalar,
    f"{_CORE}.multiarray._reconstruct": _array,
}
_TYPES = re.compile(r"numpy\.ndarray|torch\.(\w+Storage|(u?int|b?float|complex)\d+\w*|bool)")
"""Names that stand in arguments alone."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}

_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip

_OBJECTS = {"INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}

_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

_INSTRUCTIONS: Mapping[str, Callable[[_Machine, Any], None]] = {
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.since_mark())),
    "LIST": lambda machine, _: machine.stack.append(machine.since_mark()),
    "DICT": lambda machine, _: machine.make_dictionary(machine.since_mark()),
    "EMPTY_LIST": lambda machine, _: machine.stack.append([]),
    "EMPTY_DICT": lambda machine, _: machine.stack.append({}),
    "APPEND": lambda machine, _: machine.extend(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "PUT": lambda machine, place: machine.remember(place),
    "BINPUT": lambda machine, place: machine.remember(place),
    "LONG_BINPUT": lambda machine, place: machine.remember(place),
    "MEMOIZE": lambda machine, _: machine.remember(len(machine.memo)),
    "GET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.stack.append(machine.memo[place]),
    "GLOBAL": lambda machine, full: machine.name(*full.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.pop(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "BINPERSID": lambda machine, _: machine.load_persistent(),
    "BUILD": lambda machine, _: machine.build(),
}
