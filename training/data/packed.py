"""Images decoded once into a memory-mapped uint8 file, so that every later epoch reads pixels.

Decoding is by `zoo.images`, as in the gateway; the JPEG files of large sets are left to a GPU.
"""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sources import DataError, Entry, list_entries, read_files, source_digest, source_name
from zoo.images import ImageError, InputBlock, decode, square
from zoo.progress import Progress

if TYPE_CHECKING:  # what reads images alone need not have PyTorch
    from training.data.gpu_jpeg import Decoder

LARGE_SET = 100_000
"""Images from which on a GPU decodes; fewer take a CPU some minutes, once."""


@dataclass(frozen=True)
class Packed:
    """A decoded source.

    `pixels` is a read-only memory map, uint8 (n, side, side, 3); `entries` are its n rows.
    `unreadable` are the paths that were skipped, each with the reason.
    """

    name: str
    pixels: npt.NDArray[np.uint8]
    entries: list[Entry]
    unreadable: dict[str, str]

    def __len__(self) -> int:
        return len(self.entries)

    def labels(self) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Class numbers (n,) and the sorted class names they index."""
        names = sorted({entry.label for entry in self.entries})
        number = {name: index for index, name in enumerate(names)}
        return np.array([number[e.label] for e in self.entries], dtype=np.int64), names

    def select(self, keep: npt.NDArray[np.bool_]) -> "Packed":
        """The rows where `keep` (n,) is true, copied into memory."""
        entries = [entry for entry, kept in zip(self.entries, keep, strict=True) if kept]
        return Packed(self.name, self.pixels[keep], entries, self.unreadable)


def pack(
    source: Path,
    cache: Path,
    side: int,
    split: str | None = None,
    progress: Progress | None = None,
) -> Packed:
    """Decode the centre squares of a source's images at `side` pixels, or read them from `cache`.

    Images smaller than `side` are not enlarged: the file's side is the least of `side` and the
    median short side of the source.

    Raises:
        DataError: the source has no readable images.
    """
    entries = list_entries(source, split)
    folder = cache / f"{source_name(source)}-{side}px-{source_digest(source, entries)[:16]}"
    if not (folder / "index.json").is_file():
        with alone(cache):
            if not (folder / "index.json").is_file():  # else another process has just written it
                _write(source, entries, folder, side, progress)
    index = json.loads((folder / "index.json").read_text())
    return Packed(
        name=source_name(source),
        pixels=np.load(folder / "pixels.npy", mmap_mode="r"),
        entries=[Entry(*row) for row in index["entries"]],
        unreadable=index["unreadable"],
    )


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process works in the folder at a time: all that `torchrun` starts want the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _write(
    source: Path, entries: list[Entry], folder: Path, side: int, progress: Progress | None
) -> None:
    """Into a private folder first, renamed when whole: an interrupted run leaves nothing behind."""
    work = Path(tempfile.mkdtemp(prefix=".packing-", dir=folder.parent))
    try:
        block = InputBlock(size=_side(source, entries, side), interpolation="bicubic")
        readable, unreadable = _decode_all(source, entries, block, work / "raw", progress)
        if not readable:
            raise DataError(f"{source}: none of its {len(entries)} images can be read")
        raw = np.memmap(
            work / "raw", np.uint8, "r", shape=(len(entries), block.size, block.size, 3)
        )
        np.save(work / "pixels.npy", raw[readable])
        del raw
        (work / "raw").unlink()
        rows = [[e.path, e.label, e.split] for e in (entries[i] for i in readable)]
        (work / "index.json").write_text(json.dumps({"entries": rows, "unreadable": unreadable}))
        os.replace(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _gpu_of(entries: list[Entry]) -> "Decoder | None":
    """What decodes the JPEG files of a large set, where there is a GPU."""
    if len(entries) < LARGE_SET:
        return None
    from training.data.gpu_jpeg import gpu_decoder  # noqa: PLC0415 - PyTorch

    return gpu_decoder()


def _side(source: Path, entries: list[Entry], wanted: int) -> int:
    """The least of `wanted` and the median short side of the first hundred images."""
    shorts = []
    for _, data in islice(read_files(source, entries), 100):
        try:
            shorts.append(min(decode(data).pixels.size))
        except ImageError:
            continue
    return max(8, min(wanted, int(np.median(shorts)))) if shorts else wanted


def _decode_all(
    source: Path, entries: list[Entry], block: InputBlock, target: Path, progress: Progress | None
) -> tuple[list[int], dict[str, str]]:
    shape = (len(entries), block.size, block.size, 3)
    pixels = np.memmap(target, np.uint8, "w+", shape=shape)
    readable: list[int] = []
    unreadable: dict[str, str] = {}
    decoder = _gpu_of(entries)

    def read(item: tuple[int, bytes]) -> tuple[int, ImageError | None]:
        index, data = item
        try:
            pixels[index] = square(decode(data), block)
        except ImageError as error:
            return index, error
        return index, None

    files = read_files(source, entries)
    with ThreadPoolExecutor() as pool:
        done = 0
        while chunk := list(islice(files, 512)):
            done += len(chunk)
            if decoder:
                from training.data.gpu_jpeg import squares  # noqa: PLC0415 - as above

                found = squares([data for _, data in chunk], block.size, decoder)
                for (index, _), pixels_found in zip(chunk, found, strict=True):
                    if pixels_found is not None:
                        pixels[index] = pixels_found
                        readable.append(index)
                chunk = [item for item, f in zip(chunk, found, strict=True) if f is None]
            for index, error in pool.map(read, chunk):
                if error is None:
                    readable.append(index)
                else:
                    unreadable[entries[index].path] = str(error)
            if progress:
                progress(done, len(entries))
    pixels.flush()
    return sorted(readable), unreadable
