"""Golden vectors: real images with the embeddings they must have, and controls that must fail."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from zoo.arrays import Pixels, Vectors
from zoo.errors import GoldenMismatchError, PackageError
from zoo.manifest import Manifest, Parity, Precision
from zoo.package import Package


@dataclass(frozen=True)
class Golden:
    """`golden.npz`: images uint8 (n, size, size, 3), embeddings float32 (n, dim), and for each
    negative control the embeddings (n, dim) that a certain mistake gives."""

    images: Pixels
    embeddings: Vectors
    controls: dict[str, Vectors]


def read_golden(path: Path) -> Golden:
    """Read `golden.npz`; nothing in it is unpickled.

    Raises:
        PackageError: an array is missing, of another shape or not finite, or there is no control.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            content = {name: arrays[name] for name in arrays.files}
        images, embeddings = content.pop("images"), content.pop("embeddings")
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise PackageError(f"{path}: not golden vectors ({error})") from error
    prefix = "control."
    controls = {k.removeprefix(prefix): v for k, v in content.items() if k.startswith(prefix)}
    values = [embeddings, *controls.values()]
    whole = images.dtype == np.uint8 and images.ndim == 4 and embeddings.ndim == 2
    if not whole or any(v.shape != (len(images), *embeddings.shape[1:]) for v in values):
        raise PackageError(f"{path}: images, embeddings and controls do not belong together")
    if not len(images) or not controls:
        raise PackageError(f"{path}: no golden image or no control: it proves nothing")
    if not all(np.issubdtype(v.dtype, np.floating) and np.isfinite(v).all() for v in values):
        raise PackageError(f"{path}: embeddings or controls that are not finite numbers")
    return Golden(images, embeddings, controls)


def write_golden(path: Path, golden: Golden) -> None:
    """Write `golden.npz`, compressed."""
    arrays: dict[str, Any] = {f"control.{name}": value for name, value in golden.controls.items()}
    np.savez_compressed(path, images=golden.images, embeddings=golden.embeddings, **arrays)


_FLOORS: dict[Precision, float] = {"fp16": 0.999, "bf16": 0.99, "int8": 0.9}
"""Below them a precision is not coarse but broken."""
_SLACK = 4
"""How many times the attested error a coarse precision may have: runtimes round differently."""


def least_cosine(manifest: Manifest, precision: Precision) -> float:
    """Which agreement on golden images a precision must have to be served at all."""
    if manifest.mixes(precision):
        return manifest.tolerance
    attested = manifest.attested(precision)
    floor = _FLOORS[precision]
    if attested is not None:
        floor = max(floor, 1 - _SLACK * (1 - attested))
    return min(manifest.tolerance, floor)


def check_golden(
    package: Package,
    variant: str,
    embed: Callable[[Pixels], Vectors],
    precision: Precision = "fp32",
) -> Parity:
    """Run the golden images and compare; also that every negative control would be caught.

    Returns:
        The agreement that was measured.

    Raises:
        GoldenMismatchError: below `least_cosine`, or a control passes the manifest's tolerance.
        PackageError: the golden vectors are not those of such a package.
    """
    golden = read_golden(package.golden)
    size, tolerance = package.manifest.input.size, package.manifest.tolerance
    least = least_cosine(package.manifest, precision)
    expected = (size, size, 3), (package.manifest.dim,)
    if (golden.images.shape[1:], golden.embeddings.shape[1:]) != expected:
        raise PackageError(f"{package.golden}: golden images or embeddings of another size")
    measured = agreement(embed(golden.images), golden.embeddings)
    if not measured.cosine_min >= least:  # NaN fails too
        raise GoldenMismatchError(
            f"{package.manifest.reference} on {variant}: the golden images' least cosine is "
            f"{measured.cosine_min:.6f}, below {least}; it would give wrong neighbours and is "
            "not served"
        )
    for name, wrong in golden.controls.items():
        if agreement(wrong, golden.embeddings).cosine_min >= tolerance:
            raise GoldenMismatchError(
                f"{package.manifest.reference}: its golden vectors do not tell the mistake "
                f"{name!r} from the truth: they prove nothing; export the package again"
            )
    return measured


def agreement(embeddings: Vectors, reference: Vectors) -> Parity:
    """Row-wise cosine and the largest relative error of `embeddings` against `reference`."""
    if embeddings.shape != reference.shape:
        return Parity(cosine_min=-1.0, cosine_mean=-1.0, max_relative_error=float("inf"))
    a, b = embeddings.astype(np.float64), reference.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine = (a * b).sum(axis=1) / np.maximum(norms, 1e-300)
    return Parity(
        cosine_min=float(cosine.min()),
        cosine_mean=float(cosine.mean()),
        max_relative_error=float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-300)),
    )
