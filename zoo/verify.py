"""A package checked against what it says of itself, on every runtime of this machine."""

from typing import Any

from zoo.errors import RuntimeUnavailableError, ZooError
from zoo.package import Package, verify
from zoo.runtimes import Execution, open_as_asked
from zoo.runtimes.bench import executions


def verify_everywhere(package: Package) -> dict[str, Any]:
    """`ok`, and of each runtime its agreement or why it was skipped; or `error`."""
    result: dict[str, Any] = {"model": package.manifest.reference, "ok": False}
    attested = ("fp32", *package.manifest.variants)
    try:
        verify(package)
        ways = [way for way in executions(package) if way.precision in attested]
        runtimes = [_proven(package, way) for way in ways or [Execution()]]
    except ZooError as error:
        return result | {"error": str(error)}
    if all("skipped" in runtime for runtime in runtimes):
        return result | {"error": runtimes[0]["skipped"]}
    return result | {"ok": True, "runtimes": runtimes}


def _proven(package: Package, way: Execution) -> dict[str, Any]:
    """The agreement of one runtime, or why it cannot run here."""
    try:
        runtime, parity = open_as_asked(package, way)
    except RuntimeUnavailableError as error:
        return {"variant": way.variant, "skipped": str(error)}
    return {"variant": runtime.variant} | parity.model_dump()
