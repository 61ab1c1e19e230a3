"""What `zoo export` makes of installed models: variants, Triton repositories, TensorRT plans."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer

from cli.console import known_errors, need, stderr, stdout, warn
from zoo.errors import ZooError

if TYPE_CHECKING:
    from export.variant_cost import Labelled
    from zoo.images import InputBlock, Pixels
    from zoo.manifest import Lowered, Precision
    from zoo.progress import Progress

_CALIBRATION, _MEASURED = 512, 2000
"""Images that int8 takes its ranges from, and images that the cost of a variant is measured on."""
_CLASSES = 100
"""Classes that these are of, so that each has several."""


def precisions(given: Sequence[str] | None) -> "list[Lowered]":
    """The precisions of `--precision`, checked."""
    from zoo.manifest import Lowered  # noqa: PLC0415

    known = get_args(Lowered)
    for name in given or ():
        if name not in known:
            raise typer.BadParameter(
                f"{name!r} is none of {', '.join(known)} (fp32 is what every model has)",
                param_hint="--precision",
            )
    return [name for name in known if name in (given or ())]


def single(given: "Sequence[Lowered]") -> "Precision":
    """The one precision to serve."""
    if len(given) > 1:
        raise typer.BadParameter("give one precision to serve", param_hint="--precision")
    return given[0] if given else "fp32"


def write_triton(
    models: list[str],
    folder: Path,
    backend: Any,
    device: Any,
    precision: "Precision",
    plans: Path | None,
) -> None:
    """A Triton model repository."""
    need("tritonclient")
    from export.triton import Serving, write_repository  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    packages = [find_package(model) for model in models]
    serving = Serving(backend, device, precision, plans)
    for written in write_repository(packages, folder, serving):
        stdout().print(folder / written, markup=False)


def write_plan(models: list[str], folder: Path, precision: "Precision", data: list[Path]) -> None:
    """A TensorRT plan of one model."""
    from export.tensorrt import build_plan, check_tensorrt  # noqa: PLC0415
    from zoo.store import find_package  # noqa: PLC0415

    if len(models) != 1:
        raise typer.BadParameter("a plan is built of one model")
    package = find_package(models[0])
    check_tensorrt()
    images = None
    if precision == "int8":
        if not data:
            raise typer.BadParameter("int8 takes its ranges from images: give --data")
        images = squares(data, package.manifest.input, _CALIBRATION)
    stdout().print(build_plan(package, folder, precision, images), markup=False)


def write_variants(
    models: list[str], version: str | None, wanted: "list[Lowered]", data: list[Path]
) -> None:
    """A further version of one model."""
    need("torch", "onnx", "onnxscript", "onnxruntime")
    from zoo.store import find_package  # noqa: PLC0415

    if len(models) != 1:
        raise typer.BadParameter("variants are made of one model at a time")
    if Path(models[0]).is_dir():
        raise typer.BadParameter(
            f"{models[0]} is a folder: export the run under a --name first, then that model with "
            "--precision"
        )
    if not data:
        raise typer.BadParameter("what a variant costs is measured on labelled images: give --data")
    package = find_package(models[0])
    if "bf16" in wanted:
        need("openvino")
    from export.variants import Samples, export_variants  # noqa: PLC0415

    manifest = package.manifest
    calibration, labelled = _samples(data, manifest.input)
    with _progress() as progress:
        made = export_variants(
            package,
            version or next_version(manifest.name),
            wanted,
            Samples(calibration, labelled),
            progress,
        )
    _print_costs(made.manifest.variants)
    stdout().print(f"{made.manifest.reference} {made.path}", markup=False)


def next_version(name: str) -> str:
    """The number after the newest version of a name."""
    from zoo.store import list_packages  # noqa: PLC0415

    versions = [p.manifest.version for p in list_packages()[0] if p.manifest.name == name]
    return str(1 + max((int(v) for v in versions if v.isdigit()), default=0))


def squares(sources: list[Path], block: "InputBlock", count: int) -> "Pixels":
    """A random sample of the train splits, read as the gateway would, uint8 (n, size, size, 3)."""
    import numpy as np  # noqa: PLC0415

    found = [square for _, square in _read(sources, block, count, "train")]
    if not found:
        raise ZooError(f"none of the images of {sources[0]} can be read")
    return np.stack(found)


def _samples(sources: list[Path], block: "InputBlock") -> tuple["Pixels", "Labelled"]:
    """Images for the ranges, and others with labels to measure on."""
    import numpy as np  # noqa: PLC0415

    from export.variant_cost import PER_CLASS, Labelled  # noqa: PLC0415
    from sources import source_name  # noqa: PLC0415

    read = list(_read(sources, block, _CALIBRATION + _MEASURED, None, _CLASSES))
    # A fifth of few images calibrates: what is measured on needs several a class.
    first = min(_CALIBRATION, len(read) // 5)
    calibration, measured = read[:first], read[first:]
    counts = Counter(label for label, _ in measured if label)
    few = sorted(label for label, count in counts.items() if count <= PER_CLASS)
    if few:
        warn(f"left out, since {PER_CLASS} images or fewer are here to measure on: {_listed(few)}")
    rest = [(label, image) for label, image in measured if counts[label] > PER_CLASS]
    if not first or not rest:
        raise ZooError(
            f"{sources[0]}: too few readable images with labels: give a folder that holds a folder "
            "of images for each class"
        )
    names = tuple(map(source_name, sources))
    images = np.stack([image for _, image in rest])
    return np.stack([image for _, image in calibration]), Labelled(
        images, [label for label, _ in rest], names
    )


def _read(
    sources: list[Path],
    block: "InputBlock",
    count: int,
    split: str | None,
    classes: int | None = None,
) -> Iterator[tuple[str, "Pixels"]]:
    """Label and square of a random sample of images, the same number of each source, shuffled.

    They are of at most `classes` classes, as many of each source.
    """
    import numpy as np  # noqa: PLC0415

    import training.data  # noqa: F401, PLC0415 - torchvision's sets are sources
    from sources import DataError, list_entries, read_files  # noqa: PLC0415
    from zoo.images import ImageError, read_square  # noqa: PLC0415

    rng = np.random.default_rng(0)
    found = []
    with known_errors(DataError):
        for source in sources:
            entries = list_entries(source, split)
            if classes:
                labels = sorted({entry.label for entry in entries})
                kinds = set(rng.permutation(labels)[: max(2, classes // len(sources))])
                entries = [entry for entry in entries if entry.label in kinds]
            rows = np.sort(rng.permutation(len(entries))[: count // len(sources)])
            chosen = [entries[row] for row in rows]
            for row, data in read_files(source, chosen):
                with contextlib.suppress(ImageError):
                    found.append((chosen[row].label, read_square(data, block)))
    yield from (found[row] for row in rng.permutation(len(found)))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more


def _print_costs(variants: "dict[Lowered, Any]") -> None:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold")
    for heading in ("precision", "cosine min", "mean", "recall@10", "5 labels", "over fp32"):
        table.add_column(heading, justify="left" if heading == "precision" else "right")
    for precision, variant in variants.items():
        cost = variant.cost
        table.add_row(
            precision,
            f"{cost.cosine_min:.6f}",
            f"{cost.cosine_mean:.6f}",
            f"{cost.recall_at_10:.1%}",
            f"{cost.few_label:.1%}",
            f"{100 * cost.few_label_lead:+.2f} ({100 * cost.low:+.2f} to {100 * cost.high:+.2f})",
        )
    stderr().print(table)


@contextlib.contextmanager
def _progress() -> Iterator["Progress"]:
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=stderr(), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("layers tried in int8", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
