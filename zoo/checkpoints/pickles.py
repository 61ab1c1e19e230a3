"""Pickles of `torch.save`, read as data: no import, no call, nothing of them is run.

A pickle is a program for a small stack machine. This one knows the instructions that build numbers,
text, lists and dictionaries. Of all names in a pickle it knows those of `names.CALLS`, for which
functions of ours stand, and of types; any other instruction or name is refused. It reads no
more of a pickle's claims than the file has bytes.
"""

import pickletools
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

import numpy as np

from zoo.checkpoints.names import (
    CALLS,
    CORE,
    TYPES,
    Array,
    Named,
    RefusedError,
    Storage,
    checked_key,
    is_count,
)

_MAX_STEPS = 5_000_000  # instructions; the largest known checkpoints have some hundred thousand


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
        full = f"{module.replace('__builtin__', 'builtins')}.{name}".replace("numpy._core", CORE)
        if full not in CALLS and not TYPES.fullmatch(full):
            raise RefusedError(full)
        self.stack.append(Named(full))

    def call(self) -> None:
        function, arguments = self.pop(2)
        if not isinstance(function, Named) or function.name not in CALLS:
            raise RefusedError(function.name if isinstance(function, Named) else "a call")
        self.stack.append(CALLS[function.name](*arguments))

    def load_persistent(self) -> None:
        (identity,) = self.pop(1)
        if identity[0] != "storage":
            raise RefusedError(f"a {identity[0]}")
        _, kind, key, _, count, *view = identity
        # The seventh part of older files is a storage that is a part of another.
        if not isinstance(kind, Named) or view not in ([], [None]):
            raise RefusedError("a storage that is part of another")
        if not isinstance(key, str) or not is_count(count):
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
            target[checked_key(key)] = value

    def extend(self, values: Sequence[Any]) -> None:
        (target,) = self.stack[-1:]
        if not isinstance(target, list):
            raise TypeError("values of what is no list")
        target.extend(values)


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
