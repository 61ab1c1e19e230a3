"""`zoo export triton`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cli import complete
from cli.console import answer, need, tell


def triton(
    models: Annotated[
        list[str],
        typer.Argument(help="name or name@version, of several", autocompletion=complete.models),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the repository; models are added to it.")],
    backend: Annotated[
        Literal["onnxruntime", "python", "tensorrt"],
        typer.Option(
            help="Of Triton; python is for servers without ONNX Runtime's, tensorrt runs the plans "
            "in the folder of --plans."
        ),
    ] = "onnxruntime",
    device: Annotated[
        Literal["cpu", "gpu", "tensorrt"],
        typer.Option(
            help="What Triton runs it on; tensorrt: ONNX Runtime's accelerator, fp16.",
        ),
    ] = "cpu",
    precision: Annotated[
        Literal["fp32", "fp16", "bf16", "int8"],
        typer.Option(help="Of all of them; but for fp32, a model needs that variant."),
    ] = "fp32",
    plans: Annotated[
        Path | None, typer.Option(help="What `zoo export plan` wrote, for --backend tensorrt.")
    ] = None,
) -> None:
    """Add installed models to a Triton model repository.

    Example: [bold]zoo export triton my-photos --out models/ --device gpu[/bold]
    """
    if plans is not None and backend != "tensorrt":
        raise typer.BadParameter("--plans is for --backend tensorrt alone")
    need("triton")
    from export.triton import Serving, write_repository  # noqa: PLC0415
    from zoo.on_demand import find_or_make  # noqa: PLC0415

    packages = [find_or_make(model, tell) for model in models]
    for written in write_repository(packages, out, Serving(backend, device, precision, plans)):
        answer(f"{out / written}")
