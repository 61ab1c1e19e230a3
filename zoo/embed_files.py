r"""Image files -> a Parquet file of embeddings.

Names are bytes: in the column `path` a byte that is not UTF-8 is written `\xff` and a backslash
`\\`, so that any two names differ there too and each can be found again.
"""

import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zoo.arrays import Pixels
from zoo.errors import ZooError
from zoo.files import whole_file
from zoo.images import ImageError, InputBlock, read_square
from zoo.package import Package
from zoo.progress import Progress
from zoo.runtimes import Runtime, open_runtime


@dataclass
class Embedded:
    """How many embeddings there are; and which files could not be read, with the reason of each."""

    embeddings: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def embed_files(
    folder: Path,
    paths: Sequence[str],
    out: Path,
    package: Package,
    batch: int = 32,
    progress: Progress | None = None,
) -> Embedded:
    """Embed image files into the Parquet file `out`, in their order.

    Columns: `path` (relative to the folder), `error` (null where there is none) and `embedding`
    (float32 (dim,) of unit length, null where there is an error). The file's metadata names
    `model`, `space` and `variant`. It appears whole, or not at all.

    Args:
        folder: where they lie. paths: relative to it; at least one.
        batch: images in one run.

    Raises:
        ZooError: no image can be read, or the package's encoder cannot run here.
        OSError: `out` cannot be written.
    """
    result = Embedded()
    with whole_file(out) as partial:  # first: an output that cannot be written is known at once
        runtime = open_runtime(package)
        schema = _schema(package, runtime)
        with pq.ParquetWriter(partial, schema) as writer:
            done = 0
            for read in _read_batches(folder, paths, package.manifest.input, batch):
                writer.write_table(_table(read, runtime, schema))
                failed = {name: found for name, found in read if isinstance(found, str)}
                result.failed |= failed
                result.embeddings += len(read) - len(failed)
                done += len(read)
                if progress is not None:
                    progress(done, len(paths))
        if not result.embeddings:
            name, why = next(iter(result.failed.items()))
            raise ZooError(
                f"{folder}: none of its {len(paths)} images can be read, such as {name} ({why})"
            )
    return result


def written_name(path: str) -> str:
    r"""A relative path as text: `\xff` for a byte that is not UTF-8, `\\` for a backslash."""
    doubled = path.replace("\\", "\\\\")
    return re.sub("[\ud800-\udfff]", lambda found: f"\\x{os.fsencode(found[0])[0]:02x}", doubled)


Read = tuple[str, Pixels | str]
"""The name of a file, and its square or what is wrong with the image."""


def _read_batches(
    folder: Path, paths: Sequence[str], block: InputBlock, size: int
) -> Iterator[list[Read]]:
    """The next batch is decoded while one is in use."""

    def read(path: str) -> Read:
        try:
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


def _table(rows: list[Read], runtime: Runtime, schema: Any) -> Any:
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
