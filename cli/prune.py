"""`zoo prune`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import AsJson, print_json, stdout
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
    found = [*_downloads(), *_leftovers(), *(_old_versions() if old_versions else ())]
    total = sum(row["bytes"] for row in found)
    if not as_json:
        for row in found:
            stdout().print(f"{row['bytes'] / 1e6:10,.1f} MB  {row['what']}", markup=False)
        stdout().print(f"{total / 1e6:10,.1f} MB  in all", markup=False)
    freed = bool(found) and _agreed(yes, as_json)
    if freed:
        for row in found:
            _remove(row)
    if as_json:
        rows = [
            {
                key: str(value) if key == "path" else value
                for key, value in row.items()
                if key != "model"
            }
            for row in found
        ]
        print_json({"found": rows, "bytes": total, "freed": freed})


def _downloads() -> list[dict[str, Any]]:
    from zoo.download import unfinished  # noqa: PLC0415

    return [
        {"what": f"unfinished download of {d.key}", "path": d.path, "bytes": d.bytes}
        for d in unfinished()
        if not d.live
    ]


def _leftovers() -> list[dict[str, Any]]:
    from zoo.download.folders import folder_bytes  # noqa: PLC0415
    from zoo.store import leftovers  # noqa: PLC0415

    return [
        {"what": f"left by a killed command: {path}", "path": path, "bytes": folder_bytes(path)}
        for path in leftovers()
    ]


def _old_versions() -> list[dict[str, Any]]:
    from zoo.store import BUILTIN, list_packages, read_tags  # noqa: PLC0415

    packages = [p for p in list_packages()[0] if not p.path.is_relative_to(BUILTIN)]
    newest = {p.manifest.name: p.path for p in packages}  # in order of versions
    return [
        {
            "what": f"old version {p.manifest.reference}",
            "path": p.path,
            "bytes": sum(file.bytes for file in p.manifest.files.values()),
            "model": (p.manifest.name, p.manifest.version),
        }
        for p in packages
        if p.path != newest[p.manifest.name]
        and p.manifest.version not in read_tags(p.manifest.name).values()
    ]


def _agreed(yes: bool, as_json: bool) -> bool:
    if yes:
        return True
    if as_json:
        return False
    if not sys.stdin.isatty():
        raise ZooError("nothing was removed: add --yes to remove it")
    return typer.confirm("Remove?", err=True)


def _remove(row: dict[str, Any]) -> None:
    import shutil  # noqa: PLC0415

    from zoo.download import discard  # noqa: PLC0415
    from zoo.store import remove_package  # noqa: PLC0415

    path: Path = row["path"]
    if "model" in row:
        remove_package(*row["model"])
    elif path.name.startswith("."):
        shutil.rmtree(path, ignore_errors=True)
    else:
        discard(path)
