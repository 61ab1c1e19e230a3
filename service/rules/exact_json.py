"""Reading JSON without changing a number."""

import json
import re
from typing import Any

import orjson

_LONG_INTEGER = re.compile(rb"[\s:,\[-]\d{19}")


def loads(data: bytes, *, distinct: bool = False) -> Any:
    """The content of a JSON text in UTF-8; integers of any size are kept exactly.

    orjson reads those beyond 64 bits as floats, and so as other numbers. Where there may be one,
    the text is read again by the slower module that keeps them.

    Args:
        data: the text.
        distinct: refuse an object that names a member twice, of which one would be lost.

    Raises:
        ValueError: not JSON, or nested too deep to be read.
    """
    content = orjson.loads(data)
    if not distinct and not _LONG_INTEGER.search(data):
        return content
    try:
        return json.loads(data, object_pairs_hook=_distinct if distinct else None)
    except RecursionError:
        raise ValueError("depth limit exceeded") from None


def _distinct(members: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(members)
    if len(content) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has the member {twice[:100]!r} twice")
    return content
