"""TensorFlow's format is read whole or refused by name, never to a wrong tensor."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from export.checkpoints.tf_bundle import masked_crc32c, open_bundle
from tests.foreign import write_bundle
from zoo.errors import CheckpointError

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
ARRAYS = hnp.arrays(
    st.sampled_from(["float32", "float64", "float16", "int32", "int64"]),
    hnp.array_shapes(min_dims=0, max_dims=4, max_side=4),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture
def example(tmp_path):
    """Three tensors, spread over several blocks; the files by name and the tensors."""
    rng = np.random.default_rng(0)
    tensors: dict[str, np.ndarray] = {
        "base_model/conv2d/kernel": rng.standard_normal((3, 3, 2, 4), np.float32),
        "base_model/conv2d_1/kernel": rng.standard_normal((1, 1, 4, 4), np.float32),
        "global_step": np.array(7, np.int64),
    }
    files = write_bundle(tmp_path / "model.ckpt-7", tensors.items(), block_size=40)
    return files, tensors


def test_the_checksum_is_that_of_leveldb():
    # CRC-32C of RFC 3720's 32 zero bytes is 8a9136aa; LevelDB rotates it by 15 and adds a constant.
    crc = 0x8A9136AA
    assert masked_crc32c(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


@given(st.dictionaries(NAMES, ARRAYS, max_size=20), st.integers(1, 200))
def test_what_was_written_is_read(folder, tensors, block_size):
    checkpoint = open_bundle(write_bundle(folder / "any", tensors.items(), block_size))
    assert checkpoint.shapes == {name: array.shape for name, array in tensors.items()}
    for name, array in tensors.items():
        found = checkpoint.read(name)
        assert found.dtype == array.dtype
        assert found.tobytes() == array.tobytes()


def read_all(files):
    checkpoint = open_bundle(files)
    return {name: checkpoint.read(name) for name in checkpoint.shapes}


@given(data=st.data())
def test_a_flipped_bit_is_noticed_or_does_not_matter(folder, data):
    tensors = {f"layer_{n}": np.arange(n, n + 5, dtype=np.float32) for n in range(20)}
    files = write_bundle(folder / "flipped", tensors.items(), block_size=100)
    path = files[data.draw(st.sampled_from(sorted(files)))]
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        found = read_all(files)
    except CheckpointError as error:
        assert str(path.parent) in str(error)
        return
    # Only the unused bytes between the footer's handles and its magic may change unnoticed.
    assert path.suffix == ".index"
    assert found.keys() == tensors.keys()
    assert all(found[name].tobytes() == array.tobytes() for name, array in tensors.items())


@given(data=st.data())
def test_a_file_cut_short_is_refused(folder, data):
    tensors = {f"layer_{n}": np.arange(n, n + 5, dtype=np.float32) for n in range(20)}
    files = write_bundle(folder / "short", tensors.items(), block_size=100)
    path = files[data.draw(st.sampled_from(sorted(files)))]
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(CheckpointError, match=r"cut short|incomplete"):
        read_all(files)


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(folder, content):
    files = write_bundle(folder / "noise", [("a", np.ones(2, np.float32))])
    index = files["noise.index"]
    index.write_bytes(content + index.read_bytes()[-48:])
    with pytest.raises(CheckpointError):
        open_bundle(files)


def test_a_damaged_tensor_is_named(example):
    files, tensors = example
    data = files["model.ckpt-7.data-00000-of-00001"]
    content = bytearray(data.read_bytes())
    content[tensors["base_model/conv2d/kernel"].nbytes + 9] ^= 16
    data.write_bytes(content)
    checkpoint = open_bundle(files)
    np.testing.assert_array_equal(
        checkpoint.read("base_model/conv2d/kernel"), tensors["base_model/conv2d/kernel"]
    )
    with pytest.raises(CheckpointError, match=r"'base_model/conv2d_1/kernel' is damaged"):
        checkpoint.read("base_model/conv2d_1/kernel")


def test_half_a_checkpoint_names_the_tensor_and_the_file(example):
    files, _ = example
    data = files["model.ckpt-7.data-00000-of-00001"]
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"incomplete, the tensor 'base_model/conv2d/kernel'"):
        open_bundle(files)
    del files["model.ckpt-7.data-00000-of-00001"]
    with pytest.raises(
        CheckpointError, match=r"file model\.ckpt-7\.data-00000-of-00001 is missing"
    ):
        open_bundle(files)


@pytest.mark.parametrize(
    ("options", "says"), [({"compression": 1}, "compressed blocks"), ({"sliced": True}, "slices")]
)
def test_what_is_not_supported_is_said(tmp_path, options, says):
    files = write_bundle(tmp_path / "other", [("a", np.ones(2, np.float32))], **options)
    with pytest.raises(CheckpointError, match=says):
        open_bundle(files)
