"""The table of runtimes: a further one is a module beside this, and a row here.

Everything else that names runtimes, such as settings, `zoo bench` and `zoo doctor`, reads the rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.errors import RuntimeUnavailableError
from zoo.manifest import Precision
from zoo.package import Package
from zoo.runtimes import onnx, openvino, triton
from zoo.runtimes.protocol import Device, Execution, Runtime


@dataclass(frozen=True)
class RuntimeKind:
    """What a runtime is.

    summary: what runs the encoders, in a few words.
    extra: the extra of this distribution that installs it.
    modules: what is imported for it; without them it is not there.
    open: load or reach a package's encoder; raises the errors of `open_runtime`.
    precisions: what it can compute on each device that it may be told to use.
    rounds: precisions that need no variant in the package: it rounds the reference's weights.
    devices: of these devices, those that what is installed here was built for; none for a runtime
        elsewhere, which is not measured.
    probe: facts for `zoo doctor`; under `problem` what keeps the gateway from serving.
    remote: it runs elsewhere, may be away, and proves itself whenever it is back.
    """

    summary: str
    extra: str
    modules: tuple[str, ...]
    open: Callable[[Package, Execution], Runtime]
    precisions: Mapping[Device, tuple[Precision, ...]]
    devices: Callable[[], Sequence[Device]]
    probe: Callable[[], dict[str, Any]]
    rounds: tuple[Precision, ...] = field(default=())
    remote: bool = False


RUNTIMES: dict[str, RuntimeKind] = {
    "onnxruntime": RuntimeKind(
        summary="ONNX Runtime here",
        extra="cpu",
        modules=("onnxruntime",),
        open=onnx.open_onnx,
        precisions={
            "cpu": ("fp32", "fp16", "int8"),
            "cuda": ("fp32", "fp16", "bf16", "int8"),
            "tensorrt": ("fp32", "fp16", "bf16"),  # which lacks zero points
        },
        devices=onnx.devices,
        probe=onnx.probe,
    ),
    "openvino": RuntimeKind(
        summary="OpenVINO here",
        extra="openvino",
        modules=("openvino",),
        open=openvino.open_openvino,
        precisions={"cpu": ("fp32", "fp16", "bf16", "int8")},
        rounds=("bf16",),
        devices=openvino.devices,
        probe=openvino.probe,
    ),
    "triton": RuntimeKind(
        summary="a Triton server",
        extra="triton",
        modules=("tritonclient",),
        open=triton.open_triton,
        precisions={"cpu": ("fp32", "fp16", "bf16", "int8")},  # its own device is the server's
        devices=tuple,
        probe=triton.probe,
        remote=True,
    ),
}


def runtime_kind(name: str) -> RuntimeKind:
    """The row of a runtime.

    Raises:
        RuntimeUnavailableError: there is none of that name.
    """
    if name not in RUNTIMES:
        raise RuntimeUnavailableError(
            f"no runtime is named {name!r}: there is {', '.join(RUNTIMES)}"
        )
    return RUNTIMES[name]
