"""What the command says of itself."""

import subprocess
import sys

import pytest

from tests.cli.command import invoke, zoo


def test_help_reads_well_and_loads_nothing_heavy():
    text = zoo("--help").stdout
    for name in ("list", "show", "verify", "train", "export", "embed", "serve"):
        assert f" {name} " in text
        assert "Example: " in zoo(name, "--help").stdout
    heavy = ["torch", "fastapi", "faiss", "onnxruntime", "pyarrow", "numpy", "sklearn", "pydantic"]
    code = f"import sys, cli; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_version():
    assert zoo("--version").stdout.startswith("zoo 0.")


COMMANDS = ("import", "pull", "push", "save", "load", "search", "rm", "prune", "tag", "compat")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    assert "Example: " in invoke(name, "--help")[0]
    assert f" {name} " in invoke("--help")[0]


def test_unknown_models_are_one_line(make_package):
    make_package()
    error = zoo("show", "tinny", code=1).stderr
    assert error.startswith("error: no model 'tinny' is installed; did you mean tiny?")
    assert error.count("\n") == 1
