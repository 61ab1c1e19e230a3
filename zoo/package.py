"""Reading a package folder and checking that it is whole."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from zoo.errors import PackageError
from zoo.manifest import (
    GOLDEN,
    GRAPH,
    SCHEMA_VERSION,
    WEIGHTS,
    File,
    Manifest,
    Precision,
    graph_name,
)
from zoo.space import space_digest, tensor_digests
from zoo.validation import first_error

MANIFEST = "model.json"


@dataclass(frozen=True)
class Package:
    """A package on disk. Reading one checks its manifest; `verify` checks every byte."""

    path: Path
    manifest: Manifest

    @property
    def graph(self) -> Path:
        """The ONNX graph."""
        return self.path / GRAPH

    def graph_of(self, precision: Precision) -> Path:
        """The ONNX graph in a precision.

        Raises:
            PackageError: the package has no such variant.
        """
        name = graph_name(precision)
        if name != GRAPH and name not in self.manifest.files:
            present = ", ".join(("fp32", *self.manifest.variants))
            raise PackageError(
                f"{self.manifest.reference} has no {precision} variant (it has {present}): make "
                f"one with zoo export variants {self.manifest.reference} --precision {precision} "
                "--data FOLDER"
            )
        return self.path / name

    @property
    def weights(self) -> Path:
        """The one weights file."""
        return self.path / WEIGHTS

    @property
    def golden(self) -> Path:
        """The golden vectors."""
        return self.path / GOLDEN


def read_package(path: Path) -> Package:
    """The package in a folder; cheap, the large files are only looked at.

    Raises:
        PackageError: no manifest, one of a newer schema, or a file that is missing, is a link, or
            has another size.
    """
    manifest = _read_manifest(path / MANIFEST)
    for name in (WEIGHTS, GRAPH, GOLDEN, *map(graph_name, manifest.variants)):
        if name not in manifest.files:
            raise PackageError(f"{path / MANIFEST}: lists no {name}")
    for name, expected in manifest.files.items():
        _check_file(path, name, expected)
    return Package(path, manifest)


def verify(package: Package) -> None:
    """Check every file's digest and the space digest.

    Raises:
        PackageError: something differs; the message names it.
    """
    for name, expected in package.manifest.files.items():
        digest = file_digest(package.path / name)
        if digest != expected.sha256:
            raise PackageError(
                f"{package.path / name}: its SHA-256 is {digest}, the manifest says "
                f"{expected.sha256}: the file was changed or damaged; install the package again"
            )
    manifest = package.manifest
    weights = tensor_digests(package.weights)
    space = space_digest(weights, manifest.architecture, manifest.layer, manifest.input)
    if space != manifest.space:
        raise PackageError(
            f"{package.path}: its weights, architecture, layer and input give the space {space}, "
            f"the manifest says {manifest.space}"
        )


def parse_manifest(content: bytes, path: Path | str) -> Manifest:
    """The manifest in the bytes of `model.json`; `path` is for messages.

    Raises:
        PackageError: it is none, of a newer schema, or names what is not a file in the package.
    """
    try:
        parsed = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{path}: cannot be read ({error})") from error
    version = parsed.get("schema_version") if isinstance(parsed, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise PackageError(
            f"{path}: written in schema {version}, this program reads up to {SCHEMA_VERSION}: "
            "upgrade encoder-zoo"
        )
    try:
        manifest = Manifest.model_validate_json(json.dumps(parsed))
    except ValidationError as error:
        raise PackageError(f"{path}: {first_error(error)}") from error
    for name in manifest.files:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}", name) or name == MANIFEST:
            raise PackageError(f"{path}: {name!r} is not the name of a file in the package")
    return manifest


def file_digest(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_digest(text: str) -> str:
    """`sha256:` and 64 hexadecimal digits, or these alone -> the digits.

    Raises:
        PackageError: the text is something else.
    """
    digits = text.removeprefix("sha256:")
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        raise PackageError(
            f"{text!r} is not a digest: give sha256: and 64 hexadecimal digits, in lower case"
        )
    return digits


def _read_manifest(path: Path) -> Manifest:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise PackageError(f"{path.parent}: not a package, it has no {MANIFEST}") from None
    except OSError as error:
        raise PackageError(f"{path}: cannot be read ({error})") from error
    return parse_manifest(content, path)


def _check_file(folder: Path, name: str, expected: File) -> None:
    path = folder / name
    # A link could bring in bytes from outside the package (external data of ONNX graphs above all).
    if path.is_symlink() or not path.is_file():
        raise PackageError(f"{path}: missing, or not a regular file")
    size = path.stat().st_size
    if size != expected.bytes:
        raise PackageError(
            f"{path}: {size} bytes, the manifest says {expected.bytes}: install the package again"
        )
