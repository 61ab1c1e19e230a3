"""A zip is unpacked into the folder it is given, or refused."""

import stat
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from export.checkpoints import open_checkpoint
from export.checkpoints.archive import unpack
from tests.foreign import write_bundle
from zoo.errors import CheckpointError


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "into").mkdir()
    return tmp_path / "into"


def make_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_checkpoint_in_a_zip_is_read(tmp_path, folder):
    tensors = {"a": np.random.default_rng(0).random(300, np.float32)}
    files = write_bundle(tmp_path / "model.ckpt-1", tensors.items())
    members = [(f"ResNet50_1x/{name}", path.read_bytes()) for name, path in files.items()]
    # Google's archives hold a hub module too.
    members.append(("ResNet50_1x/variables/variables.index", b"another format"))
    archive = make_zip(tmp_path / "ResNet50_1x.zip", members)
    checkpoint = open_checkpoint("tf-bundle", {"ResNet50_1x.zip": archive}, folder)
    np.testing.assert_array_equal(checkpoint.read("a"), tensors["a"])


def link():
    info = zipfile.ZipInfo("model.index")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ([("../outside.index", b"x")], "points outside"),
        ([("a/../../outside.index", b"x")], "points outside"),
        ([("/etc/outside.index", b"x")], "points outside"),
        ([("..\\outside.index", b"x")], "points outside"),
        ([("C:outside.index", b"x")], "points outside"),
        ([(link(), b"/etc/passwd")], "is a link"),
        ([("a/model.index", b"x"), ("b/model.index", b"y")], "two files 'model.index'"),
    ],
)
def test_what_leaves_the_folder_is_refused(tmp_path, folder, members, says):
    archive = make_zip(tmp_path / "hostile.zip", members)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(CheckpointError, match=f"refused.*{says}"):
        unpack(archive, folder)
    assert [
        p for p in sorted(tmp_path.rglob("*")) if p not in before and folder not in p.parents
    ] == []


def test_a_bomb_is_refused_before_it_expands(tmp_path, folder):
    archive = make_zip(tmp_path / "bomb.zip", [("a", bytes(10**7))], zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="more than 3 times its size"):
        unpack(archive, folder)
    assert not list(folder.iterdir())


def test_damage_is_noticed(tmp_path, folder):
    archive = make_zip(tmp_path / "whole.zip", [("a", bytes(range(256)) * 10)])
    content = bytearray(archive.read_bytes())
    content[1000] ^= 1
    archive.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a whole zip archive"):
        unpack(archive, folder)
    archive.write_bytes(content[:1000])
    with pytest.raises(CheckpointError, match="not a whole zip archive"):
        unpack(archive, folder)


def test_safetensors_are_read_and_half_of_one_is_refused(tmp_path, folder):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.arange(300, dtype=np.float32)}, path)
    checkpoint = open_checkpoint("safetensors", {path.name: path}, folder)
    assert checkpoint.shapes == {"a": (300,)}
    np.testing.assert_array_equal(checkpoint.read("a"), np.arange(300))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        open_checkpoint("safetensors", {path.name: path}, folder)
