"""`zoo compat`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import complete
from cli.console import AsJson, print_json, stdout

if TYPE_CHECKING:
    from zoo.package import Package

_Model = Annotated[str, typer.Argument(help="name or name@version", autocompletion=complete.models)]


def compat(first: _Model, second: _Model, as_json: AsJson = False) -> None:
    """Whether the embeddings of two models may be mixed and compared: if they share a space.

    Exits with 1 where they may not, and says what differs.

    Example: [bold]zoo compat my-photos@2 my-photos@3[/bold]
    """
    from zoo.store import find_package  # noqa: PLC0415

    one, other = find_package(first), find_package(second)
    same = one.manifest.space == other.manifest.space
    differs = {} if same else _differences(one, other)
    names = [one.manifest.reference, other.manifest.reference]
    if as_json:
        spaces = [one.manifest.space, other.manifest.space]
        print_json({"models": names, "compatible": same, "spaces": spaces, "differs": differs})
    else:
        _print(names, same, differs)
    if not same:
        raise typer.Exit(1)


def _differences(one: "Package", other: "Package") -> dict[str, Any]:
    """What defines a space, and differs: `{part: [first, second]}`."""
    from zoo.space import tensor_digests  # noqa: PLC0415

    differs = {}
    for part in ("dim", "architecture", "layer", "input"):
        a, b = (p.manifest.model_dump(mode="json")[part] for p in (one, other))
        if isinstance(a, dict):
            for key in sorted({*a, *b}):
                if a.get(key) != b.get(key):
                    differs[f"{part}.{key}"] = [a.get(key), b.get(key)]
        elif a != b:
            differs[part] = [a, b]
    a, b = tensor_digests(one.weights), tensor_digests(other.weights)
    changed = [name for name in sorted({*a, *b}) if a.get(name) != b.get(name)]
    if changed:
        differs["weights"] = [f"{len(changed)} of {len({*a, *b})} tensors", changed[0]]
    return differs


def _print(names: list[str], same: bool, differs: dict[str, Any]) -> None:
    console = stdout()
    if same:
        console.print(f"{names[0]} and {names[1]} share a space: mix them freely", markup=False)
        return
    console.print(f"{names[0]} and {names[1]} have different spaces: never mix them", markup=False)
    for part, (a, b) in differs.items():
        text = f"{a} differ, {b} first" if part == "weights" else f"{a} and {b}"
        console.print(f"  {part}: {text}", markup=False)
