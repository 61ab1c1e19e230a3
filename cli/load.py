"""`zoo load`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import answer, need
from cli.transfers import TrustedKey


def load(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="what `zoo save` wrote")
    ],
    digest: Annotated[
        str | None,
        typer.Option(
            help="sha256:... that the file (`zoo save` prints it), or the model.json in it (`zoo "
            "list --json`), must have."
        ),
    ] = None,
    trusted_key: TrustedKey = None,
) -> None:
    """Install a model from a file: paths, sizes, digests and golden vectors are checked first.

    Example: [bold]zoo load simclr-r18-small-1.tar[/bold]
    """
    need("cpu", "onnxruntime")
    from zoo.archive import load_package  # noqa: PLC0415
    from zoo.package import parse_digest  # noqa: PLC0415
    from zoo.signing import trusted_keys  # noqa: PLC0415

    demanded = parse_digest(digest) if digest else None
    package = load_package(file, trusted_keys(trusted_key or ()), demanded)
    answer(f"{package.manifest.reference} {package.path}")
