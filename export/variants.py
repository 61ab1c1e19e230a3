"""A package in other precisions: a further version of it, with a graph for each, and its cost."""

import gc
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from export.precisions import Half, fold_norms, write_half, write_whole
from export.samples import Samples
from export.variant_cost import check_labelled, measure_cost
from zoo.arrays import Pixels, Vectors
from zoo.encoders import ServedEncoder, load_served
from zoo.errors import PackageError
from zoo.graphs.quantize import quantise
from zoo.manifest import Lowered, Variant, graph_name
from zoo.package import Package, verify
from zoo.package_writer import file_entry, write_manifest
from zoo.progress import Progress
from zoo.runtimes import Execution, Runtime, open_onnx, open_proven
from zoo.runtimes.openvino import check_bfloat16
from zoo.store import find_package, new_package

LEAST_CALIBRATION = 32

# ONNX Runtime has no bfloat16 on a CPU.
_EXECUTIONS: dict[Lowered, Execution] = {
    "fp16": Execution("onnxruntime", "fp16"),
    "bf16": Execution("openvino", "bf16"),
    "int8": Execution("onnxruntime", "int8"),
}


def export_variants(
    package: Package,
    version: str,
    precisions: Sequence[Lowered],
    samples: Samples,
    progress: Progress | None = None,
) -> Package:
    """Make a version of `package` that has variants too, and prove them before it is visible.

    It keeps the space: collections and heads go on with it. Versions never change, hence a new one.

    Args:
        progress: of the layers that int8 tries, as `quantise` calls it.

    Raises:
        PackageError: the package is damaged, the samples are too few, or that version exists.
        GoldenMismatchError: a variant is too far from the reference to be of use.
        RuntimeUnavailableError: bf16 cannot be proven here, for want of OpenVINO or of a
            processor that has it.
    """
    if "bf16" in precisions:
        check_bfloat16()
    check_labelled(samples.labelled)
    if "int8" in precisions:
        _check_calibration(samples.calibration)
    verify(package)
    manifest = package.manifest
    with new_package(manifest.name, version) as folder:
        for name in manifest.files:
            shutil.copyfile(package.path / name, folder / name)
        kept = {
            precision: _write_graph(package, folder, precision, samples.calibration, progress)
            for precision in precisions
        }
        # What the graphs are opened by while their figures are still to come.
        files = manifest.files | {
            graph_name(p): file_entry(folder / graph_name(p)) for p in precisions
        }
        unfinished = Package(folder, manifest.model_copy(update={"files": files}))
        variants, parity = dict(manifest.variants), dict(manifest.parity)
        reference = _embed(open_onnx(package), samples.labelled.images)
        for precision in precisions:
            runtime, agreement = open_proven(unfinished, _EXECUTIONS[precision])
            parity[runtime.variant] = agreement
            found = _embed(runtime, samples.labelled.images)
            variants[precision] = Variant(
                kept=kept[precision],
                calibration_images=len(samples.calibration) if precision == "int8" else None,
                cost=measure_cost(samples.labelled, reference, found),
            )
        update = {"version": version, "variants": variants, "parity": parity}
        write_manifest(folder, manifest.model_copy(update=update))
    return find_package(f"{manifest.name}@{version}")


def write_quantised(
    package: Package,
    target: Path,
    calibration: Pixels,
    symmetric: bool = False,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Write the int8 graph of a package; the convolutions that stayed in float32 come back.

    Args:
        calibration, symmetric: as `quantise`.

    Raises:
        PackageError: the images are too few.
    """
    _check_calibration(calibration)
    with TemporaryDirectory() as work:
        whole = Path(work) / "whole.onnx"
        write_whole(_folded(package), whole, _metadata(package, "int8"))
        gc.collect()  # the exporter leaves cycles that hold the weights
        return quantise(whole, target, calibration, symmetric, progress)


def write_variant(package: Package, target: Path, precision: Half) -> None:
    """Write a package's graph in a 16-bit type."""
    write_half(_folded(package), precision, target, _metadata(package, precision))


def _check_calibration(images: Pixels) -> None:
    if len(images) < LEAST_CALIBRATION:
        raise PackageError(
            f"int8 takes its ranges from {len(images)} of the images, and needs "
            f"{LEAST_CALIBRATION}: give {LEAST_CALIBRATION / max(len(images), 1):.1f} times as many"
        )


def _metadata(package: Package, precision: Lowered) -> dict[str, str]:
    manifest = package.manifest
    return {"name": manifest.name, "space": manifest.space, "precision": precision}


def _write_graph(
    package: Package,
    folder: Path,
    precision: Lowered,
    calibration: Pixels,
    progress: Progress | None,
) -> tuple[str, ...]:
    target = folder / graph_name(precision)
    if precision == "int8":
        return write_quantised(package, target, calibration, progress=progress)
    write_variant(package, target, precision)
    return ()


def _folded(package: Package) -> ServedEncoder:
    served = load_served(package)
    fold_norms(served)
    return served


def _embed(runtime: Runtime, images: Pixels) -> Vectors:
    batches = [images[start : start + 32] for start in range(0, len(images), 32)]
    return np.concatenate([runtime.embed(batch) for batch in batches])
