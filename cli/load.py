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
    trusted_key: TrustedKey = None,
) -> None:
    """Install a model from a file: paths, sizes, digests and golden vectors are checked first.

    Example: [bold]zoo load simclr-r18-small-1.tar[/bold]
    """
    need("cpu", "onnxruntime")
    from zoo.archive import load_package  # noqa: PLC0415
    from zoo.signing import trusted_keys  # noqa: PLC0415

    package = load_package(file, trusted_keys(trusted_key or ()))
    answer(f"{package.manifest.reference} {package.path}")
