"""`zoo whiten`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import complete
from cli.console import AsJson, answer, known_errors, need, print_json, steps, tell

if TYPE_CHECKING:
    from zoo.arrays import Pixels, Vectors
    from zoo.package import Package


def whiten(
    model: Annotated[
        str, typer.Argument(help="name or name@version", autocompletion=complete.models)
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            help="Generic photos: folder, tar, zip or Parquet, of which the train split, if there "
            "are splits. Labels are not looked at. Repeated for several sources."
        ),
    ],
    dim: Annotated[int, typer.Option(min=2, help="Values an image; more images are needed.")] = 600,
    name: Annotated[str | None, typer.Option(help="Of what is made; without it, MODEL's.")] = None,
    version: Annotated[str | None, typer.Option(help="Without it, the next number.")] = None,
    exclude_near: Annotated[
        list[Path] | None,
        typer.Option(
            help="Images, given as for --data, that are left out with their near-duplicates: what "
            "the model is to be evaluated on. Repeated for several.",
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(min=3, help="At most so many, as many of each source.")
    ] = 4000,
    terms: Annotated[str, typer.Option(help="Of the photos.")] = "unstated",
    as_json: AsJson = False,
) -> None:
    """Whiten a model's embeddings: fewer values, and often better answers from few labels.

    The leading directions (PCA) in which the embeddings of generic photos vary, each scaled by how
    far, become the last step of a new version's graph, which has a space of its own. Give photos
    of all kinds, a thousand or more: whitening fitted on a few photos of one's own is harmful.
    Needs no PyTorch.

    Example: [bold]zoo whiten simclr-r18-small@2 --data photos/ --dim 600 --name small-white[/bold]
    """
    need("cpu", "onnxruntime")
    from sources import DataError, sample_apart, source_name  # noqa: PLC0415
    from zoo.manifest import Source  # noqa: PLC0415
    from zoo.store import check_free, find_package, next_version  # noqa: PLC0415
    from zoo.whitening import check_whitenable, fit_whitening, whiten_package  # noqa: PLC0415

    package = find_package(model)
    name = name or package.manifest.name
    version = version or next_version(name)
    check_free(name, version)
    check_whitenable(package)
    squares, origins = [], []
    with known_errors(DataError):
        apart = sample_apart(data, exclude_near or [], package.manifest.input, images)
        for path, (found, near) in zip(data, apart, strict=True):
            left_out = f", {near} near-duplicates left out" if exclude_near else ""
            tell(f"{path}: {len(found)} images{left_out}")
            title = f"{source_name(path)} (whitening)"
            origins.append(Source(name=title, terms=terms, images=len(found)))
            squares.append(found)
    whitening = fit_whitening(_embed(package, squares), dim)
    made = whiten_package(package, whitening, name, version, origins)
    if as_json:
        print_json({"model": made.manifest.reference, "path": str(made.path)})
        return
    tell(f"{package.manifest.dim} values became {dim}, {whitening.share:.1%} of the variance")
    answer(f"{made.manifest.reference} {made.path}")


def _embed(package: "Package", squares: list["Pixels"]) -> "Vectors":
    """The embeddings, (n, dim), as the graph gives them."""
    import numpy as np  # noqa: PLC0415

    from zoo.runtimes import open_runtime  # noqa: PLC0415

    runtime = open_runtime(package)
    batches = [found[i : i + 64] for found in squares for i in range(0, len(found), 64)]
    embedded = []
    with steps("embedding") as progress:
        for number, batch in enumerate(batches, 1):
            embedded.append(runtime.embed(batch))
            progress(number, len(batches))
    return np.concatenate(embedded)
