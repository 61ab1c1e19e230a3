"""Commands of the store and its registries, run in this process."""

import json
import os
import shutil
import time

import minisign
import pytest
from typer.testing import CliRunner

from cli import app, complete
from zoo.images import InputBlock
from zoo.store import find_package, list_packages

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}


def zoo(*arguments, code=0, text=None, **environment):
    """The command's output and what it wrote to standard error."""
    done = CliRunner().invoke(app, list(map(str, arguments)), env=WIDE | environment, input=text)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def test_a_tag_is_another_name_of_a_version(make_package):
    for version in ("1", "2"):
        make_package(version=version)
    assert zoo("tag", "tiny@1", "stable")[0] == "tiny@stable is tiny@1\n"
    assert find_package("tiny@stable").manifest.version == "1"
    assert find_package("tiny").manifest.version == "2"
    rows = {m["model"]: m["tags"] for m in json.loads(zoo("list", "--json")[0])["models"]}
    assert (rows["tiny@1"], rows["tiny@2"]) == (["stable"], [])
    zoo("tag", "tiny@2", "stable")
    assert find_package("tiny@stable").manifest.version == "2"
    assert "gone with it" in zoo("rm", "tiny@2")[1]
    assert "'tiny@stable'" in zoo("show", "tiny@stable", code=1)[1]
    zoo("tag", "tiny", "old")
    zoo("tag", "tiny", "old", "--remove")
    assert "no tag 'old'" in zoo("tag", "tiny", "old", "--remove", code=1)[1]


@pytest.mark.parametrize(("label", "says"), [("1", "is a version"), ("../x", "cannot be a tag")])
def test_what_cannot_be_a_tag(make_package, label, says):
    make_package()
    assert says in zoo("tag", "tiny@1", label, code=1)[1]


def test_a_tag_is_not_taken_by_a_new_version(make_package):
    make_package()
    zoo("tag", "tiny@1", "stable")
    with pytest.raises(Exception, match="is a tag"):
        make_package(version="stable")


def test_rm_removes_what_is_named_and_never_guesses(make_package, home):
    folders = [make_package(version=version) for version in ("1", "2")]
    assert "which of tiny@1, tiny@2?" in zoo("rm", "tiny", code=1)[1]
    (folders[1] / "golden.npz").unlink()  # damaged ones too
    assert zoo("rm", "tiny@2")[0] == "tiny@2 removed\n"
    assert zoo("rm", "tiny")[0] == "tiny@1 removed\n"
    assert own() == []
    assert list((home / "packages" / "tiny").iterdir()) == []
    assert "stays" in zoo("rm", "simclr-r18-small@2", code=1)[1]
    assert "no model 'tiny' is installed" in zoo("rm", "tiny", code=1)[1]


def test_prune_says_first_what_it_frees(make_package, home):
    for version in ("1", "2", "3"):
        make_package(version=version)
    zoo("tag", "tiny@1", "kept")
    left = home / "packages" / "tiny" / ".new-dead"
    left.mkdir()
    (left / "half").write_bytes(bytes(300_000))
    fresh = home / "packages" / "tiny" / ".new-alive"
    fresh.mkdir()
    day_ago = time.time() - 100_000
    for path in (left / "half", left):
        os.utime(path, (day_ago, day_ago))
    partial = home / "partial" / "tiny@9-00000000.aaaaaaaa"
    partial.mkdir(parents=True)
    (partial / "half").write_bytes(bytes(200_000))
    out, error = zoo("prune", "--old-versions", code=1)
    assert "0.2 MB  unfinished download of tiny@9" in out
    assert "0.3 MB  left by a killed command" in out
    assert "old version tiny@2" in out
    assert "tiny@1" not in out
    assert "nothing was removed" in error
    found = json.loads(zoo("prune", "--json")[0])
    assert not found["freed"]
    assert found["bytes"] == 500_000
    assert partial.exists()
    zoo("prune", "--old-versions", "--yes")
    assert own() == ["tiny@1", "tiny@3"]
    assert [left.exists(), partial.exists(), fresh.exists()] == [False, False, True]
    assert json.loads(zoo("prune", "--yes", "--json")[0]) == {
        "found": [],
        "bytes": 0,
        "freed": False,
    }


def test_compat_says_what_differs(make_package):
    make_package(version="1")
    make_package("copy", version="1")
    make_package(version="2", seed=1)
    other = InputBlock(size=16, interpolation="bilinear", crop=0.5)
    make_package(version="3", input=other, space="0" * 64)
    assert "share a space" in zoo("compat", "tiny@1", "copy")[0]
    same = json.loads(zoo("compat", "tiny@1", "copy", "--json")[0])
    assert (same["compatible"], same["differs"]) == (True, {})
    out, _ = zoo("compat", "tiny@1", "tiny@2", code=1)
    assert "1 of 2 tensors differ, projection first" in out
    differs = json.loads(zoo("compat", "tiny@1", "tiny@3", "--json", code=1)[0])["differs"]
    assert differs == {"input.crop": [1.0, 0.5]}


