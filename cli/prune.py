"""`zoo prune`."""

import sys
from typing import Annotated

import typer

from cli.console import AsJson, answer, print_json
from zoo.errors import ZooError


def prune(
    old_versions: Annotated[
        bool,
        typer.Option(
            "--old-versions", help="Also versions that are neither the newest nor tagged."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Free what nothing needs: unfinished downloads and what killed commands left.

    Says first what it would free. A download that is under way stays.

    Example: [bold]zoo prune --old-versions[/bold]
    """
    from zoo.prune import find_unneeded, remove_unneeded  # noqa: PLC0415

    found = find_unneeded(old_versions)
    total = sum(row.bytes for row in found)
    if not as_json:
        for row in found:
            answer(f"{row.bytes / 1e6:10,.1f} MB  {row.what}")
        answer(f"{total / 1e6:10,.1f} MB  in all")
    freed = bool(found) and _agreed(yes, as_json)
    if freed:
        for row in found:
            remove_unneeded(row)
    if as_json:
        rows = [{"what": row.what, "path": str(row.path), "bytes": row.bytes} for row in found]
        print_json({"found": rows, "bytes": total, "freed": freed})


def _agreed(yes: bool, as_json: bool) -> bool:
    if yes:
        return True
    if as_json:
        return False
    if not sys.stdin.isatty():
        raise ZooError("nothing was removed: add --yes to remove it")
    return typer.confirm("Remove?", err=True)
