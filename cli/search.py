"""`zoo search`."""

from typing import Annotated

import typer

from cli.console import AsJson
from cli.list import print_entries
from zoo.errors import UnknownModelError


def search(
    words: Annotated[list[str], typer.Argument(help="all of which must be in it")],
    as_json: AsJson = False,
) -> None:
    """Models of the catalog by name, method, summary, licence or training data.

    Exits with 1 if there is none.

    Example: [bold]zoo search simclr apache[/bold]
    """
    from zoo.catalog import search as search_catalog  # noqa: PLC0415

    entries = search_catalog(words)
    if entries or as_json:
        print_entries(entries, as_json)
    if not entries:
        raise UnknownModelError(
            f"the catalog has nothing with {' '.join(words)!r}: `zoo list --remote` lists all"
        )
