"""The checked-in OpenAPI document. `python -m service.openapi` writes it anew."""

import json
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("openapi.json")


def current() -> str:
    """The document of the application as it is, as the text of the file."""
    # Imported here: reading `PATH` alone must not cost the whole application.
    from service.app import create_app  # noqa: PLC0415
    from service.settings import Settings  # noqa: PLC0415

    document: dict[str, Any] = create_app(Settings()).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(current(), encoding="utf-8")
