"""`zoo embed`."""

from pathlib import Path
from typing import Annotated

import typer

from cli import complete
from cli.console import escaped, steps, tell, warn

_LISTED = 20


def embed(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="searched with its subfolders")
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write, whole or not at all.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="name or name@version; without it, the default of zoo serve.",
            autocompletion=complete.models,
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Images in one run.")] = 32,
) -> None:
    r"""Embed every image of a folder into a Parquet file.

    Columns: `path` (relative to the folder; a backslash is doubled there, and a byte that is not
    UTF-8 is written like \xff), `error` (why an image could not be read, else null) and
    `embedding` (unit length, null where there is an error). The file's metadata names `model`,
    `space` and `variant`. What a file holds decides whether it is an image, not its name. Files
    that are none, and images that cannot be read, are counted and listed; exits with 1 only if
    no image can be read.

    Example: [bold]zoo embed ~/Pictures --out pictures.parquet[/bold]
    """
    from sources import list_folder  # noqa: PLC0415
    from zoo.embed_files import embed_files, written_name  # noqa: PLC0415
    from zoo.errors import ZooError  # noqa: PLC0415
    from zoo.on_demand import DEFAULT_MODELS, find_or_make  # noqa: PLC0415

    package = find_or_make(model or DEFAULT_MODELS[0], tell)
    found = list_folder(folder)
    passed_over = {written_name(one.path): one.reason for one in found.passed_over}
    try:
        if not found.entries:
            raise ZooError(f"{folder}: no images found")
        paths = [entry.path for entry in found.entries]
        with steps("embedding") as progress:
            result = embed_files(folder, paths, out, package, batch, progress)
        _list("could not be read", result.failed)
    finally:
        _list("passed over", passed_over)
    tell(f"{result.embeddings} embeddings written to {out}")


def _list(what: str, files: dict[str, str]) -> None:
    for name, reason in list(files.items())[:_LISTED]:
        warn(escaped(f"  {name}: {reason}").replace("\n", "\\n"))
    if len(files) > _LISTED:
        warn(f"  ... and {len(files) - _LISTED} more")
    if files:
        warn(f"{what}: {len(files)}")
