"""`zoo doctor`."""

import importlib.metadata
import os
import platform
from collections.abc import Callable
from typing import Any

import typer

from cli.console import AsJson, print_json, stdout


def doctor(as_json: AsJson = False) -> None:
    """What this machine can do: processor, GPU, runtimes, search, store; and what to mend.

    Exits with 1 if the gateway could not serve.

    Example: [bold]zoo doctor[/bold]
    """
    from zoo.runtimes.table import RUNTIMES  # noqa: PLC0415

    checks: dict[str, Callable[[], dict[str, Any]]] = {
        "machine": _machine,
        "gpu": _gpu,
        **{name: kind.probe for name, kind in RUNTIMES.items()},
        "tensorrt": _tensorrt,
        "search": _search,
        "store": _store,
    }
    found = {name: check() for name, check in checks.items()}
    problems = [f"{name}: {f['problem']}" for name, f in found.items() if "problem" in f]
    if as_json:
        print_json({"checks": found, "ok": not problems})
    else:
        _print(found, problems)
    if problems:
        raise typer.Exit(1)


def _machine() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
    }


def _gpu() -> dict[str, Any]:
    import shutil  # noqa: PLC0415
    import subprocess  # noqa: PLC0415

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


def _tensorrt() -> dict[str, Any]:
    from export.tensorrt import check_tensorrt  # noqa: PLC0415
    from zoo.errors import RuntimeUnavailableError  # noqa: PLC0415

    try:
        check_tensorrt()
    except RuntimeUnavailableError as error:
        return {"state": str(error)}
    return {"version": _version("tensorrt")}


def _search() -> dict[str, Any]:
    try:
        import faiss  # noqa: PLC0415
    except ImportError:
        return {"problem": "FAISS is not installed: pip install 'encoder-zoo[cpu]', or [gpu]"}
    gpus = faiss.get_num_gpus() if hasattr(faiss, "get_num_gpus") else 0
    return {"version": faiss.__version__, "gpus": gpus}


def _store() -> dict[str, Any]:
    from zoo.store import list_packages, zoo_home  # noqa: PLC0415

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


def _print(found: dict[str, dict[str, Any]], problems: list[str]) -> None:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, facts in found.items():
        for row, (key, value) in enumerate(facts.items()):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            shown = Text(text, style="red" if key == "problem" else "")
            table.add_row("" if row else name, key, shown)
    stdout().print(table)
    if not problems:
        stdout().print("The gateway can serve here.", style="green")
