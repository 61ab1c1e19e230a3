"""`zoo save`."""

from pathlib import Path
from typing import Annotated

import typer

from cli import complete
from cli.console import answer, tell


def save(
    name: Annotated[
        str, typer.Argument(help="name or name@version", autocompletion=complete.models)
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", dir_okay=False, help="Without it, NAME-VERSION.tar here."),
    ] = None,
) -> None:
    """Write an installed model to one file, for a machine without a network.

    It has a report of licence and parity inside, readable with tar alone; `zoo load` installs it.

    Example: [bold]zoo save simclr-r18-small[/bold]
    """
    from zoo.archive import save_package  # noqa: PLC0415
    from zoo.package import file_digest  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    package = find_package(name)
    manifest = package.manifest
    target = out or Path(f"{manifest.name}-{manifest.version}.tar")
    save_package(package, target)
    tell(f"{target.stat().st_size / 1e6:,.1f} MB, sha256:{file_digest(target)}")
    answer(f"{target}")
