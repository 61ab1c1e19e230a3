"""`zoo tag`."""

from typing import Annotated

import typer

from cli import complete
from cli.console import answer
from zoo.errors import ZooError


def tag(
    model: Annotated[str, typer.Argument(help="name@version", autocompletion=complete.models)],
    label: Annotated[str, typer.Argument(metavar="TAG", help="such as stable")],
    remove: Annotated[bool, typer.Option("--remove", help="Forget the tag.")] = False,
) -> None:
    """Give a version a second name on this machine: NAME@TAG then means it everywhere.

    Example: [bold]zoo tag my-photos@3 stable[/bold]
    """
    from zoo.manifest import split_reference  # noqa: PLC0415
    from zoo.store import package_folder, remove_tag, set_tag  # noqa: PLC0415

    try:
        name, version = split_reference(model)
    except ValueError as error:
        raise ZooError(str(error)) from None
    if remove:
        remove_tag(name, label)
        answer(f"{name}@{label} forgotten")
        return
    version = package_folder(name, version).name
    set_tag(name, label, version)
    answer(f"{name}@{label} is {name}@{version}")
