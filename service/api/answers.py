"""JSON answers by orjson, which writes NumPy arrays as they are."""

from typing import Any

import orjson
from fastapi import Response


class Json(Response):
    """`application/json`; arrays of NumPy become lists."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The content as JSON."""
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
