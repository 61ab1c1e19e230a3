"""What all tests share: one thread a process where several run, hypothesis without a clock, skips
that count as failures on request, and torchvision as the reference."""

import importlib
import importlib.util
import os
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

# Beside one another, processes with a thread a core each wait mostly for one another's threads.
# Set before PyTorch is imported; what a test starts inherits it.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# A busy machine is not a fault of the code; derandomised, so that a failure comes again.
settings.register_profile("zoo", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("zoo")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ZOO_TEST_REQUIRE=1 a test that skips for want of data or of a program fails."""
    report: pytest.TestReport = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("ZOO_TEST_REQUIRE"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} must not be skipped here: {reason}"
    return report


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own `$ZOO_HOME`; commands that it starts inherit it."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ZOO_HOME", str(folder))
    return folder


@pytest.fixture
def make_package(home: Path) -> Callable[..., Path]:
    """make_package(name="tiny", version="1"): a package in the store; its folder."""
    from tests.packages import write_package  # noqa: PLC0415
    from zoo.store import new_package  # noqa: PLC0415

    def make(name: str = "tiny", version: str = "1", **options: Any) -> Path:
        with new_package(name, version) as folder:
            write_package(folder, name, version, **options)
        return home / "packages" / name / version

    return make


@pytest.fixture(scope="session")
def variants_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with `tiny@1` and `tiny@2`, which has every variant; nobody may change it."""
    for module in ("torch", "onnxscript", "openvino"):
        pytest.importorskip(module)
    from tests.runs import write_store  # noqa: PLC0415 - it needs PyTorch

    work = tmp_path_factory.mktemp("variants")
    write_store(work / "home", work)
    return work / "home"


_libraries: list[Any] = []


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also beside a build of PyTorch that cannot load its compiled extension.

    Without the extension the import stops at "operator torchvision::nms does not exist" and cannot
    be tried again in one process, so the operators it looks for are declared first; none is run.
    """
    torch = pytest.importorskip("torch")
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        pytest.skip("torchvision, the reference, is not installed")
    try:
        for extension in Path(spec.origin).parent.glob("_C*.so"):
            torch.ops.load_library(extension)
    except OSError:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _libraries.append(library)  # its definitions go when it does
    return importlib.import_module("torchvision")
