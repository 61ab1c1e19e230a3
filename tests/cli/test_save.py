"""`zoo save` and `zoo load`."""

import shutil

import minisign

from tests.cli.command import invoke
from zoo.package import file_digest
from zoo.store import list_packages


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def test_save_and_load_move_a_model(make_package, tmp_path, monkeypatch):
    folder = make_package()
    monkeypatch.chdir(tmp_path)
    out, told = invoke("save", "tiny")
    assert out == "tiny-1.tar\n"
    digest = f"sha256:{file_digest(tmp_path / 'tiny-1.tar')}"
    assert told.endswith(f"{digest}\n")
    assert "is installed already" in invoke("load", "tiny-1.tar", code=1)[1]
    shutil.rmtree(folder)
    wrong = f"sha256:{'0' * 64}"
    assert f"--digest demands {wrong[7:]}" in invoke(
        "load", "tiny-1.tar", "--digest", wrong, code=1
    )[1].replace("\n", " ")
    assert invoke("load", "tiny-1.tar", "--digest", digest)[0] == f"tiny@1 {folder}\n"
    (tmp_path / "half.tar").write_bytes((tmp_path / "tiny-1.tar").read_bytes()[:3000])
    shutil.rmtree(folder)
    assert "half.tar" in invoke("load", "half.tar", code=1)[1]
    assert own() == []
    key = minisign.KeyPair.generate().public_key.to_base64().decode()
    assert "is not signed" in invoke("load", "tiny-1.tar", code=1, ZOO_TRUSTED_KEYS=key)[1]
