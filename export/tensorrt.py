"""A TensorRT plan of a package's encoder, for the GPU of this machine.

A plan works on one kind of GPU with one version of TensorRT. Both are written beside it, and it is
run on the golden images before anyone sees it. Built to TensorRT 11's interface, where networks
are strongly typed: the precision is that of the graph. Never run: no GPU was at hand.
"""

import importlib.util
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from zoo.arrays import Pixels, Vectors
from zoo.errors import PackageError, RuntimeUnavailableError
from zoo.files import write_whole
from zoo.manifest import Parity, Precision, Sha256
from zoo.package import Package
from zoo.runtimes import check_golden
from zoo.space import space_of
from zoo.store import zoo_home
from zoo.validation import first_error

PLAN, RECORD = "model.plan", "plan.json"
_WORKSPACE_BYTES = 4 << 30


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Machine(_Block):
    """What a plan is tied to."""

    gpu: str
    compute_capability: str
    tensorrt: str


class Batches(_Block):
    """Images in a run: at least, those that kernels are chosen for, and at most."""

    least: int = 1
    best: int = 16
    most: int = 33  # the gateway's 32, and the golden image that proves them


class Plan(_Block):
    """`plan.json`: what was built, for what, and how well it agrees with the reference."""

    schema_version: Literal[1] = 1
    name: str
    version: str
    space: Sha256
    precision: Precision
    batches: Batches
    machine: Machine
    parity: Parity


def build_plan(
    package: Package,
    folder: Path,
    precision: Precision,
    calibration: Pixels | None = None,
) -> Path:
    """Build `folder/<name>/<version>/model.plan` with its `plan.json`, and prove it.

    Args:
        calibration: uint8 (n, size, size, 3), from which int8 takes its ranges.

    Returns:
        Where they are.

    Raises:
        RuntimeUnavailableError: TensorRT or a GPU is missing.
        PackageError: a plan is there already, or TensorRT refuses the graph.
        GoldenMismatchError: its embeddings are not those that the package attests.
    """
    check_tensorrt()
    manifest, batches = package.manifest, Batches()
    target = folder / manifest.name / manifest.version
    if target.exists():
        raise PackageError(f"{target} is there already: remove it, or build into another folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", dir=target.parent) as work:
        graph = _graph(package, precision, calibration, Path(work))
        serialised = _build(graph, manifest.input.size, batches)
        engine = Engine(serialised, manifest.dim)
        parity = check_golden(package, f"tensorrt-{precision}", engine.embed, precision)
        plan = Plan(
            name=manifest.name,
            version=manifest.version,
            space=space_of(manifest, precision),
            precision=precision,
            batches=batches,
            machine=this_machine(),
            parity=parity,
        )
        made = Path(work) / "made"
        made.mkdir()
        (made / PLAN).write_bytes(serialised)
        (made / RECORD).write_text(plan.model_dump_json(indent=1) + "\n")
        made.rename(target)
    return target


def check_tensorrt() -> None:
    """That plans can be built here.

    Raises:
        RuntimeUnavailableError: the message names everything that is missing.
    """
    lacks = []
    if importlib.util.find_spec("tensorrt") is None:
        lacks.append("the package tensorrt (pip install 'tensorrt>=11')")
    if importlib.util.find_spec("torch") is None:
        lacks.append("PyTorch (pip install 'encoder-zoo[export]')")
    elif not _has_gpu():
        lacks.append("an NVIDIA GPU with its driver, and PyTorch built for CUDA")
    if lacks:
        raise RuntimeUnavailableError(
            f"a TensorRT plan is built on the GPU that runs it; here is missing: {'; '.join(lacks)}"
        )


def read_plan(folder: Path, package: Package, precision: Precision, machine: Machine) -> Plan:
    """The record of a plan, seen to be of that package, precision and machine.

    Raises:
        PackageError: there is none, or it is of another space, GPU or TensorRT.
    """
    path = folder / package.manifest.name / package.manifest.version / RECORD
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise PackageError(
            f"{path.parent}: no plan is here; build one with zoo export plan "
            f"{package.manifest.reference} --out {folder}"
        ) from None
    except ValidationError as error:
        raise PackageError(f"{path}: not the record of a plan ({first_error(error)})") from error
    pairs = {
        "space": (plan.space, space_of(package.manifest, precision)),
        "precision": (plan.precision, precision),
        "GPU": (_gpu(plan.machine), _gpu(machine)),
        "TensorRT": (plan.machine.tensorrt, machine.tensorrt),
    }
    for what, (has, wanted) in pairs.items():
        if has != wanted:
            raise PackageError(
                f"{path.parent / PLAN}: built for the {what} {has}, here it is {wanted}: build it "
                "again on this machine"
            )
    return plan


