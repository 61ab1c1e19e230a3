"""A disk that fills up while a package is made: one line, and nothing is left behind."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.cli.command import invoke
from zoo.archive import save_package
from zoo.errors import CheckpointError, NoSpaceError
from zoo.package import read_package
from zoo.store import new_package


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() or path.name.startswith(".")]


BIG = np.ones(2_000_000, np.uint8)


def unpack(folder: Path) -> None:
    """As a reader does that explains what it meets."""
    try:
        (folder / "a").write_bytes(BIG.tobytes())
    except OSError as error:
        raise CheckpointError(f"not a whole file ({error})") from error


WRITERS: dict[str, Callable[[Path], object]] = {
    "safetensors": lambda folder: save_file({"a": BIG}, folder / "a"),
    "numpy": lambda folder: np.savez(folder / "a.npz", a=BIG),
    "python": lambda folder: (folder / "a").write_bytes(BIG.tobytes()),
    "explained": unpack,
}


@pytest.mark.parametrize("writer", WRITERS)
def test_whatever_library_meets_it(
    writer: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(small / "home"))
    said = rf"^tiny@1: the disk of {small / 'home'} is full; nothing of it is left"
    with pytest.raises(NoSpaceError, match=said) as error, new_package("tiny", "1") as folder:
        WRITERS[writer](folder)
    assert "\n" not in str(error.value)
    assert files(small) == []


def test_a_load_leaves_nothing(
    small: Path, make_package: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_package(filler=3_000_000)
    save_package(read_package(folder), tmp_path / "tiny.tar")
    shutil.rmtree(folder)
    _, error = invoke("load", tmp_path / "tiny.tar", code=1, ZOO_HOME=str(small))
    assert "tiny@1 needs 3 MB" in error  # before anything is written
    assert files(small) == []
    monkeypatch.setattr("zoo.archive.check_space", lambda *_: None)  # as if it filled up meanwhile
    _, error = invoke("load", tmp_path / "tiny.tar", code=1, ZOO_HOME=str(small))
    assert error.startswith("error: tiny@1: the disk of")
    assert error.count("\n") == 1
    assert files(small) == []
