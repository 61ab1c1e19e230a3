"""Opening a package's encoder, proven."""

from zoo.errors import RuntimeUnavailableError
from zoo.manifest import Parity
from zoo.package import Package
from zoo.runtimes.golden import check_golden
from zoo.runtimes.protocol import Execution, Runtime
from zoo.runtimes.table import runtime_kind


def open_runtime(package: Package, execution: Execution | None = None) -> Runtime:
    """The package's encoder, proven on its golden vectors.

    A runtime elsewhere that is not there yet is proven when it first answers.

    Raises:
        RuntimeUnavailableError: the runtime is not installed, or cannot do that here.
        PackageError: the package has no graph of that precision.
        GoldenMismatchError: the embeddings are not those that the package attests.
    """
    execution = execution or Execution()
    kind = runtime_kind(execution.runtime)
    if kind.remote:
        return kind.open(package, execution)
    return open_proven(package, execution)[0]


def open_proven(package: Package, execution: Execution) -> tuple[Runtime, Parity]:
    """A runtime of this machine, and its agreement with the reference on the golden images.

    Raises:
        RuntimeUnavailableError, PackageError, GoldenMismatchError: as `open_runtime`.
    """
    runtime = runtime_kind(execution.runtime).open(package, execution)
    return runtime, check_golden(package, runtime.variant, runtime.embed, runtime.precision)


def open_as_asked(package: Package, execution: Execution) -> tuple[Runtime, Parity]:
    """As `open_proven`, but what cannot run on its GPU is an error, not slower.

    Raises:
        RuntimeUnavailableError, PackageError, GoldenMismatchError: as `open_runtime`.
    """
    runtime, parity = open_proven(package, execution)
    if execution.device != "cpu" and f"-{execution.device}-" not in runtime.variant:
        raise RuntimeUnavailableError(f"{execution.device} does not load here: run `zoo doctor`")
    return runtime, parity
