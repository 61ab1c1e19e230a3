"""`zoo verify`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import complete
from cli.console import AsJson, print_json, stderr, stdout
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.package import Package
    from zoo.runtimes import Execution


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

    packages, broken = list_packages()
    yield from map(_checked, packages)
    for path, reason in broken.items():
        yield {"model": f"{path.parent.name}@{path.name}", "ok": False, "error": reason}


def _named(name: str) -> dict[str, Any]:
    from zoo.store import find_package  # noqa: PLC0415

    try:
        return _checked(find_package(name))
    except ZooError as error:
        return {"model": name, "ok": False, "error": str(error)}


def _checked(package: "Package") -> dict[str, Any]:
    from zoo.package import verify as verify_files  # noqa: PLC0415
    from zoo.runtimes import Execution  # noqa: PLC0415
    from zoo.runtimes.bench import executions  # noqa: PLC0415

    result: dict[str, Any] = {"model": package.manifest.reference, "ok": False}
    attested = ("fp32", *package.manifest.variants)
    try:
        verify_files(package)
        ways = [way for way in executions(package) if way.precision in attested]
        runtimes = [_proven(package, way) for way in ways or [Execution()]]
    except ZooError as error:
        return result | {"error": str(error)}
    if all("skipped" in runtime for runtime in runtimes):
        return result | {"error": runtimes[0]["skipped"]}
    return result | {"ok": True, "runtimes": runtimes}


def _proven(package: "Package", way: "Execution") -> dict[str, Any]:
    """The agreement of one runtime, or why it cannot run here."""
    from zoo.errors import RuntimeUnavailableError  # noqa: PLC0415
    from zoo.runtimes import open_as_asked  # noqa: PLC0415

    try:
        runtime, parity = open_as_asked(package, way)
    except RuntimeUnavailableError as error:
        return {"variant": way.variant, "skipped": str(error)}
    return {"variant": runtime.variant} | parity.model_dump()


def _print(result: dict[str, Any]) -> None:
    if result["ok"]:
        seen = [
            f"{r['variant']} {r.get('skipped') or format(r['cosine_min'], '.7f')}"
            for r in result["runtimes"]
        ]
        stdout().print(
            f"{result['model']}: files, space and golden vectors hold ({'; '.join(seen)})",
            markup=False,
        )
    else:
        stderr().print(f"{result['model']}: {result['error']}", style="red", markup=False)
