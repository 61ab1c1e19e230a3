r"""The images of a folder -> a Parquet file of embeddings.

What a file holds decides whether it is an image, not its name. Names are bytes: in the column
`path` a byte that is not UTF-8 is written `\xff` and a backslash `\\`, so that any two names differ
there too and each can be found again.
"""

import mimetypes
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from zoo.errors import ZooError
from zoo.files import whole_file
from zoo.images import FORMATS, ImageError, InputBlock, Pixels, read_square
from zoo.package import Package
from zoo.runtimes import Runtime, open_runtime

Progress = Callable[[int, int], None]
"""Called with the number of files done and their total."""


@dataclass
class Embedded:
    """What became of a folder's files: `failed` and `passed_over` name the reason of each.

    Those that failed are images, or are called so, and have a row; the others have none.
    """

    embeddings: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)


def embed_folder(
    folder: Path, out: Path, package: Package, batch: int = 32, progress: Progress | None = None
) -> Embedded:
    """Embed every image below `folder`, in order of path, into the Parquet file `out`.

    Columns: `path` (relative to the folder), `error` (null where there is none) and `embedding`
    (float32 (dim,) of unit length, null where there is an error). The file's metadata names
    `model`, `space` and `variant`. It appears whole, or not at all.

    Args:
        batch: images in one run.

    Raises:
        ZooError: no image can be read, or the package's encoder cannot run here.
        OSError: `out` cannot be written.
    """
    result = Embedded()
    paths = sorted(_files(folder, result.passed_over))
    with whole_file(out) as partial:  # first: an output that cannot be written is known at once
        if not paths:
            raise ZooError(f"{folder}: no images found")
        runtime = open_runtime(package)
        schema = _schema(package, runtime)
        with pq.ParquetWriter(partial, schema) as writer:
            done = 0
            for read in _read_batches(folder, paths, package.manifest.input, batch):
                rows = _sort(read, result)
                if rows:
                    writer.write_table(_table(rows, runtime, schema))
                done += len(read)
                if progress is not None:
                    progress(done, len(paths))
        if not result.embeddings:
            name, why = next(iter((result.failed | result.passed_over).items()))
            raise ZooError(
                f"{folder}: none of its {len(paths)} files can be read as an image, "
                f"such as {name} ({why})"
            )
    return result


def written_name(path: Path) -> str:
    r"""A relative path as text: `\xff` for a byte that is not UTF-8, `\\` for a backslash."""
    doubled = path.as_posix().replace("\\", "\\\\")
    return re.sub("[\ud800-\udfff]", lambda found: f"\\x{os.fsencode(found[0])[0]:02x}", doubled)


@dataclass(frozen=True)
class _Passed:
    """Why a file is no image."""

    reason: str


_Read = tuple[str, "Pixels | str | _Passed"]
"""The name of a file, and its square, what is wrong with the image, or that it is none."""


def _files(folder: Path, passed_over: dict[str, str]) -> Iterator[Path]:
    """Relative paths of all plain files; what else there is goes to `passed_over`."""

    def refuse(error: OSError) -> None:
        passed_over[written_name(Path(error.filename).relative_to(folder))] = str(error.strerror)

    for parent, folders, names in os.walk(folder, onerror=refuse):
        here = Path(parent).relative_to(folder)
        for name in folders:
            if Path(parent, name).is_symlink():
                passed_over[written_name(here / name)] = "a link to a folder"
        for name in names:
            if _is_file(Path(parent, name)):
                yield here / name
            else:
                passed_over[written_name(here / name)] = "not a file, or a link to none"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may be listed and not entered
        return False


def _read_batches(
    folder: Path, paths: Sequence[Path], block: InputBlock, size: int
) -> Iterator[list[_Read]]:
    """The next batch is decoded while one is in use."""

    def read(path: Path) -> _Read:
        try:
            if not _is_image(folder / path):
                return written_name(path), _Passed("not an image in a format that is read")
            return written_name(path), read_square((folder / path).read_bytes(), block)
        except ImageError as error:
            return written_name(path), str(error)
        except OSError as error:  # its text would repeat the name
            return written_name(path), error.strerror or "the file cannot be read"

    with ThreadPoolExecutor() as pool:
        batches = [paths[start : start + size] for start in range(0, len(paths), size)]
        ahead = pool.map(read, batches[0])
        for following in [*batches[1:], []]:
            current, ahead = ahead, pool.map(read, following)
            yield list(current)


def _is_image(path: Path) -> bool:
    """By its first bytes, or else by its name: what is called an image and is none is an error."""
    if path.suffix.lower() in _SUFFIXES:
        return True
    try:
        with Image.open(path, formats=FORMATS):
            return True
    except UnidentifiedImageError:
        return False
    except OSError as error:
        if error.errno is not None:  # the file system's, not the decoder's
            raise
        return True
    except Exception:  # damaged, or too large: reading it says so
        return True


_SUFFIXES = {
    suffix
    for suffix, kind in mimetypes.MimeTypes().types_map[True].items()
    if kind.startswith("image/")
} | {".heic", ".heif", ".jfif", ".jxl", ".webp", ".avif"}
"""What names of images end in, whether or not they can be read."""


def _sort(read: list[_Read], result: Embedded) -> list[tuple[str, "Pixels | str"]]:
    """The rows of a batch, after what became of each file is counted."""
    rows: list[tuple[str, Pixels | str]] = []
    for name, found in read:
        if isinstance(found, _Passed):
            result.passed_over[name] = found.reason
            continue
        rows.append((name, found))
        if isinstance(found, str):
            result.failed[name] = found
        else:
            result.embeddings += 1
    return rows


def _schema(package: Package, runtime: Runtime) -> Any:
    manifest = package.manifest
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("error", pa.string()),
            pa.field("embedding", pa.list_(pa.float32(), manifest.dim)),
        ],
        metadata={
            "model": manifest.reference,
            "space": manifest.space,
            "variant": runtime.variant,
        },
    )


def _table(rows: list[tuple[str, "Pixels | str"]], runtime: Runtime, schema: Any) -> Any:
    names = [name for name, _ in rows]
    errors = [found if isinstance(found, str) else None for _, found in rows]
    squares = [found for _, found in rows if not isinstance(found, str)]
    dim = schema.field("embedding").type.list_size
    values = np.zeros((len(rows), dim), np.float32)
    if squares:
        vectors = runtime.embed(np.stack(squares))
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        values[[error is None for error in errors]] = vectors / np.maximum(
            norms, np.finfo(np.float32).tiny
        )
    embeddings = pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), dim, mask=pa.array([error is not None for error in errors])
    )
    return pa.table({"path": names, "error": errors, "embedding": embeddings}, schema=schema)
