"""The image is built of every package of the distribution, and of nothing else."""

import tomllib

from tests.service.conftest import ROOT


def test_every_package_is_copied_and_let_through() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {
        name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]
    }
    assert packages == {path.name for path in ROOT.iterdir() if (path / "py.typed").is_file()}
    copied = {
        line.split()[1]
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and line.split()[1] == line.split()[-1]
    }
    assert packages <= copied
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert packages <= {line.removeprefix("!") for line in ignore if line.startswith("!")}
