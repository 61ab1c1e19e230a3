"""What to say of data that does not have the shape it should have."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class _Errors(Protocol):
    def errors(self) -> Sequence[Any]: ...


def first_error(error: _Errors) -> str:
    """The first thing that is wrong, as `place: what`, of pydantic's or FastAPI's errors."""
    first: Mapping[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    # pydantic would name the Python class that it expects.
    said = "must be a JSON object" if first["type"] == "model_type" else first["msg"]
    return f"{where}: {said}" if where else str(said)
