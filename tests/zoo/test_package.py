"""Packages on disk: whole ones are read, and damage is named."""

import json
from pathlib import Path

import jsonschema
import pytest

from zoo.errors import PackageError
from zoo.package import read_package, verify
from zoo.schema import PATH, manifest_schema
from zoo.store import BUILTIN

FILES = ("encoder.safetensors", "encoder.onnx", "golden.npz")


def edit(folder: Path, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def content(folder: Path):
    return json.loads((folder / "model.json").read_text())


def test_a_whole_package_is_read_and_verified(make_package):
    folder = make_package()
    package = read_package(folder)
    verify(package)
    assert package.manifest.reference == "tiny@1"
    assert {package.weights.name, package.graph.name, package.golden.name} == set(FILES)


def test_the_published_schema_is_current():
    assert json.loads(PATH.read_text()) == json.loads(json.dumps(manifest_schema())), (
        "run `python -m zoo.schema`"
    )


def test_the_schema_accepts_manifests_and_refuses_others(make_package):
    schema = json.loads(PATH.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    real = content(make_package())
    jsonschema.validate(real, schema)
    for path in BUILTIN.glob("*/*/model.json"):
        jsonschema.validate(json.loads(path.read_text()), schema)
    for wrong in (
        real | {"space": "abc"},
        real | {"surprise": 1},
        real | {"schema_version": 2},
        {k: v for k, v in real.items() if k != "files"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_found_and_the_file_named(make_package, name):
    folder = make_package()
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(PackageError, match=name):
        verify(read_package(folder))


@pytest.mark.parametrize("name", FILES)
def test_a_missing_longer_or_linked_file_is_named(make_package, tmp_path, name):
    folder = make_package()
    file = folder / name
    data = file.read_bytes()
    file.write_bytes(data + b"\0")
    with pytest.raises(PackageError, match=rf"{name}: {len(data) + 1} bytes"):
        read_package(folder)
    file.unlink()
    with pytest.raises(PackageError, match=f"{name}: missing"):
        read_package(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(data)
    file.symlink_to(elsewhere)
    with pytest.raises(PackageError, match=f"{name}: missing, or not a regular file"):
        read_package(folder)


def test_a_file_that_is_not_listed_is_named(make_package):
    folder = make_package()
    files = content(folder)["files"]
    del files["encoder.onnx"]
    edit(folder, files=files)
    with pytest.raises(PackageError, match=r"encoder\.onnx"):
        read_package(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "a/b", "..", "", "a\\b", "x\0y"])
def test_names_that_leave_the_folder_are_refused(make_package, name):
    folder = make_package()
    files = content(folder)["files"]
    (folder.parent / "outside").write_bytes(b"")
    edit(folder, files=files | {name: {"sha256": "0" * 64, "bytes": 0}})
    with pytest.raises(PackageError, match="not the name of a file"):
        read_package(folder)


def test_a_newer_schema_says_upgrade(make_package):
    folder = make_package()
    edit(folder, schema_version=2, something_new=True)
    with pytest.raises(PackageError, match="upgrade"):
        read_package(folder)


@pytest.mark.parametrize(
    "text", ["", "not json", "[]", "null", "{}", '{"schema_version": "1"}', "\ufffd", "NaN"]
)
def test_a_manifest_that_is_none(make_package, text):
    folder = make_package()
    (folder / "model.json").write_text(text)
    with pytest.raises(PackageError, match=r"model\.json"):
        read_package(folder)


def test_a_manifest_of_deep_nesting_or_other_bytes(make_package):
    folder = make_package()
    for data in (b"[" * 200_000, b"\xff\xfe\x00", b'{"schema_version": 1e999}'):
        (folder / "model.json").write_bytes(data)
        with pytest.raises(PackageError, match=r"model\.json"):
            read_package(folder)


def test_a_wrong_field_is_named(make_package):
    folder = make_package()
    edit(folder, dim=0)
    with pytest.raises(PackageError, match="dim"):
        read_package(folder)


def test_a_folder_without_a_manifest_is_no_package(tmp_path):
    with pytest.raises(PackageError, match=r"model\.json"):
        read_package(tmp_path)


def test_a_changed_input_block_no_longer_gives_the_space(make_package):
    folder = make_package()
    edit(folder, input=content(folder)["input"] | {"crop": 0.5})
    with pytest.raises(PackageError, match="space"):
        verify(read_package(folder))
