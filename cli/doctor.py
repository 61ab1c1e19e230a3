"""`zoo doctor`."""

from typing import Any

import typer

from cli.console import AsJson, print_json, stdout


def doctor(as_json: AsJson = False) -> None:
    """What this machine can do: processor, GPU, runtimes, search, store; and what to mend.

    Exits with 1 if the gateway could not serve.

    Example: [bold]zoo doctor[/bold]
    """
    from export.tensorrt import check_tensorrt  # noqa: PLC0415
    from zoo.doctor import examine  # noqa: PLC0415

    found = examine({"tensorrt": check_tensorrt})
    problems = [f"{name}: {f['problem']}" for name, f in found.items() if "problem" in f]
    if as_json:
        print_json({"checks": found, "ok": not problems})
    else:
        _print(found, problems)
    if problems:
        raise typer.Exit(1)


def _print(found: dict[str, dict[str, Any]], problems: list[str]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, facts in found.items():
        for row, (key, value) in enumerate(facts.items()):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            shown = Text(text, style="red" if key == "problem" else "")
            table.add_row("" if row else name, key, shown)
    stdout().print(table)
    if not problems:
        stdout().print("The gateway can serve here.", style="green")
