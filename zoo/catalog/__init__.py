"""What can be pulled: one data file a known model, beside this module. Read without PyTorch.

`ZOO_CATALOG` names a folder of more such files, of one's own.
"""

import os
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from zoo.architectures import EfficientNetLiteArchitecture, ResNetArchitecture
from zoo.errors import CatalogError, UnknownModelError
from zoo.images import InputBlock
from zoo.licences import forbids_commercial_use
from zoo.manifest import Metric, Name, Sha256, Version
from zoo.validation import first_error

FOLDER = Path(__file__).parent

Format = Literal["tf-bundle", "torch", "safetensors"]
"""How the tensors are stored: which reader of `export.checkpoints` reads them."""

Layout = Literal[
    "google-simclr",
    "torchvision",
    "moco",
    "vissl",
    "swav",
    "mmselfsup",
    "bolts-cpc",
    "efficientnet-pytorch",
]
"""How the tensors are named: which map of `zoo.checkpoints.layouts` converts them."""

DigestPrefix = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname or not _file_name(url):
        raise ValueError(f"{url!r} is not the https address of a file")
    return url


def _file_name(url: str) -> str:
    """As a browser saves it; nothing where that is no name of a file."""
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return name if "/" not in name and name not in (".", "..") and name.isprintable() else ""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CatalogFile(_Data):
    """One file to download, and what its publisher says of it."""

    url: Annotated[str, AfterValidator(_https)]
    size: int | None = Field(
        None, gt=0, description="bytes, rounded where the publisher rounds; for progress and space"
    )
    sha256: DigestPrefix | None = Field(
        None, description="hexadecimal digits, the whole digest or as many first ones as are known"
    )
    md5: DigestPrefix | None = Field(None, description="the same of the MD5 digest")

    @property
    def name(self) -> str:
        """The file's name, the last part of the address."""
        return _file_name(self.url)


class CatalogSource(_Data):
    """A place that has the checkpoint; all of its `files` are needed."""

    format: Format
    layout: Layout
    files: tuple[CatalogFile, ...] = Field(min_length=1)

    @property
    def size(self) -> int | None:
        """Bytes of all files, None where it is not known of every one."""
        sizes = [file.size for file in self.files if file.size is not None]
        return sum(sizes) if len(sizes) == len(self.files) else None


class CatalogWheel(_Data):
    """A wheel of the Python index that holds the checkpoint in one file."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")] = Field(
        description="of the distribution"
    )
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.!+_-]*$")]
    format: Format = "torch"
    path: str = Field(description="of the file, from where the wheel is installed")
    size: int = Field(gt=0, description="bytes of the file")
    sha256: Sha256
    layout: Layout
    chain: tuple[str, ...] = Field(description="who trained, converted and packaged it, in turn")


class CatalogEntry(_Data):
    """A public checkpoint: where it is, how it converts, and what may be done with it."""

    name: Name
    version: Version = "1"
    summary: str = Field(description="one line for lists")
    method: str
    architecture: ResNetArchitecture | EfficientNetLiteArchitecture
    dim: int = Field(ge=1)
    input: InputBlock
    preprocessing: str = Field(description="what the publisher does, and where `input` differs")
    code_licence: str
    weights_licence: str
    citation: str
    trained_on: str = Field(description="the data the weights come from")
    data_terms: str
    published: tuple[Metric, ...] = ()
    verified: bool = Field(description="whether a test proves the conversion of this layout")
    sources: tuple[CatalogSource, ...] = Field((), description="in order of preference")
    wheel: CatalogWheel | None = Field(None, description="in place of sources to download")

    @property
    def reference(self) -> str:
        """`name@version`, by which it is asked for."""
        return f"{self.name}@{self.version}"

    @property
    def non_commercial(self) -> bool:
        """Whether the licence must be accepted first."""
        return forbids_commercial_use(self.weights_licence)

    @property
    def size(self) -> int | None:
        """Bytes of the checkpoint, as far as they are known of its files; None for nothing."""
        if self.wheel:
            return self.wheel.size
        return sum(file.size or 0 for file in self.sources[0].files) or None

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if bool(self.sources) == (self.wheel is not None):
            raise ValueError("either sources or a wheel")
        return self


def load_catalog() -> tuple[CatalogEntry, ...]:
    """All entries, by name.

    Raises:
        CatalogError: a file of `ZOO_CATALOG` is none of a catalog, or has the name of another.
    """
    own = os.environ.get("ZOO_CATALOG")
    return _read(FOLDER, Path(own) if own else None)


def find(reference: str) -> CatalogEntry:
    """The entry `name` or `name@version`.

    Raises:
        UnknownModelError: there is none; the nearest names are suggested.
    """
    name, _, version = reference.partition("@")
    for entry in load_catalog():
        if entry.name == name and version in ("", entry.version):
            return entry
    raise UnknownModelError(_nothing_found(name, reference))


def search(words: Sequence[str]) -> tuple[CatalogEntry, ...]:
    """Entries whose name, method, summary or licence hold every word, in any case."""
    wanted = [word.casefold() for word in words]
    return tuple(e for e in load_catalog() if all(word in _text(e) for word in wanted))


@cache
def _read(folder: Path, own: Path | None) -> tuple[CatalogEntry, ...]:
    paths = sorted(folder.glob("*.toml"))
    if own is not None:
        if not own.is_dir():
            raise CatalogError(f"ZOO_CATALOG: {own} is no folder")
        paths += sorted(own.glob("*.toml"))
    entries: dict[str, CatalogEntry] = {}
    for path in paths:
        entry = _entry(path)
        if entry.name in entries:
            raise CatalogError(f"{path}: the catalog has a {entry.name!r} already: rename one")
        entries[entry.name] = entry
    return tuple(entries[name] for name in sorted(entries))


def _entry(path: Path) -> CatalogEntry:
    try:
        return CatalogEntry.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise CatalogError(f"{path}: {first_error(error)}") from error
    except (OSError, ValueError) as error:
        raise CatalogError(f"{path}: not a file of the catalog ({error})") from error


def _text(entry: CatalogEntry) -> str:
    parts = (entry.name, entry.method, entry.summary, entry.weights_licence, entry.trained_on)
    return " ".join(parts).casefold()


def _nothing_found(name: str, reference: str) -> str:
    entries = {entry.name: entry for entry in load_catalog()}
    if name in entries:
        return f"the catalog has no {reference!r}; there is {entries[name].reference}"
    near = get_close_matches(name.casefold(), entries, n=3, cutoff=0.5)
    if near:
        return f"the catalog has no model {reference!r}; did you mean {', '.join(near)}?"
    return f"the catalog has no model {reference!r}: `zoo list --remote` lists all"
