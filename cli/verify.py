"""`zoo verify`."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from cli import complete
from cli.console import AsJson, answer, print_json, stderr
from zoo.errors import ZooError


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="models", autocompletion=complete.models)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every installed model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check models: every file's digest, the space, and the golden vectors on every runtime here.

    The figure is the least cosine between what a runtime gives and what the model attests.

    Exits with 1 if one of them fails.

    Example: [bold]zoo verify --all[/bold]
    """
    if bool(names) == everything:
        raise typer.BadParameter("name models, or give --all")
    results = []
    for result in _all() if everything else map(_named, names or ()):
        results.append(result)
        if not as_json:
            _print(result)
    if as_json:
        print_json({"results": results})
    if not all(result["ok"] for result in results):
        raise typer.Exit(1)


def _all() -> Iterator[dict[str, Any]]:
    from zoo.store import list_packages  # noqa: PLC0415
    from zoo.verify import verify_everywhere  # noqa: PLC0415

    packages, broken = list_packages()
    yield from map(verify_everywhere, packages)
    for path, reason in broken.items():
        yield {"model": f"{path.parent.name}@{path.name}", "ok": False, "error": reason}


def _named(name: str) -> dict[str, Any]:
    from zoo.store import find_package  # noqa: PLC0415
    from zoo.verify import verify_everywhere  # noqa: PLC0415

    try:
        return verify_everywhere(find_package(name))
    except ZooError as error:
        return {"model": name, "ok": False, "error": str(error)}


def _print(result: dict[str, Any]) -> None:
    if result["ok"]:
        seen = [
            f"{r['variant']} {r.get('skipped') or format(r['cosine_min'], '.7f')}"
            for r in result["runtimes"]
        ]
        proven = "; ".join(seen)
        answer(f"{result['model']}: files, space and golden vectors hold ({proven})")
    else:
        stderr().print(f"{result['model']}: {result['error']}", style="red", markup=False)
