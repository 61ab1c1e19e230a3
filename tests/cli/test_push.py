"""`zoo push`, and `zoo pull` of it."""

import json
import shutil

import minisign

from tests.cli.command import invoke
from zoo.store import list_packages


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def test_push_signs_and_pull_demands_it(make_package, tmp_path):
    folder, registry = make_package(), tmp_path / "registry"
    pair = minisign.KeyPair.generate()
    public = tmp_path / "team.pub"
    public.write_bytes(bytes(pair.public_key) + b"\n")
    pair.secret_key.encrypt("a password", opslimit=32768, memlimit=1 << 20)
    secret = tmp_path / "team.key"
    secret.write_bytes(bytes(pair.secret_key) + b"\n")
    push = ("push", "tiny", "--registry", registry)
    assert "which registry?" in invoke("push", "tiny", code=1, ZOO_REGISTRY="")[1]
    invoke(*push)
    shutil.rmtree(folder)
    pull = ("pull", "tiny", "--registry", registry, "--trusted-key", public)
    assert "is not signed" in invoke(*pull, code=1)[1]
    assert own() == []
    invoke("pull", "tiny", ZOO_REGISTRY=str(registry))
    sign = (*push, "--sign", secret, "--json")
    assert "ZOO_SIGNING_PASSWORD" in invoke(*sign, code=1)[1]
    wrong = invoke(*sign, code=1, ZOO_SIGNING_PASSWORD="wrong")[1]
    assert "wrong password" in wrong
    pushed = json.loads(invoke(*sign, ZOO_SIGNING_PASSWORD="a password")[0])
    shutil.rmtree(folder)
    invoke(*pull, "--digest", pushed["digest"])
    assert own() == ["tiny@1"]
    assert "sha256:" in invoke("show", "tiny")[0]
    assert ", signed" in invoke("show", "tiny")[0]


def test_push_refuses_a_damaged_package(make_package, tmp_path):
    folder = make_package()
    data = bytearray((folder / "encoder.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "encoder.safetensors").write_bytes(data)
    assert "encoder.safetensors" in invoke("push", "tiny", "--registry", tmp_path / "r", code=1)[1]
    assert not (tmp_path / "r").exists()
