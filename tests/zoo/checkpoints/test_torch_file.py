"""PyTorch's files are read without running what is in them."""

import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from export.checkpoints import open_checkpoint
from zoo.checkpoints import open_torch
from zoo.errors import CheckpointError

NESTED = {
    "epoch": 3,
    "state_dict": {"conv1.weight": torch.arange(6.0).reshape(2, 3), "steps": torch.tensor(5)},
    "optimizer": {"state": {0: {"momentum": torch.ones(2)}}, "groups": [{"lr": 0.1}]},
}


class Hostile:
    """Pickled, it makes a file where it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])
def test_nested_tensors_are_found_by_their_path(tmp_path, newer):
    path = tmp_path / "model.pth.tar"
    torch.save(NESTED, path, _use_new_zipfile_serialization=newer)
    checkpoint = open_torch(path)
    assert checkpoint.shapes == {
        "state_dict/conv1.weight": (2, 3),
        "state_dict/steps": (),
        "optimizer/state/0/momentum": (2,),
    }
    np.testing.assert_array_equal(
        checkpoint.read("state_dict/conv1.weight"), [[0, 1, 2], [3, 4, 5]]
    )


def test_half_precision_becomes_float32(tmp_path):
    torch.save({"a": torch.ones(3, dtype=torch.bfloat16)}, tmp_path / "a.pth")
    found = open_torch(tmp_path / "a.pth").read("a")
    assert found.dtype == np.float32


@pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, newer):
    mark, path = tmp_path / "ran", tmp_path / "hostile.pth"
    torch.save(NESTED | {"extra": Hostile(mark)}, path, _use_new_zipfile_serialization=newer)
    with pytest.raises(
        CheckpointError, match=r"refused, it holds objects that are not read .*mkdir"
    ):
        open_torch(path)
    assert not mark.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_bare_pickle_that_would_run_code_is_not_run(tmp_path):
    mark, path = tmp_path / "ran", tmp_path / "hostile.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": Hostile(mark)}))
    with pytest.raises(CheckpointError):
        open_torch(path)
    assert not mark.exists()


@pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])
def test_half_a_file_is_refused(tmp_path, newer):
    path = tmp_path / "half.pth"
    torch.save({"a": torch.ones(1000)}, path, _use_new_zipfile_serialization=newer)
    content = path.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="not a whole PyTorch file"):
            open_torch(path)


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="holds no tensor"):
        open_torch(tmp_path / "none.pth")


def test_a_compressed_file_is_not_expanded(tmp_path):
    torch.save({"a": torch.zeros(100_000)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    with pytest.raises(CheckpointError, match="refused, it unpacks to"):
        open_torch(tmp_path / "bomb.pth")


def test_a_web_page_is_no_checkpoint(tmp_path):
    (tmp_path / "page.pth").write_text("<!doctype html><title>Sign in</title>")
    with pytest.raises(CheckpointError, match="not a whole PyTorch file"):
        open_torch(tmp_path / "page.pth")


def test_one_file_is_wanted(tmp_path):
    with pytest.raises(CheckpointError, match="is one file"):
        open_checkpoint("torch", {"a": tmp_path / "a", "b": tmp_path / "b"}, tmp_path)
