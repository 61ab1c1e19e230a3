"""`zoo export`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cli import complete, exports
from cli.console import need, stderr, stdout
from zoo.errors import ZooError

_CALIBRATION = 4096

_HEEDED = {
    "--triton": ("backend", "device", "precision", "tensorrt"),
    "--tensorrt": ("precision", "data"),
    "--precision": ("version", "data"),
    "a run": (
        *("name", "version", "size", "crop", "stage", "grid", "step", "data", "dim"),
        *("weights_licence", "terms"),
    ),
}
"""The options that each way to export heeds; another one is refused."""

_INSTALLED = "Of installed models"


def export(
    context: typer.Context,
    what: Annotated[
        list[str],
        typer.Argument(
            help="folder of a run, or installed models",
            autocompletion=complete.models,
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Of the run's model: lower-case letters, digits, . _ -")
    ] = "",
    version: Annotated[
        str | None, typer.Option(help="Without it, the number after the newest version.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=8, max=1024, help="Side of the input; without it, the run's.")
    ] = None,
    crop: Annotated[float, typer.Option(min=0.1, max=1, help="Share of the short side.")] = 1.0,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="layer1 to layer4, repeated for several; without it, the last."),
    ] = None,
    grid: Annotated[
        int, typer.Option(min=1, max=8, help="Cells on a side that stages are averaged over.")
    ] = 1,
    step: Annotated[
        list[str] | None, typer.Option(help="sqrt, unit, centre or whiten, repeated in order.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="For centre and whiten, images such as the training data; for --precision, "
            "labelled ones: a folder, tar, Parquet or torchvision:NAME:FOLDER. May be repeated.",
        ),
    ] = None,
    dim: Annotated[
        int | None, typer.Option(min=1, help="Directions that whiten keeps; without it, all.")
    ] = None,
    weights_licence: Annotated[
        str, typer.Option(help="Of the weights.")
    ] = "the terms of the training images apply",
    terms: Annotated[str, typer.Option(help="Of the training images.")] = "unstated",
    triton: Annotated[
        Path | None,
        typer.Option(
            help="Add models to the Triton model repository in this folder.",
            rich_help_panel=_INSTALLED,
        ),
    ] = None,
    backend: Annotated[
        Literal["onnxruntime", "python", "tensorrt"],
        typer.Option(
            help="Of Triton; python is for servers without ONNX Runtime's, tensorrt runs the plans "
            "in the folder of --tensorrt.",
            rich_help_panel=_INSTALLED,
        ),
    ] = "onnxruntime",
    device: Annotated[
        Literal["cpu", "gpu", "tensorrt"],
        typer.Option(
            help="What Triton runs it on; tensorrt: ONNX Runtime's accelerator, fp16.",
            rich_help_panel=_INSTALLED,
        ),
    ] = "cpu",
    tensorrt: Annotated[
        Path | None,
        typer.Option(
            help="Build a TensorRT plan of a model into this folder, for this machine's GPU.",
            rich_help_panel=_INSTALLED,
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            help="fp16, bf16 or int8: a version of a model that has these variants too, repeated "
            "for several. With --triton or --tensorrt, the one to serve.",
            rich_help_panel=_INSTALLED,
        ),
    ] = None,
) -> None:
    """Make a package of a training run, prove it against PyTorch, and install it.

    With --precision, make a version of an installed model that has graphs in other precisions,
    their cost measured on the labelled images of --data. With --triton, make a Triton model
    repository of installed models; with --tensorrt, a plan for this machine's GPU.

    Example: [bold]zoo export runs/first --name my-photos[/bold], then
    [bold]zoo export my-photos --precision int8 --data labelled/[/bold] and
    [bold]zoo export my-photos --triton models/[/bold]
    """
    precisions = exports.precisions(precision)
    if triton is not None:
        _check_heeded(context, "--triton")
        if tensorrt is not None and backend != "tensorrt":
            raise typer.BadParameter(
                "with --triton, --tensorrt is the folder of the plans that --backend tensorrt runs"
            )
        one = exports.single(precisions)
        exports.write_triton(what, triton, backend, device, one, tensorrt)
        return
    if tensorrt is not None:
        _check_heeded(context, "--tensorrt")
        exports.write_plan(what, tensorrt, exports.single(precisions), data or [])
        return
    if precisions:
        _check_heeded(context, "--precision")
        exports.write_variants(what, version, precisions, data or [])
        return
    if len(what) != 1 or not Path(what[0]).is_dir():
        raise typer.BadParameter(
            "give the folder of one run, or models with --precision, --triton or --tensorrt"
        )
    _check_heeded(context, "a run")
    if not name:
        raise typer.BadParameter("give the model a --name")
    run = Path(what[0])
    need("torch", "onnx", "onnxscript", "onnxruntime")
    from pydantic import ValidationError  # noqa: PLC0415

    from export.package import Serving, export_run  # noqa: PLC0415
    from zoo.images import InputBlock  # noqa: PLC0415
    from zoo.manifest import Layer  # noqa: PLC0415

    try:
        block = InputBlock(size=size or _trained_size(run), crop=crop)
        layer = Layer.model_validate(
            {"stages": stage or [_last_stage(run)], "grid": grid, "steps": step or []}
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise typer.BadParameter(f"{where}: {first['msg']}") from None
    calibration = exports.squares(data, block, _CALIBRATION) if data else None
    package = export_run(
        run,
        name,
        version or exports.next_version(name),
        Serving(block, layer, calibration=calibration, whitened_dim=dim),
        weights_licence=weights_licence,
        terms=terms,
    )
    for variant, parity in package.manifest.parity.items():
        stderr().print(f"{variant}: least cosine with PyTorch {parity.cosine_min:.7f}")
    stdout().print(f"{package.manifest.reference} {package.path}", markup=False)


def _check_heeded(context: typer.Context, way: str) -> None:
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        given = source is not None and source.name != "DEFAULT"
        if given and value and name not in ("what", way.removeprefix("--"), *_HEEDED[way]):
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"{option} has no effect with {way}: leave it out")


def _trained_size(run: Path) -> int:
    """Side of the views at the end of the run."""
    with _recipe(run) as recipe:
        phases = recipe["phases"]
        return int(phases[-1]["size"] if phases else recipe["augmentation"]["size"])


def _last_stage(run: Path) -> str:
    from pydantic import TypeAdapter  # noqa: PLC0415

    from zoo.architectures import Architecture  # noqa: PLC0415

    with _recipe(run) as recipe:
        adapter: TypeAdapter[Architecture] = TypeAdapter(Architecture)
        return adapter.validate_python(recipe["architecture"]).last_stage


@contextlib.contextmanager
def _recipe(run: Path) -> Iterator[dict[str, Any]]:
    """The recipe that a run was made by; what it lacks is told with the file's name."""
    import json  # noqa: PLC0415

    try:
        yield json.loads((run / "run.json").read_text())["recipe"]
    except FileNotFoundError:
        raise ZooError(f"{run}: not a training run, it has no run.json") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ZooError(f"{run / 'run.json'}: cannot be read ({error!r})") from error
