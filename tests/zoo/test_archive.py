"""A package in one file: the same bytes each time, and nothing but a package is ever read."""

import hashlib
import io
import shutil
import subprocess
import tarfile

import minisign
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tars import read_member
from zoo.archive import load_package, save_package
from zoo.errors import PackageError, SignatureError, ZooError
from zoo.package import file_digest, read_package
from zoo.signing import sign
from zoo.store import list_packages


@pytest.fixture
def saved(make_package, tmp_path):
    """A file with tiny@1, which is installed no more."""
    folder = make_package()
    save_package(read_package(folder), tmp_path / "tiny.tar")
    shutil.rmtree(folder)
    return tmp_path / "tiny.tar"


def installed():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def rewritten(path, change=lambda member, data: (member, data), extra=()):
    """The archive with members changed, left out (None) or added."""
    with tarfile.open(path) as archive:
        members = [(m, read_member(archive, m)) for m in archive]
    with tarfile.open(path, "w") as archive:
        for member, data in [*filter(None, (change(m, d) for m, d in members)), *extra]:
            member.size = len(data) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(data))


def test_what_is_loaded_is_what_was_saved(make_package, tmp_path):
    folder = make_package()
    expected = {path.name: path.read_bytes() for path in folder.iterdir()}
    save_package(read_package(folder), tmp_path / "a.tar")
    save_package(read_package(folder), tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    shutil.rmtree(folder)
    package = load_package(tmp_path / "a.tar", ())
    assert {path.name: path.read_bytes() for path in package.path.iterdir()} == expected
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_licence_and_parity_can_be_read_with_tar_alone(saved):
    with tarfile.open(saved) as archive:
        text = read_member(archive, "tiny/1/REPORT.txt").decode()
    assert "weights: Apache-2.0" in text
    assert "onnxruntime-fp32: cosine at least 1.000000000" in text
    assert "6 images (terms: none)" in text


def test_a_damaged_package_is_not_saved(make_package, tmp_path):
    folder = make_package()
    data = bytearray((folder / "golden.npz").read_bytes())
    data[40] ^= 1
    (folder / "golden.npz").write_bytes(data)
    with pytest.raises(PackageError, match=r"golden\.npz"):
        save_package(read_package(folder), tmp_path / "tiny.tar")
    assert not (tmp_path / "tiny.tar").exists()


def member(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (member("../../evil"), "is no file of tiny@1"),
        (member("/etc/evil"), "is no file of tiny@1"),
        (member("tiny/1/../../evil"), "is no file of tiny@1"),
        (member("tiny/1/more"), "is no file of tiny@1"),
        (member("tiny/1/link", tarfile.SYMTYPE, "/etc/passwd"), "not a plain file"),
        (member("tiny/1/link", tarfile.LNKTYPE, "tiny/1/model.json"), "not a plain file"),
        (member("tiny/1", tarfile.DIRTYPE), "not a plain file"),
        (member("tiny/1/null", tarfile.CHRTYPE), "not a plain file"),
        (member("tiny/1/golden.npz"), "in it twice"),
    ],
)
def test_anything_else_in_it_is_refused(saved, home, extra, says):
    rewritten(saved, extra=[(extra, b"x")])
    before = sorted(home.rglob("*"))
    with pytest.raises(PackageError, match=says):
        load_package(saved, ())
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    "name", ["encoder.safetensors", "encoder.onnx", "golden.npz", "model.json"]
)
def test_every_file_must_be_there_and_as_the_manifest_says(saved, name):
    original = saved.read_bytes()

    def without(info, data):
        return None if info.name.endswith(name) else (info, data)

    def longer(info, data):
        return (info, data + b"x") if info.name.endswith(name) else (info, data)

    def flipped(info, data):
        half = len(data) // 2
        wrong = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
        return (info, wrong) if info.name.endswith(name) else (info, data)

    for change in (without, longer, flipped):
        saved.write_bytes(original)
        rewritten(saved, change)
        with pytest.raises(ZooError):
            load_package(saved, ())
    assert installed() == []


def test_half_a_file_is_refused(saved):
    data = saved.read_bytes()
    for length in (0, 100, 5000, len(data) // 2, len(data) - 12_000):
        saved.write_bytes(data[:length])
        with pytest.raises(PackageError, match=r"tiny\.tar"):
            load_package(saved, ())
    assert installed() == []


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.integers(0, 1535), st.integers(0, 255))
def test_a_header_with_any_byte_changed_is_refused_or_harmless(saved, place, value):
    original = saved.read_bytes()
    changed = bytearray(original)
    changed[place] = value
    saved.write_bytes(changed)
    try:
        shutil.rmtree(load_package(saved, ()).path)
    except ZooError:
        pass
    finally:
        saved.write_bytes(original)
    assert installed() == []


def test_signatures_travel_and_are_required_on_request(make_package, tmp_path):
    key = minisign.KeyPair.generate()
    folder = make_package()
    save_package(read_package(folder), tmp_path / "plain.tar")
    signature = sign("tiny@1", (folder / "model.json").read_bytes(), key.secret_key)
    (folder / "model.json.minisig").write_bytes(signature)
    save_package(read_package(folder), tmp_path / "signed.tar")
    shutil.rmtree(folder)
    with pytest.raises(SignatureError, match="is not signed"):
        load_package(tmp_path / "plain.tar", (key.public_key,))
    assert installed() == []
    package = load_package(tmp_path / "signed.tar", (key.public_key,))
    assert (package.path / "model.json.minisig").read_bytes() == signature


@pytest.mark.parametrize("name", ["model.json", "REPORT.txt", "SHA256SUMS"])
def test_a_text_that_changed_on_the_way_is_refused(saved, name):
    original = saved.read_bytes()
    with tarfile.open(saved) as archive:
        (found,) = [m for m in archive if m.name.endswith(name)]
    for place in (40, found.size // 2, found.size - 3):  # within a word too: still JSON
        changed = bytearray(original)
        changed[found.offset_data + place] ^= 1
        saved.write_bytes(changed)
        with pytest.raises(PackageError, match=r"tiny\.tar: "):
            load_package(saved, ())
    assert installed() == []


def test_another_word_in_the_manifest_is_refused(saved):
    saved.write_bytes(saved.read_bytes().replace(b'"citation": "none"', b'"citation": "nine"'))
    with pytest.raises(
        PackageError, match=r"model\.json', but SHA256SUMS says .* changed or damaged"
    ):
        load_package(saved, ())


def test_the_digests_can_be_checked_without_this_program(saved, tmp_path):
    with tarfile.open(saved) as archive:
        archive.extractall(tmp_path / "out", filter="data")
    folder = tmp_path / "out" / "tiny" / "1"
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=True)
    listed = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert listed == {path.name for path in folder.iterdir()} - {"SHA256SUMS"}


def test_a_file_of_before_there_were_digests_is_loaded(saved):
    rewritten(saved, lambda m, d: None if m.name.endswith("SHA256SUMS") else (m, d))
    load_package(saved, ())


def test_a_demanded_digest_is_of_the_file_or_of_its_manifest(saved):
    with tarfile.open(saved) as archive:
        manifest = hashlib.sha256(read_member(archive, "tiny/1/model.json")).hexdigest()
    wrong = "0" * 64
    with pytest.raises(PackageError) as refused:
        load_package(saved, (), wrong)
    for text in (wrong, manifest, file_digest(saved)):
        assert text in str(refused.value)
    assert installed() == []
    for digest in (manifest, file_digest(saved)):
        shutil.rmtree(load_package(saved, (), digest).path)
