"""Lists in requests whose items are checked one by one, so that a bad one fails alone."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class EachOf:
    """Annotates a `list[Any]`: documented as a list of `model`, validated by `each_valid`."""

    model: type[BaseModel]

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The schema of a list of the model."""
        return {"type": "array", "items": handler(self.model.__pydantic_core_schema__)}
