"""Metadata of items: what may be said, and what filters see of it."""

import reprlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import orjson

from service.errors import ItemFailedError, invalid_item

ValueType = Literal["string", "number", "integer", "boolean"]
Scalar = str | int | float | bool

MAX_TEXT = 512
"""Characters of a text that a filter compares with. Stored texts may be longer."""

INTEGERS = range(-(2**63), 2**63)
"""Whole numbers that metadata and filters may hold: what both databases keep exactly."""

MAX_KEY = 100
MAX_METADATA_BYTES = 64 * 1024
MAX_DEPTH = 8


def check_metadata(metadata: Any, declared: Mapping[str, ValueType]) -> dict[str, Any]:
    """The metadata of an item, unchanged.

    Values of declared keys must be of their type, or a list of it, or null. A key inside an object
    is declared with dots, as in `place.city`.

    Raises:
        ItemFailedError: not an object, beyond the limits, or a value of another type; the message
            names the key.
    """
    if not isinstance(metadata, dict):
        raise invalid_item('metadata must be a JSON object, as in {"site": "north"}')
    for path, value in _values(metadata, ()):
        key = ".".join(path)
        if any(not part or "\0" in part for part in path) or len(key) > MAX_KEY:
            raise invalid_item(
                f"the metadata key {key[:200]!r} cannot be used: keys are 1 to {MAX_KEY} "
                "characters, those of an object inside included"
            )
        if isinstance(value, str) and "\0" in value:
            raise invalid_item(f"metadata.{key} holds a NUL character; leave it out")
        if isinstance(value, int) and value not in INTEGERS:
            raise invalid_item(
                f"metadata.{key} is {reprlib.repr(value)}, beyond the whole numbers of 64 bits; "
                "send it as a text"
            )
        if _is_scalar(value) and key in declared and not is_of_type(value, declared[key]):
            raise invalid_item(
                f"metadata.{key} is declared {declared[key]}, not {value!r:.100}; correct the value"
            )
        if isinstance(value, dict) and key in declared:
            raise invalid_item(f"metadata.{key} is declared {declared[key]}, not an object")
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise invalid_item(f"metadata is larger than {MAX_METADATA_BYTES:,} bytes")
    return metadata


def is_of_type(value: Any, kind: ValueType) -> bool:
    """Whether a scalar is of a declared type; integers are numbers, booleans are not."""
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (kind == "number" and isinstance(value, float))


def filter_values(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Scalar | None]]:
    """What filters see of an item's metadata: each key that is there with each of its scalars.

    A key inside an object is written with dots; a list has the scalars of its elements. None stands
    for a key that is there without one: an object, or a list of none. null is no value, so a key
    that holds it is not there.
    """
    bare: set[str] = set()
    with_scalars: set[str] = set()
    for path, value in _values(metadata, ()):
        if not path or value is None:
            continue
        key = ".".join(path)
        if _is_scalar(value):
            with_scalars.add(key)
            yield key, value
        else:
            bare.add(key)
    for key in sorted(bare - with_scalars):
        yield key, None


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _values(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Everything in metadata with the keys that lead there: objects, lists, scalars and null."""
    if len(path) > MAX_DEPTH:
        raise _too_deep()
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, list):
                raise invalid_item(f"metadata.{'.'.join(path)} holds a list inside a list")
            yield from _values(inner, path)


def merged(stored: Mapping[str, Any], patch: Mapping[str, Any], depth: int = 1) -> dict[str, Any]:
    """Metadata after a JSON merge patch (RFC 7396): objects are merged, null removes a key.

    Raises:
        ItemFailedError: the patch is nested deeper than metadata may be.
    """
    if depth > MAX_DEPTH + 1:
        raise _too_deep()
    result = dict(stored)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, dict) else {}, value, depth + 1)
        else:
            result[key] = value
    return result


def _too_deep() -> ItemFailedError:
    return invalid_item(f"metadata is nested deeper than {MAX_DEPTH} levels; flatten it")