def test_save_and_load_move_a_model(make_package, tmp_path, monkeypatch):
    folder = make_package()
    monkeypatch.chdir(tmp_path)
    assert zoo("save", "tiny")[0] == "tiny-1.tar\n"
    assert "is installed already" in zoo("load", "tiny-1.tar", code=1)[1]
    shutil.rmtree(folder)
    assert zoo("load", "tiny-1.tar")[0] == f"tiny@1 {folder}\n"
    (tmp_path / "half.tar").write_bytes((tmp_path / "tiny-1.tar").read_bytes()[:3000])
    shutil.rmtree(folder)
    assert "half.tar" in zoo("load", "half.tar", code=1)[1]
    assert own() == []
    key = minisign.KeyPair.generate().public_key.to_base64().decode()
    assert "is not signed" in zoo("load", "tiny-1.tar", code=1, ZOO_TRUSTED_KEYS=key)[1]


def test_push_signs_and_pull_demands_it(make_package, tmp_path):
    folder, registry = make_package(), tmp_path / "registry"
    pair = minisign.KeyPair.generate()
    public = tmp_path / "team.pub"
    public.write_bytes(bytes(pair.public_key) + b"\n")
    pair.secret_key.encrypt("a password", opslimit=32768, memlimit=1 << 20)
    secret = tmp_path / "team.key"
    secret.write_bytes(bytes(pair.secret_key) + b"\n")
    push = ("push", "tiny", "--registry", registry)
    assert "which registry?" in zoo("push", "tiny", code=1, ZOO_REGISTRY="")[1]
    zoo(*push)
    shutil.rmtree(folder)
    pull = ("pull", "tiny", "--registry", registry, "--trusted-key", public)
    assert "is not signed" in zoo(*pull, code=1)[1]
    assert own() == []
    zoo("pull", "tiny", ZOO_REGISTRY=str(registry))
    sign = (*push, "--sign", secret, "--json")
    assert "ZOO_SIGNING_PASSWORD" in zoo(*sign, code=1)[1]
    wrong = zoo(*sign, code=1, ZOO_SIGNING_PASSWORD="wrong")[1]
    assert "wrong password" in wrong
    pushed = json.loads(zoo(*sign, ZOO_SIGNING_PASSWORD="a password")[0])
    shutil.rmtree(folder)
    zoo(*pull, "--digest", pushed["digest"])
    assert own() == ["tiny@1"]
    assert "sha256:" in zoo("show", "tiny")[0]
    assert ", signed" in zoo("show", "tiny")[0]


def test_push_refuses_a_damaged_package(make_package, tmp_path):
    folder = make_package()
    data = bytearray((folder / "encoder.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "encoder.safetensors").write_bytes(data)
    assert "encoder.safetensors" in zoo("push", "tiny", "--registry", tmp_path / "r", code=1)[1]
    assert not (tmp_path / "r").exists()


COMMANDS = ("pull", "push", "save", "load", "search", "rm", "prune", "tag", "compat")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    assert "Example: " in zoo(name, "--help")[0]
    assert f" {name} " in zoo("--help")[0]


def test_the_shell_completes_what_can_be_pulled(make_package):
    make_package("simclr-mine")
    assert "simclr-r50x4" in complete.catalog("simclr-r50")
    assert {"simclr-mine", "simclr-r50x4"} <= set(complete.models_and_catalog("simclr-"))
    assert "simclr-mine" not in complete.catalog("")


def test_the_catalog_can_be_listed_searched_and_shown():
    rows = {m["model"]: m for m in json.loads(zoo("list", "--remote", "--json")[0])["models"]}
    row = rows["simclr-r50x4@1"]
    assert (row["dim"], row["accuracy"], row["licence"]) == (8192, 0.766, "Apache-2.0")
    assert row["bytes"] > 1_000_000_000
    assert not row["installed"]
    assert "simclr-r50x4@1" in zoo("list", "--remote")[0]
    found = json.loads(zoo("search", "SimCLR", "width 4", "--json")[0])["models"]
    assert "simclr-r50x4@1" in [m["model"] for m in found]
    assert "nothing with" in zoo("search", "no such thing", code=1)[1]
    shown = json.loads(zoo("show", "simclr-r50x4", "--json")[0])
    assert (shown["name"], shown["installed"]) == ("simclr-r50x4", False)
    assert "storage.googleapis.com" in zoo("show", "simclr-r50x4")[0]
    assert "did you mean simclr-r50x4" in zoo("show", "simclr-r50x44", code=1)[1]
