"""`zoo prune`."""

import json
import os

from tests.cli.command import invoke
from zoo.store import list_packages


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def test_prune_says_first_what_it_frees(make_package, home):
    for version in ("1", "2", "3"):
        make_package(version=version)
    invoke("tag", "tiny@1", "kept")
    left = home / "packages" / "tiny" / ".new-dead"
    left.mkdir()
    (left / "half").write_bytes(bytes(300_000))
    fresh = home / "packages" / "tiny" / ".new-alive"
    fresh.mkdir()
    day_ago = fresh.stat().st_mtime - 100_000
    for path in (left / "half", left):
        os.utime(path, (day_ago, day_ago))
    partial = home / "partial" / "tiny@9-00000000.aaaaaaaa"
    partial.mkdir(parents=True)
    (partial / "half").write_bytes(bytes(200_000))
    out, error = invoke("prune", "--old-versions", code=1)
    assert "0.2 MB  unfinished download of tiny@9" in out
    assert "0.3 MB  left by a killed command" in out
    assert "old version tiny@2" in out
    assert "tiny@1" not in out
    assert "nothing was removed" in error
    found = json.loads(invoke("prune", "--json")[0])
    assert not found["freed"]
    assert found["bytes"] == 500_000
    assert partial.exists()
    invoke("prune", "--old-versions", "--yes")
    assert own() == ["tiny@1", "tiny@3"]
    assert [left.exists(), partial.exists(), fresh.exists()] == [False, False, True]
    assert json.loads(invoke("prune", "--yes", "--json")[0]) == {
        "found": [],
        "bytes": 0,
        "freed": False,
    }
