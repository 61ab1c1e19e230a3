"""A Triton model repository of packages: `config.pbtxt`, the graph over its weights, warm-up.

The configuration is built from Triton's own protobufs (`tritonclient.grpc.model_config_pb2`), so
that a field Triton does not know cannot be written.
"""

import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zoo.errors import PackageError
from zoo.manifest import GRAPH, WEIGHTS
from zoo.package import Package
from zoo.runtimes import read_golden

Backend = Literal["onnxruntime", "python"]
"""`onnxruntime` is what NVIDIA's container has; `python` runs the same graph with ONNX Runtime in
Triton's Python backend, for servers without it."""

Device = Literal["cpu", "gpu", "tensorrt"]
"""`tensorrt`: on the GPU through ONNX Runtime's TensorRT accelerator, in half precision, with a
cache of the engines that it builds."""

_PYTHON_MODEL = Path(__file__).parent / "triton_python_model.py"
_ENGINE_CACHE = "/var/cache/tensorrt"
_WORKSPACE_BYTES = 2 << 30


@dataclass(frozen=True)
class Limits:
    """What Triton takes on: images a batch, a wait for more of them, and waiting requests."""

    max_batch: int = 32
    delay_microseconds: int = 1000
    queue: int = 1024
    timeout_microseconds: int = 10_000_000
    instances: int = 1


def write_repository(
    packages: Sequence[Package],
    folder: Path,
    backend: Backend = "onnxruntime",
    device: Device = "cpu",
    limits: Limits | None = None,
) -> list[str]:
    """Add packages to the model repository in `folder`, a Triton model a package name.

    The versions of one name are versions of one Triton model; all of those given are served.

    Returns:
        The names of the Triton models.

    Raises:
        PackageError: a version is not a positive whole number, which Triton needs; versions of one
            name take or give other shapes; `python` with a device other than the CPU; or the
            repository has a model of that name.
    """
    if backend == "python" and device != "cpu":
        raise PackageError("the python backend runs on the CPU: export for onnxruntime instead")
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package.manifest.name, []).append(package)
    for name, versions in by_name.items():
        _check_versions(name, versions)
        if (folder / name).exists():
            raise PackageError(
                f"{folder / name} is there already: remove it, or export to another folder"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, versions in by_name.items():
        # Triton may be polling the folder: a model appears in it whole, by renaming.
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as work:
            _write_model(Path(work) / name, versions, backend, device, limits or Limits())
            (Path(work) / name).rename(folder / name)
    return sorted(by_name)


def model_config(
    packages: Sequence[Package], backend: Backend, device: Device, limits: Limits
) -> Any:
    """Triton's `ModelConfig` of the versions of one name."""
    from tritonclient.grpc import model_config_pb2 as pb  # noqa: PLC0415 - an extra of its own

    manifest = packages[0].manifest
    size = manifest.input.size
    config = pb.ModelConfig(name=manifest.name, backend=backend, max_batch_size=limits.max_batch)
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
    if device == "tensorrt":
        accelerator = config.optimization.execution_accelerators.gpu_execution_accelerator.add(
            name="tensorrt"
        )
        accelerator.parameters.update(
            precision_mode="FP16",
            max_workspace_size_bytes=str(_WORKSPACE_BYTES),
            trt_engine_cache_enable="true",
            trt_engine_cache_path=_ENGINE_CACHE,
        )
    warmup = config.model_warmup.add(name="golden", batch_size=1)
    warmup.inputs["images"].data_type = pb.TYPE_UINT8
    warmup.inputs["images"].dims.extend([size, size, 3])
    warmup.inputs["images"].input_data_file = "golden"
    for package in packages:  # what the gateway asks for before it trusts the server
        config.parameters[f"space.{package.manifest.version}"].string_value = package.manifest.space
    precision = "fp16" if device == "tensorrt" else "fp32"
    config.parameters["variant"].string_value = f"{backend}-{device}-{precision}"
    return config


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


def _write_model(
    folder: Path, packages: Sequence[Package], backend: Backend, device: Device, limits: Limits
) -> None:
    from google.protobuf import text_format  # noqa: PLC0415 - comes with tritonclient

    folder.mkdir()
    for package in packages:
        version = folder / package.manifest.version
        version.mkdir()
        # External data of a graph must be a regular file beside it, so it is copied, not linked.
        shutil.copyfile(package.weights, version / WEIGHTS)
        shutil.copyfile(package.graph, version / _graph_name(backend))
        if backend == "python":
            shutil.copyfile(_PYTHON_MODEL, version / "model.py")
    (folder / "warmup").mkdir()
    (folder / "warmup" / "golden").write_bytes(read_golden(packages[0].golden).images[0].tobytes())
    config = model_config(packages, backend, device, limits)
    (folder / "config.pbtxt").write_text(text_format.MessageToString(config))


def _graph_name(backend: Backend) -> str:
    return "model.onnx" if backend == "onnxruntime" else GRAPH
