"""A runtime is one module and one row: everything else that names runtimes finds it there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from service.settings import Settings
from zoo.errors import RuntimeUnavailableError
from zoo.package import read_package
from zoo.runtimes import Execution, open_runtime, read_golden
from zoo.runtimes.table import RUNTIMES

# Opens the tests' tiny package, whose network is a projection, with NumPy alone.
ROW = """
import numpy as np
from safetensors.numpy import load_file
from zoo.runtimes.table import RUNTIMES, RuntimeKind
from zoo.space import space_of

SIZE, CELLS = 16, 4


class NumpyRuntime:
    concurrency = 1

    def __init__(self, package, execution):
        self.precision, self.variant = execution.precision, execution.variant
        self.space = space_of(package.manifest, execution.precision, {"numpy": True})
        self.projection = load_file(package.weights)["projection"]

    def embed(self, images):
        n, cell = len(images), SIZE // CELLS
        cells = images.astype(np.float32).reshape(n, CELLS, cell, CELLS, cell, 3).mean((2, 4))
        return (cells.transpose(0, 3, 1, 2).reshape(n, -1) / 255 - 0.5) @ self.projection


RUNTIMES["numpy"] = RuntimeKind(
    summary="NumPy here",
    extra="numpy",
    modules=("numpy",),
    open=NumpyRuntime,
    precisions={"cpu": ("fp32",)},
    devices=lambda: ("cpu",),
    probe=lambda: {"version": np.__version__},
)
"""
COMMAND = """
from cli import app

if __name__ == "__main__":
    app()
"""


@pytest.fixture
def zoo(tmp_path):
    """The command of a distribution that has the row; JSON in its answer is read."""
    # A file, since `zoo bench` starts processes that read it again.
    (tmp_path / "zoo_with_numpy.py").write_text(ROW + COMMAND)

    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, tmp_path / "zoo_with_numpy.py", *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[3],
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stderr

    return run


@pytest.fixture
def with_row():
    before = dict(RUNTIMES)
    exec(ROW, {})
    yield
    RUNTIMES.clear()
    RUNTIMES.update(before)


def test_the_commands_measure_prove_and_report_it(zoo, make_package):
    make_package()
    measured = zoo("bench", "tiny", "--seconds", "0.1", "--batch", "2", "--json")["results"]
    (row,) = [row for row in measured if row["runtime"] == "numpy"]
    assert row["variant"] == "numpy-fp32"
    assert row["cosine_min"] > 0.9999
    assert zoo("doctor", "--json")["checks"]["numpy"] == {"version": np.__version__}
    (result,) = zoo("verify", "tiny", "--json")["results"]
    assert "numpy-fp32" in {runtime["variant"] for runtime in result["runtimes"]}


def test_it_is_opened_and_proven_as_the_others(with_row, make_package):
    package = read_package(make_package())
    golden = read_golden(package.golden)
    runtime = open_runtime(package, Execution("numpy"))
    np.testing.assert_allclose(runtime.embed(golden.images), golden.embeddings, rtol=1e-4)
    assert runtime.space == package.manifest.space


def test_the_settings_take_it(with_row, monkeypatch):
    monkeypatch.setenv("ZOO_RUNTIME", "numpy")
    assert Settings().runtime == "numpy"
    monkeypatch.setenv("ZOO_DEVICE", "cuda")
    with pytest.raises(ValidationError, match="ZOO_DEVICE=cuda is of onnxruntime, and ZOO_RUNTIME"):
        Settings()


def test_without_its_row_there_is_none(make_package, monkeypatch):
    with pytest.raises(RuntimeUnavailableError, match="'numpy': there is onnxruntime, openvino"):
        open_runtime(read_package(make_package()), Execution("numpy"))
    monkeypatch.setenv("ZOO_RUNTIME", "numpy")
    with pytest.raises(ValidationError, match="'numpy' is no runtime"):
        Settings()
