"""A Triton model repository of packages: `config.pbtxt`, the graph over its weights, warm-up.

The configuration is built from Triton's own protobufs (`tritonclient.grpc.model_config_pb2`), so
that a field Triton does not know cannot be written.
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from export.tensorrt import PLAN, check_tensorrt, read_plan, this_machine
from zoo.errors import PackageError
from zoo.manifest import GRAPH, WEIGHTS, Precision
from zoo.package import Package
from zoo.runtimes import read_golden
from zoo.space import space_of

Backend = Literal["onnxruntime", "python", "tensorrt"]
"""`onnxruntime` is what NVIDIA's container has; `python` runs the same graph with ONNX Runtime in
Triton's Python backend, for servers without it; `tensorrt` runs a plan that was built before."""

Device = Literal["cpu", "gpu", "tensorrt"]
"""`tensorrt`: on the GPU through ONNX Runtime's TensorRT accelerator, in half precision, with a
cache of the engines that it builds."""

_PYTHON_MODEL = Path(__file__).parent / "triton_python_model.py"
_ENGINE_CACHE = "/var/cache/tensorrt"
_WORKSPACE_BYTES = 2 << 30


@dataclass(frozen=True)
class Limits:
    """What Triton takes on: images a batch, a wait for more of them, and waiting requests.

    max_batch: of two at least. The gateway sends 32 images at the most, and a golden image with
    them, which proves the answer.
    """

    max_batch: int = 33
    delay_microseconds: int = 1000
    queue: int = 1024
    timeout_microseconds: int = 10_000_000
    instances: int = 1


@dataclass(frozen=True)
class Serving:
    """How Triton runs the models.

    precision: of all of them. plans: the folder of their TensorRT plans, for that backend.
    """

    backend: Backend = "onnxruntime"
    device: Device = "cpu"
    precision: Precision = "fp32"
    plans: Path | None = None
    limits: Limits = field(default_factory=Limits)


def write_repository(
    packages: Sequence[Package], folder: Path, serving: Serving | None = None
) -> list[str]:
    """Add packages to the model repository in `folder`, a Triton model a package name.

    The versions of one name are versions of one Triton model; all of those given are served.

    Returns:
        The names of the Triton models.

    Raises:
        PackageError: a version is not a positive whole number, which Triton needs; versions of one
            name take or give other shapes; a package has no graph or plan of that precision; the
            backend does not run on that device; or the repository has a model of that name.
        RuntimeUnavailableError: plans are wanted, and there is no TensorRT to check them with.
    """
    serving = serving or Serving()
    _check_device(serving)
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package.manifest.name, []).append(package)
    for name, versions in by_name.items():
        _check_versions(name, versions)
        if (folder / name).exists():
            raise PackageError(
                f"{folder / name} is there already: remove it, or export to another folder"
            )
        for package in versions:
            _models(package, serving)
    folder.mkdir(parents=True, exist_ok=True)
    for name, versions in by_name.items():
        # Triton may be polling the folder: a model appears in it whole, by renaming.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as work:
            _write_model(Path(work) / name, versions, serving)
            (Path(work) / name).rename(folder / name)
    return sorted(by_name)


