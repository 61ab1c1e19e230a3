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
            help="name or name@version; without it, the built-in model.",
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
    from zoo.embed_folder import embed_folder  # noqa: PLC0415
    from zoo.store import builtin_package, find_package  # noqa: PLC0415

    package = find_package(model) if model else builtin_package()
    with steps("embedding") as progress:
        result = embed_folder(folder, out, package, batch, progress)
    _list("could not be read", result.failed)
    _list("passed over", result.passed_over)
    tell(f"{result.embeddings} embeddings written to {out}")


def _list(what: str, files: dict[str, str]) -> None:
    for name, reason in list(files.items())[:_LISTED]:
        warn(escaped(f"  {name}: {reason}").replace("\n", "\\n"))
    if len(files) > _LISTED:
        warn(f"  ... and {len(files) - _LISTED} more")
    if files:
        warn(f"{what}: {len(files)}")
