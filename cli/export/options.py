"""Options that several kinds of export have."""

from typing import Annotated

import typer

from cli import complete

KINDS = "a folder, tar, zip, Parquet or torchvision:NAME:FOLDER. May be repeated."
"""Of images, in help."""

Model = Annotated[str, typer.Argument(help="name or name@version", autocompletion=complete.models)]

Version = Annotated[
    str | None, typer.Option(help="Without it, the number after the newest version.")
]
