"""`zoo embed`: the images of a folder -> a Parquet file of embeddings."""

import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import complete
from cli.console import stderr, warn
from zoo.errors import ZooError
from zoo.text import escaped

if TYPE_CHECKING:
    from zoo.images import InputBlock, Pixels

    Read = tuple[Path, "Pixels | str"]

_LISTED = 20


def embed(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="searched with its subfolders")
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write, whole or not at all.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="name or name@version; without it, the built-in model.",
            autocompletion=complete.models,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Images in one run.")] = 32,
) -> None:
    """Embed every image of a folder into a Parquet file.

    Columns: `path` (relative to the folder; bytes that are not UTF-8 escaped), `error` (why a file
    could not be read, else null) and `embedding` (unit length, null where there is an error). The
    file's metadata names `model`, `space` and `variant`. Content decides what is an image; what is
    none, and what cannot be read, is listed. Exits with 1 only if no image can be read.

    Example: [bold]zoo embed ~/Pictures --out pictures.parquet[/bold]
    """
    from zoo.runtimes import open_runtime  # noqa: PLC0415
    from zoo.store import builtin_package, find_package  # noqa: PLC0415

    paths = _image_paths(folder)
    if not paths:
        raise ZooError(f"{folder}: no images found")
    with _whole_file(out) as partial:  # first: an output that cannot be written is known at once
        package = find_package(model) if model else builtin_package()
        runtime = open_runtime(package)
        manifest = package.manifest
        metadata = {
            "model": manifest.reference,
            "space": manifest.space,
            "variant": runtime.variant,
        }
        reads = _read_batches(paths, manifest.input, batch)
        failed = _write(partial, folder, len(paths), reads, runtime, manifest.dim, metadata)
        if len(failed) == len(paths):
            _list_failed(failed, len(paths))
            raise ZooError(f"{folder}: none of its {len(paths)} images can be read")
    _list_failed(failed, len(paths))
    stderr().print(f"{len(paths) - len(failed)} embeddings written to {out}", markup=False)


def _image_paths(folder: Path) -> list[Path]:
    """The images of a folder; what else lies there is listed."""
    from sources import list_folder  # noqa: PLC0415

    found = list_folder(folder)
    for one in found.passed_over[:_LISTED]:
        warn(f"{escaped(one.path)}: passed over: {one.reason}")
    if found.passed_over:
        warn(f"{len(found.passed_over)} files were passed over")
    return [folder / entry.path for entry in found.entries]


def _read_batches(paths: list[Path], block: "InputBlock", size: int) -> Iterator[list["Read"]]:
    """Each batch's squares or errors; the next batch is decoded while one is in use."""
    from zoo.images import ImageError, read_square  # noqa: PLC0415

    def read(path: Path) -> "Read":
        try:
            return path, read_square(path.read_bytes(), block)
        except (ImageError, OSError) as error:
            return path, str(error)

    with ThreadPoolExecutor() as pool:
        batches = [paths[start : start + size] for start in range(0, len(paths), size)]
        ahead = pool.map(read, batches[0])
        for following in [*batches[1:], []]:
            current, ahead = ahead, pool.map(read, following)
            yield list(current)


def _write(
    target: Path,
    folder: Path,
    total: int,
    batches: Iterator[list["Read"]],
    runtime: Any,
    dim: int,
    metadata: dict[str, str],
) -> dict[str, str]:
    """Write all batches with a progress bar; the unreadable files, each with its reason."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    schema = pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("error", pa.string()),
            pa.field("embedding", pa.list_(pa.float32(), dim)),
        ],
        metadata=metadata,
    )
    columns = (TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    failed: dict[str, str] = {}
    with pq.ParquetWriter(target, schema) as writer, Progress(*columns, console=stderr()) as bar:
        task = bar.add_task("", total=total)
        for batch in batches:
            names = [escaped(path.relative_to(folder).as_posix()) for path, _ in batch]
            errors = [read if isinstance(read, str) else None for _, read in batch]
            failed |= {n: e for n, e in zip(names, errors, strict=True) if e is not None}
            squares = [read for _, read in batch if not isinstance(read, str)]
            vectors = _vectors(squares, [e is None for e in errors], runtime, dim)
            table = pa.table({"path": names, "error": errors, "embedding": vectors}, schema=schema)
            writer.write_table(table)
            bar.advance(task, len(batch))
    return failed


def _vectors(squares: list["Pixels"], readable: list[bool], runtime: Any, dim: int) -> Any:
    """A fixed-size list array with the unit-length embeddings where `readable`, else null."""
    import numpy as np  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    values = np.zeros((len(readable), dim), np.float32)
    if squares:
        found = runtime.embed(np.stack(squares))
        norms = np.linalg.norm(found, axis=1, keepdims=True)
        values[readable] = found / np.maximum(norms, np.finfo(np.float32).tiny)
    return pa.FixedSizeListArray.from_arrays(
        pa.array(values.ravel()), dim, mask=pa.array([not r for r in readable])
    )


def _list_failed(failed: dict[str, str], total: int) -> None:
    for name, reason in list(failed.items())[:_LISTED]:
        warn(f"{name}: {reason}")
    if len(failed) > _LISTED:
        warn(f"... and {len(failed) - _LISTED} more; the column `error` has them all")
    if failed:
        warn(f"{len(failed)} of {total} images could not be read")


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """A file beside `path` that takes its place when the block ends well, else goes."""
    if path.is_dir():
        raise ZooError(f"{path}: is a folder; give the name of a file")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise ZooError(
            f"{path}: cannot be written ({error.strerror}); give another --out"
        ) from None
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
