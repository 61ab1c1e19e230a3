"""`python -m zoo.schema`: writes the published JSON Schema of `model.json` anew."""

import json
from pathlib import Path
from typing import Any

from zoo.manifest import SCHEMA_VERSION, Manifest

PATH = Path(__file__).parent / "schemas" / "model.json"


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of `model.json`."""
    return (
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": f"urn:encoder-zoo:model.json:{SCHEMA_VERSION}",
        }
        | Manifest.model_json_schema()
        | {"title": "Encoder Zoo package manifest (model.json)"}
    )


if __name__ == "__main__":
    PATH.write_text(json.dumps(manifest_schema(), indent=2) + "\n")
