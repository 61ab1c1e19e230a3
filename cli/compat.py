"""`zoo compat`."""

from typing import Annotated, Any

import typer

from cli import complete
from cli.console import AsJson, answer, print_json

_Model = Annotated[str, typer.Argument(help="name or name@version", autocompletion=complete.models)]


def compat(first: _Model, second: _Model, as_json: AsJson = False) -> None:
    """Whether the embeddings of two models may be mixed and compared: if they share a space.

    Exits with 1 where they may not, and says what differs.

    Example: [bold]zoo compat my-photos@2 my-photos@3[/bold]
    """
    from zoo.compare import space_differences  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    one, other = find_package(first), find_package(second)
    same = one.manifest.space == other.manifest.space
    differs = space_differences(one, other)
    names = [one.manifest.reference, other.manifest.reference]
    if as_json:
        spaces = [one.manifest.space, other.manifest.space]
        print_json({"models": names, "compatible": same, "spaces": spaces, "differs": differs})
    else:
        _print(names, same, differs)
    if not same:
        raise typer.Exit(1)


def _print(names: list[str], same: bool, differs: dict[str, Any]) -> None:
    if same:
        answer(f"{names[0]} and {names[1]} share a space: mix them freely")
        return
    answer(f"{names[0]} and {names[1]} have different spaces: never mix them")
    for part, (a, b) in differs.items():
        text = f"{a} differ, {b} first" if part == "weights" else f"{a} and {b}"
        answer(f"  {part}: {text}")