def model_config(packages: Sequence[Package], serving: Serving) -> Any:
    """Triton's `ModelConfig` of the versions of one name."""
    from tritonclient.grpc import model_config_pb2 as pb  # noqa: PLC0415 - an extra of its own

    manifest, limits = packages[0].manifest, serving.limits
    size, device = manifest.input.size, serving.device
    config = pb.ModelConfig(name=manifest.name, max_batch_size=limits.max_batch)
    if serving.backend == "tensorrt":
        config.platform = "tensorrt_plan"
    else:
        config.backend = serving.backend
    config.input.add(name="images", data_type=pb.TYPE_UINT8, dims=[size, size, 3])
    config.output.add(name="embedding", data_type=pb.TYPE_FP32, dims=[manifest.dim])
    config.version_policy.specific.versions.extend(
        sorted(int(p.manifest.version) for p in packages)
    )
    batching = config.dynamic_batching
    batching.max_queue_delay_microseconds = limits.delay_microseconds
    batching.default_queue_policy.max_queue_size = limits.queue
    batching.default_queue_policy.default_timeout_microseconds = limits.timeout_microseconds
    group = pb.ModelInstanceGroup
    kind = group.KIND_CPU if device == "cpu" else group.KIND_GPU
    config.instance_group.add(kind=kind, count=limits.instances)
    precision: Precision = serving.precision
    if device == "tensorrt":
        accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator.add(
            name="tensorrt"
        )
        accelerator.parameters.update(
            max_workspace_size_bytes=str(_WORKSPACE_BYTES),
            trt_engine_cache_enable="true",
            trt_engine_cache_path=_ENGINE_CACHE,
        )
        if precision in ("fp32", "fp16"):
            # Asked of TensorRT up to 10; from 11 on a precision comes from the graph alone.
            accelerator.parameters["precision_mode"] = "FP16"
            precision = "fp16"
    # An engine is for the shapes it has seen and those between: with the least and the largest
    # batch none is built anew while requests wait.
    for images in (1,) if device == "cpu" else (1, limits.max_batch):
        warmup = config.model_warmup.add(name=f"golden-{images}", batch_size=images)
        warmup.inputs["images"].data_type = pb.TYPE_UINT8
        warmup.inputs["images"].dims.extend([size, size, 3])
        warmup.inputs["images"].input_data_file = "golden"
    for package in packages:  # what the gateway asks for before it trusts the server
        key = f"space.{package.manifest.version}"
        config.parameters[key].string_value = space_of(package.manifest, serving.precision)
    where = "gpu" if serving.backend == "tensorrt" else device
    config.parameters["variant"].string_value = f"{serving.backend}-{where}-{precision}"
    return config


def _check_device(serving: Serving) -> None:
    backend, device = serving.backend, serving.device
    if backend == "python" and device != "cpu":
        raise PackageError("the python backend runs on the CPU: export for onnxruntime instead")
    if backend == "tensorrt" and device != "gpu":
        raise PackageError("a TensorRT plan runs on a GPU: give the device gpu")
    if backend == "tensorrt" and serving.plans is None:
        raise PackageError("the tensorrt backend runs plans: say in which folder they are")
    if serving.precision == "int8" and device == "tensorrt":
        raise PackageError(
            "the int8 graph has zero points, which TensorRT lacks: build one with zoo export plan, "
            "and serve it with --backend tensorrt"
        )
    if serving.precision == "bf16" and device == "cpu":
        raise PackageError("ONNX Runtime has no bf16 on the CPU: export fp32, fp16 or int8")


def _check_versions(name: str, packages: Sequence[Package]) -> None:
    for package in packages:
        version = package.manifest.version
        if not re.fullmatch(r"[1-9][0-9]{0,17}", version):
            raise PackageError(
                f"{package.manifest.reference}: Triton numbers versions 1, 2, ..., and "
                f"{version!r} is no such number: export the package again under one"
            )
    if len({(p.manifest.input.size, p.manifest.dim) for p in packages}) > 1:
        raise PackageError(
            f"the versions of {name} take or give different shapes, and a Triton model has one: "
            "export them to different folders"
        )


def _write_model(folder: Path, packages: Sequence[Package], serving: Serving) -> None:
    from google.protobuf import text_format  # noqa: PLC0415 - comes with tritonclient

    folder.mkdir()
    for package in packages:
        version = folder / package.manifest.version
        version.mkdir()
        # External data of a graph must be a regular file beside it, so it is copied, not linked.
        for name, source in _models(package, serving).items():
            shutil.copyfile(source, version / name)
    (folder / "warmup").mkdir()
    (folder / "warmup" / "golden").write_bytes(read_golden(packages[0].golden).images[0].tobytes())
    (folder / "config.pbtxt").write_text(
        text_format.MessageToString(model_config(packages, serving))
    )


def _models(package: Package, serving: Serving) -> dict[str, Path]:
    """The files of a version, by their names in Triton's repository."""
    if serving.backend == "tensorrt":
        assert serving.plans is not None
        return {PLAN: _checked_plan(package, serving.plans, serving.precision)}
    graph = package.graph_of(serving.precision)
    weights = {WEIGHTS: package.weights} if serving.precision == "fp32" else {}
    if serving.backend == "python":
        return {GRAPH: graph, "model.py": _PYTHON_MODEL} | weights
    return {"model.onnx": graph} | weights


def _checked_plan(package: Package, plans: Path, precision: Precision) -> Path:
    check_tensorrt()
    read_plan(plans, package, precision, this_machine())
    return plans / package.manifest.name / package.manifest.version / PLAN
