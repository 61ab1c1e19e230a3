"""How answers are described where what they are built from is not what is sent."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema


@dataclass(frozen=True)
class SentAs:
    """Annotates a value that becomes JSON of another type."""

    type: Any

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of the other type."""
        return handler.generate_schema(self.type)


ID = "1 to 256 printable characters, without '/'; stored in Unicode's form NFC"
LABEL = "up to 256 printable characters; stored trimmed, in Unicode's form NFC"
"""What may be an id and a label, for descriptions."""

Numbers = Annotated[npt.NDArray[np.float32], SentAs(list[float])]
"""float32 (dim,)."""