def this_machine() -> Machine:
    """The GPU and TensorRT of this machine, which must have both."""
    import tensorrt  # noqa: PLC0415 - an extra of its own
    import torch  # noqa: PLC0415

    major, minor = torch.cuda.get_device_capability()
    return Machine(
        gpu=torch.cuda.get_device_name(),
        compute_capability=f"{major}.{minor}",
        tensorrt=tensorrt.__version__,
    )


def _gpu(machine: Machine) -> str:
    return f"{machine.gpu} ({machine.compute_capability})"


def _has_gpu() -> bool:
    import torch  # noqa: PLC0415 - half a second, and not always there

    return torch.cuda.is_available()


def _graph(package: Package, precision: Precision, calibration: Pixels | None, work: Path) -> Path:
    """The graph in that precision: as it is in the package, or made for this."""
    from export.variants import write_quantised, write_variant  # noqa: PLC0415 - PyTorch

    if precision == "fp32":
        return package.graph
    target = work / "graph.onnx"
    if precision == "int8":
        if calibration is None:
            raise PackageError("int8 takes its ranges from images: give some")
        write_quantised(package, target, calibration, symmetric=True)
    else:
        write_variant(package, target, precision)
    return target


def _build(graph: Path, size: int, batches: Batches) -> bytes:
    import tensorrt as trt  # noqa: PLC0415

    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    # The flag is needed by TensorRT 10 and without effect in 11.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(graph)):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise PackageError(f"{graph}: TensorRT refuses it ({reasons})")
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, _WORKSPACE_BYTES)
    profile = builder.create_optimization_profile()
    shapes = [(n, size, size, 3) for n in (batches.least, batches.best, batches.most)]
    profile.set_shape("images", *shapes)
    config.add_optimization_profile(profile)
    machine = this_machine()
    name = f"{machine.tensorrt}-{machine.compute_capability}.timing"
    kept = zoo_home() / "cache" / "tensorrt" / name
    _use_timings(config, kept.read_bytes() if kept.is_file() else b"")
    serialised = builder.build_serialized_network(network, config)
    if serialised is None:
        raise PackageError(f"{graph}: TensorRT could not build a plan of it (its log says why)")
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, bytes(config.get_timing_cache().serialize()))
    return bytes(serialised)


def _use_timings(config: Any, earlier: bytes) -> None:
    """Give the times of earlier builds to the builder; of a torn file or another GPU, none."""
    for content in (earlier, b""):
        cache = config.create_timing_cache(content)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return


class Engine:
    """A plan that was loaded, with memory of PyTorch's."""

    def __init__(self, serialised: bytes, dim: int) -> None:
        import tensorrt as trt  # noqa: PLC0415

        self._runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        self._engine: Any = self._runtime.deserialize_cuda_engine(serialised)
        if self._engine is None:
            raise PackageError("TensorRT cannot load the plan that it built (its log says why)")
        self._context, self._dim = self._engine.create_execution_context(), dim

    def embed(self, images: Pixels, batch: int = 1) -> Vectors:
        """uint8 (n, size, size, 3) -> float32 (n, dim), `batch` images at a time."""
        import torch  # noqa: PLC0415

        stream = torch.cuda.current_stream()
        rows = []
        for start in range(0, len(images), batch):
            given = torch.from_numpy(images[start : start + batch]).cuda()
            row = torch.empty(len(given), self._dim, device="cuda")
            self._context.set_input_shape("images", tuple(given.shape))
            self._context.set_tensor_address("images", given.data_ptr())
            self._context.set_tensor_address("embedding", row.data_ptr())
            if not self._context.execute_async_v3(stream.cuda_stream):
                raise PackageError("TensorRT cannot run the plan that it built (its log says why)")
            rows.append(row)
        found: Vectors = torch.cat(rows).cpu().numpy()
        return found
