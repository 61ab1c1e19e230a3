"""Metadata of items: what may be said, and what filters see of it."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import orjson

from service.errors import invalid_item

ValueType = Literal["string", "number", "integer", "boolean"]
Scalar = str | float | bool

MAX_TEXT = 512
"""Characters of a metadata text that filters see; longer texts are kept, but not found by them."""

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
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        raise invalid_item(f"metadata is larger than {MAX_METADATA_BYTES:,} bytes")
    for path, value in _leaves(metadata, ()):
        key = ".".join(path)
        if any(not part or "\0" in part for part in path) or len(key) > MAX_KEY:
            raise invalid_item(
                f"the metadata key {key[:200]!r} cannot be used: keys are 1 to {MAX_KEY} "
                "characters, those of an object inside included"
            )
        if isinstance(value, str) and "\0" in value:
            raise invalid_item(f"metadata.{key} holds a NUL character; leave it out")
        if value is not None and key in declared and not is_of_type(value, declared[key]):
            raise invalid_item(
                f"metadata.{key} is declared {declared[key]}, not {value!r:.100}; correct the value"
            )
        for end in range(1, len(path)):
            if ".".join(path[:end]) in declared:
                outer = ".".join(path[:end])
                raise invalid_item(f"metadata.{outer} is declared {declared[outer]}, not an object")
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


def scalars(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Scalar]]:
    """What filters see of an item's metadata: each key with each of its scalar values.

    Numbers compare as 64-bit floats; a list is there with each of its elements; a key inside an
    object is written with dots; null is no value.
    """
    for path, value in _leaves(metadata, ()):
        if isinstance(value, bool):
            yield ".".join(path), value
        elif isinstance(value, int | float):
            yield ".".join(path), float(value)
        elif isinstance(value, str) and len(value) <= MAX_TEXT:
            yield ".".join(path), value


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if len(path) > MAX_DEPTH:
        raise invalid_item(f"metadata is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, list):
                raise invalid_item(f"metadata.{'.'.join(path)} holds a list inside a list")
            yield from _leaves(inner, path)
    else:
        yield path, value


def merged(stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata after a JSON merge patch (RFC 7396): objects are merged, null removes a key."""
    result = dict(stored)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = value
    return result
