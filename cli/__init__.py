"""The `zoo` command: one module a sub-command, which imports what is heavy only when it runs.

Exit codes: 0 fine, 1 failure (one line on standard error says what and why), 2 wrong usage, 130
interrupted. What a command answers goes to standard output, everything else to standard error.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from cli import (
    bench,
    compat,
    doctor,
    embed,
    evaluate,
    export,
    import_model,
    list,
    load,
    prune,
    pull,
    push,
    rank,
    rm,
    save,
    search,
    serve,
    show,
    tag,
    train,
    verify,
    whiten,
)
from cli.console import Commands, reported

app = typer.Typer(
    name="zoo",
    cls=Commands,
    help="Image encoders: what is installed, what is served, and how new ones are made.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"zoo {version('encoder-zoo')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Image encoders: what is installed, what is served, and how new ones are made."""


def _add(name: str, panel: str, command: Callable[..., Any]) -> None:
    app.command(name, rich_help_panel=panel)(reported(command))


_USE, _PACKAGES, _TRAIN = "Use", "Packages", "Train"
_add("serve", _USE, serve.serve)
_add("embed", _USE, embed.embed)
_add("rank", _USE, rank.rank)
_add("bench", _USE, bench.bench)
_add("doctor", _USE, doctor.doctor)
_add("list", _PACKAGES, list.list_models)
_add("search", _PACKAGES, search.search)
_add("show", _PACKAGES, show.show)
_add("pull", _PACKAGES, pull.pull)
_add("import", _PACKAGES, import_model.import_model)
_add("whiten", _PACKAGES, whiten.whiten)
_add("push", _PACKAGES, push.push)
_add("save", _PACKAGES, save.save)
_add("load", _PACKAGES, load.load)
_add("verify", _PACKAGES, verify.verify)
_add("compat", _PACKAGES, compat.compat)
_add("tag", _PACKAGES, tag.tag)
_add("rm", _PACKAGES, rm.rm)
_add("prune", _PACKAGES, prune.prune)
_add("train", _TRAIN, train.train)
_add("evaluate", _TRAIN, evaluate.evaluate)
app.add_typer(export.app, name="export", rich_help_panel=_TRAIN)
