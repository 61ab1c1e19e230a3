"""A file that is still growing, and the proof of how far it is.

In a private folder: `part/<name>` grows; `record/<name>` says which bytes of which file it has,
with the SHA-256 of them as they arrived, renewed about every second; `whole/<name>` appears by
renaming when every byte is proven. After a kill or a loss of power only what the record proves is
continued.
"""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.download.claims import Algorithm, Hasher, new_hasher
from zoo.errors import DownloadError
from zoo.files import write_whole

_CHECKPOINT = 1.0  # seconds between records; each costs an fsync
_BLOCK = 1 << 20


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    validator: str | None
    total: int | None
    offset: int
    sha256: str


class Part:
    """`offset` bytes of a file are here; `validator` names the file that they are of."""

    def __init__(self, folder: Path, name: str, address: str) -> None:
        self._whole, self._part, self._record = (
            folder / kind / name for kind in ("whole", "part", "record")
        )
        for path in (self._whole, self._part, self._record):
            path.parent.mkdir(exist_ok=True)
        self.folder = folder
        self._address = address
        self._file: BinaryIO | None = None
        self._begin(None, None)
        self._resume()

    def proven(self) -> str | None:
        """The SHA-256 of the whole file, if an earlier pull finished it."""
        record = self._read_record()
        if record is None or not self._whole.is_file():
            return None
        hasher = new_hasher("sha256")
        _feed(self._whole, self._whole.stat().st_size, [hasher])
        if hasher.hexdigest() == record.sha256:
            return record.sha256
        self._whole.unlink()
        return None

    def restart(self, validator: str | None, total: int | None) -> None:
        """Begin anew, with the file that `validator` names."""
        self._close()
        self._record.unlink(missing_ok=True)
        self._part.unlink(missing_ok=True)
        self._begin(validator, total)

    def hash_with(self, algorithms: Iterable[Algorithm]) -> None:
        """Compute these digests too; what is here already is read again for them."""
        new = {name: new_hasher(name) for name in algorithms if name not in self._hashers}
        if new and self.offset:
            self._flush()
            _feed(self._part, self.offset, new.values())
        self._hashers |= new

    def write(self, chunk: bytes) -> None:
        """Append bytes, and record now and then how far the file is."""
        if self._file is None:
            self._file = self._part.open("ab")
        self._file.write(chunk)
        for hasher in self._hashers.values():
            hasher.update(chunk)
        self.offset += len(chunk)
        if time.monotonic() - self._recorded > _CHECKPOINT:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Bring all bytes to the disk, then the record that proves them.

        Raises:
            DownloadError: the folder is gone: another pull took it for abandoned.
        """
        self._flush()
        record = _Record(
            address=self._address,
            validator=self.validator,
            total=self.total,
            offset=self.offset,
            sha256=self._hashers["sha256"].hexdigest(),
        )
        try:
            write_whole(self._record, record.model_dump_json().encode())
        except FileNotFoundError:
            raise DownloadError(
                f"{self._address}: another pull went on with this download; try again"
            ) from None
        self._recorded = time.monotonic()

    def digests(self) -> dict[Algorithm, str]:
        """Of all bytes that are here."""
        return {name: hasher.hexdigest() for name, hasher in self._hashers.items()}

    def finish(self) -> None:
        """Give the file its name; only after its length and digests were found right."""
        if not self._part.exists():
            self._part.touch()  # an empty file
        self.checkpoint()
        self._close()
        self._part.replace(self._whole)

    def close(self) -> None:
        """Stop, keeping what is here for the next time."""
        try:
            if self._file is not None:
                self.checkpoint()
        finally:
            self._close()

    def _begin(self, validator: str | None, total: int | None) -> None:
        self.offset, self.validator, self.total = 0, validator, total
        self._hashers: dict[Algorithm, Hasher] = {"sha256": new_hasher("sha256")}
        self._recorded = 0.0

    def _resume(self) -> None:
        """Take up what an earlier pull left, as far as its record proves it."""
        record = self._read_record()
        if record is None or record.validator is None or not self._part.is_file():
            return
        if self._part.stat().st_size < record.offset:
            return
        hasher = new_hasher("sha256")
        _feed(self._part, record.offset, [hasher])
        if hasher.hexdigest() != record.sha256:
            return
        os.truncate(self._part, record.offset)
        self.offset, self.validator, self.total = record.offset, record.validator, record.total
        self._hashers = {"sha256": hasher}

    def _read_record(self) -> _Record | None:
        try:
            record = _Record.model_validate_json(self._record.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None
        return record if record.address == self._address else None

    def _flush(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _feed(path: Path, length: int, hashers: Iterable[Hasher]) -> None:
    """Hash the first `length` bytes of a file."""
    hashers = tuple(hashers)
    with path.open("rb") as file:
        while length > 0 and (block := file.read(min(length, _BLOCK))):
            length -= len(block)
            for hasher in hashers:
                hasher.update(block)
