"""JSON answers by orjson, which writes NumPy arrays as they are."""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response


class Json(Response):
    """`application/json` of a shape of `service.wire`; arrays of NumPy become lists."""

    media_type = "application/json"

    def __init__(
        self,
        content: Mapping[str, object],
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(content, status_code, headers)

    def render(self, content: Any) -> bytes:
        """The content as JSON."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
