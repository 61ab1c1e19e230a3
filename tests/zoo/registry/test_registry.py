"""Pushing to a registry and pulling from it: a folder, memory, and what an attacker would try."""

import hashlib
import json
import shutil
import uuid

import minisign
import pytest

from zoo.download import Silent, open_client, unfinished
from zoo.errors import (
    DownloadError,
    GoldenMismatchError,
    PackageError,
    SignatureError,
    UnknownModelError,
    ZooError,
)
from zoo.package import parse_digest, read_package
from zoo.registry import Demands, open_place, pull_package, push_package
from zoo.signing import sign, trusted_keys
from zoo.store import list_packages

NO_NETWORK = open_client(offline=True)


@pytest.fixture(params=["folder", "memory"])
def url(request, tmp_path):
    return {"folder": str(tmp_path / "registry"), "memory": f"memory://{uuid.uuid4().hex}"}[
        request.param
    ]


def place(url):
    return open_place(url, NO_NETWORK)


def push(folder, url, signature=None):
    return push_package(read_package(folder), place(url), signature)


def pull(url, reference="tiny", **demands):
    return pull_package(place(url), reference, Demands(**demands), Silent())


@pytest.fixture
def pushed(make_package, tmp_path):
    """A registry in a folder with tiny@1, which is installed no more."""
    folder = make_package()
    digest = push(folder, str(tmp_path / "registry"))
    shutil.rmtree(folder)
    return tmp_path / "registry", digest


def own():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_is_pulled_is_what_was_pushed(make_package, url):
    folders = [make_package(version=version, seed=int(version)) for version in ("9", "10")]
    expected = [content(folder) for folder in folders]
    for folder in folders:
        push(folder, url)
        shutil.rmtree(folder)
    package, new = pull(url)
    assert (package.manifest.reference, new) == ("tiny@10", True)
    assert content(package.path) == expected[1]
    assert content(pull(url, "tiny@9")[0].path) == expected[0]
    assert pull(url, "tiny@9")[1] is False
    assert unfinished() == []


def test_the_index_tells_versions_and_digests(make_package, url):
    digest = push(make_package(), url)
    index = json.loads(place(url).read("tiny/index.json"))
    assert index["versions"]["1"]["digest"] == digest
    assert index["versions"]["1"]["signed"] is False


def test_a_version_never_changes(make_package, url):
    folder = make_package()
    digest = push(folder, url)
    assert push(folder, url) == digest
    shutil.rmtree(folder)
    other = make_package(seed=1)
    with pytest.raises(PackageError, match=r"another tiny@1.*never changes"):
        push(other, url)
    with pytest.raises(PackageError, match=r"another tiny@1 is installed"):
        pull(url)
    shutil.rmtree(other)
    assert pull(url)[1]


def test_a_push_that_was_broken_off_is_not_there(make_package, tmp_path):
    folder, registry = make_package(), tmp_path / "registry"
    push(folder, str(registry))
    (registry / "tiny" / "1" / "model.json").unlink()
    second = make_package(version="2")
    push(second, str(registry))
    assert list(json.loads((registry / "tiny" / "index.json").read_text())["versions"]) == ["2"]
    push(folder, str(registry))
    assert pull(str(registry), "tiny@1")[0].manifest.version == "1"
    assert [p.name for p in registry.rglob(".new-*")] == []


def test_unknown_models_and_versions(pushed):
    registry, _ = pushed
    with pytest.raises(UnknownModelError, match="has no model 'none'"):
        pull(str(registry), "none")
    with pytest.raises(UnknownModelError, match=r"has no tiny@7; there is tiny@1"):
        pull(str(registry), "tiny@7")
    for odd in ("../tiny", "tiny@../1", "Tiny", ""):
        with pytest.raises(UnknownModelError, match="name@version"):
            pull(str(registry), odd)


def test_a_digest_pins_a_version(pushed):
    registry, digest = pushed
    with pytest.raises(DownloadError, match=r"wrong bytes.*--digest"):
        pull(str(registry), digest="0" * 64)
    assert own() == []
    assert pull(str(registry), digest=parse_digest(f"sha256:{digest}"))[1]


@pytest.mark.parametrize("text", ["", "sha256:", "0" * 63, "../" + "0" * 61, "A" * 64, "0" * 65])
def test_what_is_not_a_digest_is_refused(text):
    with pytest.raises(PackageError, match="is not a digest"):
        parse_digest(text)


@pytest.mark.parametrize("name", ["encoder.safetensors", "encoder.onnx", "golden.npz"])
def test_wrong_bytes_of_any_file_are_refused(pushed, name):
    registry, _ = pushed
    path = registry / "tiny" / "1" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DownloadError, match=rf"{name}: wrong bytes.*the manifest"):
        pull(str(registry))
    assert own() == []


