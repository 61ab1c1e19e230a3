"""A registry's files: over HTTP to read, in a folder or an object store to read and write."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import fsspec
import httpx

from zoo.download import HttpFile, Remote
from zoo.download.http import shown
from zoo.download.remote import Answer, NotThereError, TransientError
from zoo.errors import DownloadError, ZooError
from zoo.files import whole_file

_BLOCK = 1 << 20


class Place(Protocol):
    """A registry that can be read."""

    @property
    def address(self) -> str:
        """Where it is, without secrets."""
        ...

    def file(self, path: str) -> Remote:
        """A file below it; `path` has `/` between its parts."""
        ...


def open_place(url: str, client: httpx.Client) -> Place:
    """The registry at an address: `https://`, a folder, or whatever fsspec knows, such as `s3://`.

    Raises:
        ZooError: an address of no known kind, or with a password; or software for it is missing.
    """
    if url.startswith(("https://", "http://")):
        return HttpPlace(client, url.rstrip("/"))
    if urlsplit(url).password is not None:
        scheme = urlsplit(url).scheme
        raise ZooError(
            f"the {scheme}:// address of the registry holds a password, which would be shown in "
            "messages: give it in the backend's environment variables or files instead, such as "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    try:
        system, root = fsspec.core.url_to_fs(
            url, use_listings_cache=False, skip_instance_cache=True
        )
    except ImportError as error:
        raise ZooError(
            f"{url}: {error}; for s3:// that is pip install 'encoder-zoo[s3]'"
        ) from error
    except ValueError as error:
        raise ZooError(f"{url}: not the address of a registry ({error})") from error
    return StoredPlace(system, root.rstrip("/"))


@dataclass(frozen=True)
class HttpPlace:
    """A registry on a web server, which is only read."""

    client: httpx.Client
    url: str

    @property
    def address(self) -> str:
        """See `Place.address`."""
        return shown(httpx.URL(self.url))

    def file(self, path: str) -> Remote:
        """See `Place.file`."""
        return HttpFile(self.client, f"{self.url}/{path}")


@dataclass(frozen=True)
class StoredPlace:
    """A registry in a file system of fsspec's: a folder, S3, memory, ..."""

    system: Any
    root: str

    @property
    def address(self) -> str:
        """See `Place.address`."""
        return str(self.system.unstrip_protocol(self.root))

    def file(self, path: str) -> Remote:
        """See `Place.file`."""
        return _StoredFile(self.system, f"{self.root}/{path}")

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        # fsspec's `isfile` takes a server that refuses, or is away, for a file that is missing.
        with _explained(f"{self.address}/{path}"), suppress(FileNotFoundError):
            return bool(self.system.info(f"{self.root}/{path}")["type"] == "file")
        return False

    def folders(self, path: str) -> list[str]:
        """Names of the folders in a folder; none where it is missing."""
        entries = []
        with _explained(f"{self.address}/{path}"), suppress(FileNotFoundError):
            entries = self.system.ls(f"{self.root}/{path}", detail=True)
        return [
            entry["name"].rstrip("/").rpartition("/")[2]
            for entry in entries
            if entry["type"] == "directory"
        ]

    def read(self, path: str) -> bytes:
        """The bytes of a small file."""
        with _explained(f"{self.address}/{path}"):
            return bytes(self.system.cat_file(f"{self.root}/{path}"))

    def put(self, source: Path, path: str) -> None:
        """Write a file from one here; it appears whole, or not at all."""
        with _explained(f"{self.address}/{path}"), self._appearing(path) as target:
            self.system.put_file(str(source), target)
            size = self.system.info(target)["size"]
            if size != source.stat().st_size:
                raise DownloadError(f"{self.address}/{path}: {size} bytes of it arrived")

    def write(self, path: str, content: bytes) -> None:
        """Write a small file; it appears whole, or not at all."""
        with _explained(f"{self.address}/{path}"), self._appearing(path) as target:
            self.system.pipe_file(target, content)

    @contextmanager
    def _appearing(self, path: str) -> Iterator[str]:
        """Object stores show an object when all of it is there; a folder needs a rename."""
        target = f"{self.root}/{path}"
        if "file" not in _protocols(self.system):
            try:
                yield target
            except FileNotFoundError as error:
                raise DownloadError(
                    f"{self.address}: there is no such bucket to write to"
                ) from error
            return
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        with whole_file(Path(target)) as partial:
            yield str(partial)


@dataclass(frozen=True)
class _StoredFile:
    system: Any
    path: str

    @property
    def address(self) -> str:
        return str(self.system.unstrip_protocol(self.path))

    @contextmanager
    def open(self, offset: int, validator: str | None) -> Iterator[Answer]:
        with _explained(self.address):
            size = int(self.system.info(self.path)["size"])
            version = str(self.system.ukey(self.path))
            file = self.system.open(self.path, "rb")
        with file:
            start = offset if validator == version else 0
            yield Answer(start, size, version, (), self._chunks(file, start))

    def _chunks(self, file: Any, start: int) -> Iterator[bytes]:
        with _explained(self.address):
            file.seek(start)
        while True:
            with _explained(self.address):
                chunk = file.read(_BLOCK)
            if not chunk:
                return
            yield chunk


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Backends raise types of their own: make them ours."""
    try:
        yield
    except ZooError:
        raise
    except FileNotFoundError as error:
        raise NotThereError(f"{address}: it is not there") from error
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        raise DownloadError(f"{address}: {error}") from error
    except TimeoutError as error:
        raise TransientError(f"{address}: {error or 'timed out'}") from error
    except Exception as error:
        raise DownloadError(f"{address}: {error or type(error).__name__}") from error


def _protocols(system: Any) -> tuple[str, ...]:
    names = system.protocol
    return (names,) if isinstance(names, str) else tuple(names)
