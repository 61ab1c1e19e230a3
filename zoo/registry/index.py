"""How a registry is laid out: what any file server can serve.

    <name>/index.json                  which versions there are, with the digest of each manifest
    <name>/<version>/model.json        the manifest, with the digest of each file
    <name>/<version>/model.json.minisig  who signed it, where it is signed
    <name>/<version>/encoder.onnx ...  the files

A version is there once its `model.json` is, which is written last; the index is derived from
what lies there. A version never changes.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from zoo.errors import PackageError
from zoo.manifest import Name, Sha256, Version
from zoo.validation import first_error

INDEX = "index.json"
INDEX_LIMIT = 4_000_000
MANIFEST_LIMIT = 4_000_000
"""Bytes of these files at most."""


class Listed(BaseModel):
    """One version of a package."""

    model_config = ConfigDict(frozen=True)

    digest: Sha256 = Field(description="SHA-256 of its `model.json`")
    bytes: int = Field(ge=0, description="of all its files")
    signed: bool = False


class Index(BaseModel):
    """`index.json` of one name."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    name: Name
    versions: dict[Version, Listed]


def parse_index(address: str, content: bytes) -> Index:
    """The index in a file.

    Raises:
        PackageError: it is none.
    """
    try:
        return Index.model_validate_json(content)
    except ValidationError as error:
        raise PackageError(f"{address}: {first_error(error)}") from error
