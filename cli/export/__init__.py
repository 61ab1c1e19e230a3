"""`zoo export`: packages of runs and variants, Triton repositories, TensorRT plans."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from cli.console import reported
from cli.export import plan, run, triton, variants

_HINT = (
    "What to make comes first: zoo export run FOLDER --name NAME, variants MODEL --precision int8 "
    "--data FOLDER, triton MODEL --out FOLDER, or plan MODEL --out FOLDER."
)


class _Kinds(TyperGroup):
    """The sub-commands; a wrong one is answered with what there is."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        with _hinted():
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        with _hinted():
            return super().resolve_command(ctx, args)


@contextmanager
def _hinted() -> Iterator[None]:
    try:
        yield
    except TyperException as error:
        error.message = f"{error.message.rstrip('.')}. {_HINT}"
        raise


app = typer.Typer(cls=_Kinds, no_args_is_help=True)


@app.callback()
def _export() -> None:
    """Make what is served: packages of runs and variants, Triton repositories, TensorRT plans.

    Example: [bold]zoo export run runs/first --name my-photos[/bold], then
    [bold]zoo export variants my-photos --precision int8 --data labelled/[/bold] and
    [bold]zoo export triton my-photos --out models/[/bold]
    """


app.command("run")(reported(run.run))
app.command("variants")(reported(variants.variants))
app.command("triton")(reported(triton.triton))
app.command("plan")(reported(plan.plan))
