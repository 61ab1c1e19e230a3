"""`zoo verify`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands import complete
from zoo.commands.console import AsJson, print_json, stderr, stdout
from zoo.errors import ZooError

if TYPE_CHECKING:
    from zoo.package import Package


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="models", autocompletion=complete.models)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every installed model.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check models: every file's digest, the space, and the golden vectors on this machine.

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
    from zoo.runtimes import check_golden, open_onnx  # noqa: PLC0415

    result: dict[str, Any] = {"model": package.manifest.reference, "ok": False}
    try:
        verify_files(package)
        runtime = open_onnx(package)
        parity = check_golden(package, runtime.variant, runtime.embed)
    except ZooError as error:
        return result | {"error": str(error)}
    return result | {"ok": True, "variant": runtime.variant} | parity.model_dump()


def _print(result: dict[str, Any]) -> None:
    if result["ok"]:
        stdout().print(
            f"{result['model']}: files, space and golden vectors hold "
            f"({result['variant']}, least cosine {result['cosine_min']:.7f})",
            markup=False,
        )
    else:
        stderr().print(f"{result['model']}: {result['error']}", style="red", markup=False)
