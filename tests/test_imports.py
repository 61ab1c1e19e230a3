"""The import contracts hold, and each of them breaks where it should."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"][
    "root_packages"
]

VIOLATIONS = [
    ("zoo/store.py", "import cli.pull"),
    ("zoo/images.py", "from service.errors import ServiceError"),
    ("heads/fit.py", "import zoo.store"),
    ("service/server.py", "import training.recipe"),
    ("training/recipe.py", "import export.graph"),
    ("export/build.py", "import service.errors"),
    ("service/storage/items.py", "import service.api.problems"),
    ("service/domain/collections.py", "from service.wire import collections as shapes"),
    ("service/search/filters.py", "import service.domain.collections"),
    ("service/rules/ids.py", "import service.storage.items"),
    ("service/embedding/cache.py", "import service.storage.items"),
    ("service/errors.py", "import service.rules.ids"),
    ("service/settings.py", "import torch"),
    ("heads/softmax.py", "import torch"),
    ("sources/layout.py", "import heads.fit"),
    ("sources/layout.py", "import training.recipe"),
    ("sources/content.py", "import torch"),
    ("zoo/images.py", "import sources.entry"),
    ("zoo/graphs/rewrite.py", "import torch"),
    ("zoo/importing/file.py", "import torch"),
    ("zoo/side_by_side.py", "import torch"),
    ("heads/rank.py", "import zoo.side_by_side"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            target = folder / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return folder


def test_the_contracts_hold(copy: Path) -> None:
    result = lint(copy)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line"), VIOLATIONS, ids=[f"{f}: {line}" for f, line in VIOLATIONS]
)
def test_a_violation_breaks_them(copy: Path, file: str, line: str) -> None:
    path = copy / file
    before = path.read_text()
    try:
        path.write_text(f"{before}\n\ndef _violation():\n    {line}\n")
        result = lint(copy)
    finally:
        path.write_text(before)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout
    module = file.removesuffix(".py").replace("/", ".")
    assert module in result.stdout.partition("Broken contracts")[2], result.stdout
