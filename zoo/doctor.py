"""What this machine can do for the zoo, and what to mend."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Mapping
from typing import Any

from zoo.errors import RuntimeUnavailableError
from zoo.runtimes.table import RUNTIMES
from zoo.store import list_packages, zoo_home


def examine(more: Mapping[str, Callable[[], None]]) -> dict[str, dict[str, Any]]:
    """Facts of this machine, by what they are of; with `problem` where the gateway cannot serve.

    Args:
        more: optional software by its distribution's name, each with a check that raises
            `RuntimeUnavailableError`.
    """
    return {
        "machine": _machine(),
        "gpu": _gpu(),
        **{name: kind.probe() for name, kind in RUNTIMES.items()},
        **{name: _software(name, check) for name, check in more.items()},
        "search": _search(),
        "store": _store(),
    }


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def _gpu() -> dict[str, Any]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return {"state": "no NVIDIA driver (nvidia-smi is not here)"}
    query = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        run = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"state": f"nvidia-smi fails: {error}"}
    if run.returncode:
        return {"state": f"nvidia-smi fails: {(run.stdout + run.stderr).strip()}"}
    return {"devices": run.stdout.strip().splitlines()}


def _software(name: str, check: Callable[[], None]) -> dict[str, Any]:
    try:
        check()
    except RuntimeUnavailableError as error:
        return {"state": str(error)}
    return {"version": _version(name)}


def _search() -> dict[str, Any]:
    try:
        import faiss  # noqa: PLC0415
    except ImportError:
        return {"problem": "FAISS is not installed: pip install 'encoder-zoo[cpu]', or [gpu]"}
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    return {"version": faiss.__version__, "gpus": gpus}


def _store() -> dict[str, Any]:
    home = zoo_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return {"home": str(home), "problem": f"cannot be made ({error}): set ZOO_HOME"}
    if not os.access(home, os.W_OK):
        return {"home": str(home), "problem": f"{home} cannot be written: set ZOO_HOME"}
    packages, broken = list_packages()
    models = [package.manifest.reference for package in packages]
    found: dict[str, Any] = {"home": str(home), "models": models}
    if broken:
        found["damaged"] = [str(path) for path in broken]
    return found


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