def test_files_of_another_length_or_missing_are_refused(pushed):
    registry, _ = pushed
    path = registry / "tiny" / "1" / "golden.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DownloadError, match=r"golden\.npz.*bytes, where"):
        pull(str(registry))
    path.unlink()
    with pytest.raises(DownloadError, match=r"golden\.npz: it is not there"):
        pull(str(registry))
    assert own() == []


def rewritten(registry, **changes):
    """An attacker's manifest, with the index made to fit."""
    path = registry / "tiny" / "1" / "model.json"
    manifest = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(manifest))
    index = json.loads((registry / "tiny" / "index.json").read_text())
    index["versions"]["1"]["digest"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (registry / "tiny" / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema_version": 2}, "upgrade encoder-zoo"),
        ({"name": "other"}, "manifest of other@1"),
        ({"files": {"../../x": {"sha256": "0" * 64, "bytes": 0}}}, "not the name of a file"),
        ({"files": {"a": {"sha256": "../" + "0" * 61, "bytes": 0}}}, "sha256"),
        ({"tolerance": 1.5}, "tolerance"),
    ],
)
def test_a_manifest_that_is_none_is_refused(pushed, changes, says):
    registry, _ = pushed
    rewritten(registry, **changes)
    with pytest.raises(PackageError, match=says):
        pull(str(registry))
    assert own() == []
    assert unfinished() == []


def test_golden_vectors_are_run_before_it_is_visible(pushed):
    registry, _ = pushed
    rewritten(registry, tolerance=1.0)
    with pytest.raises(GoldenMismatchError):
        pull(str(registry))
    assert own() == []
    assert unfinished() == []


def test_an_index_that_disagrees_is_refused(pushed):
    registry, _ = pushed
    path = registry / "tiny" / "1" / "model.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(DownloadError, match="the registry's index says"):
        pull(str(registry))
    (registry / "tiny" / "index.json").write_text("{")
    with pytest.raises(PackageError, match=r"index\.json"):
        pull(str(registry))


def test_the_first_manifest_of_an_address_is_held(pushed, home):
    registry, _ = pushed
    pull(str(registry))
    shutil.rmtree(home / "packages")
    rewritten(registry, method="other")
    with pytest.raises(DownloadError, match="its first download"):
        pull(str(registry))


@pytest.fixture
def key():
    return minisign.KeyPair.generate()


def signed(folder, key):
    manifest = (folder / "model.json").read_bytes()
    return sign("tiny@1", manifest, key.secret_key)


def test_only_what_a_trusted_key_signed_is_installed(make_package, url, key):
    folder = make_package()
    push(folder, url, signed(folder, key))
    shutil.rmtree(folder)
    others = tuple(minisign.KeyPair.generate().public_key for _ in range(2))
    with pytest.raises(SignatureError, match="not signed by a trusted key"):
        pull(url, trusted=others)
    assert own() == []
    package, _ = pull(url, trusted=(*others, key.public_key))
    assert (package.path / "model.json.minisig").is_file()


def test_unsigned_and_changed_manifests_are_refused(pushed, key):
    registry, _ = pushed
    with pytest.raises(SignatureError, match="is not signed"):
        pull(str(registry), trusted=(key.public_key,))
    signature = signed(registry / "tiny" / "1", key)
    (registry / "tiny" / "1" / "model.json.minisig").write_bytes(signature)
    rewritten(registry, method="other")
    index = json.loads((registry / "tiny" / "index.json").read_text())
    index["versions"]["1"]["signed"] = True
    (registry / "tiny" / "index.json").write_text(json.dumps(index))
    with pytest.raises(SignatureError, match="changed since"):
        pull(str(registry), trusted=(key.public_key,))
    (registry / "tiny" / "1" / "model.json.minisig").write_bytes(b"no signature")
    with pytest.raises(SignatureError, match="cannot be read"):
        pull(str(registry), trusted=(key.public_key,))
    assert own() == []


def test_trusted_keys_are_text_or_files(key, tmp_path, monkeypatch):
    text = key.public_key.to_base64().decode()
    path = tmp_path / "team.pub"
    path.write_bytes(bytes(key.public_key) + b"\n")
    assert trusted_keys([text]) == trusted_keys([str(path)]) == (key.public_key,)
    assert trusted_keys([]) == ()
    monkeypatch.setenv("ZOO_TRUSTED_KEYS", f"{text}, {path}")
    assert trusted_keys([]) == (key.public_key,) * 2
    with pytest.raises(SignatureError, match="neither a minisign public key"):
        trusted_keys(["nonsense"])


def test_a_web_server_is_not_pushed_to(make_package):
    with open_client() as client, pytest.raises(ZooError, match="only pulled from"):
        push_package(
            read_package(make_package()), open_place("https://localhost/zoo", client), None
        )


def test_addresses_of_no_kind_say_so():
    with pytest.raises(ZooError, match="not the address of a registry"):
        place("nonsense://x")
