"""No bytes of a PyTorch file run code, take much memory or end in anything but one clear error."""

import io
import os
import pickle
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.checkpoints import open_torch
from zoo.errors import CheckpointError

FORMATS = pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])

CONTENT = OrderedDict(
    {
        "conv.weight": torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
        "steps": torch.tensor(5),
        "mask": torch.tensor([True, False]),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "best": np.float64(67.7),
        "array": np.arange(6.0).reshape(2, 3),
        "epoch": [1, 2.5, None, ("a", b"b")],
    }
)


def saved(content, newer):
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=newer)
    return buffer.getvalue()


WHOLE = {newer: saved(CONTENT, newer) for newer in (True, False)}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "model.pth"


def read_all(path, content):
    """Every tensor, or the one error that is allowed."""
    path.write_bytes(content)
    try:
        checkpoint = open_torch(path)
        return {name: checkpoint.read(name) for name in checkpoint.shapes}
    except CheckpointError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
        return None


@FORMATS
def test_what_torch_saves_is_read_as_it_reads_it(path, newer):
    found = read_all(path, WHOLE[newer])
    expected = torch.load(path, weights_only=False)
    assert found.keys() == {"conv.weight", "steps", "mask", "half", "array"}
    for name, values in found.items():
        np.testing.assert_array_equal(values, np.asarray(torch.as_tensor(expected[name]).float()))
    assert found["conv.weight"].flags.c_contiguous
    assert found["mask"].dtype == bool


@FORMATS
@pytest.mark.parametrize(
    "value",
    [
        np.float32(1.5),
        np.int64(3),
        np.bool_(True),
        np.array(2.5),
        np.zeros((0, 3), np.float32),
        np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        torch.Size([1, 2]),
        torch.device("cpu"),
        torch.float32,
        torch.nn.Parameter(torch.zeros(2)),
        {1, 2},
        {(1, "a"): None},
        Counter({30: 1, 60: 1}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_stands_beside_weights_is_read(path, newer, value):
    found = read_all(path, saved({"best": value, "weight": torch.ones(2)}, newer))
    assert np.array_equal(found["weight"], [1, 1])
    if isinstance(value, np.ndarray):
        np.testing.assert_array_equal(found["best"], value)


@FORMATS
@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Path("a"), "pathlib"),
        (np.array([Path("a")], dtype=object), "'O8'"),
        (np.datetime64("2020-01-01"), "'M8'"),
        (np.arange(3, dtype=">f8"), "big-endian"),
        (slice(1, 2), "builtins.slice"),
        (torch.ones(2, dtype=torch.complex64), "ComplexFloatStorage"),
        (torch.ones(1).expand(1000), "repeats its values"),
        (torch.nn.Linear(2, 2), "o"),
        (np.random.default_rng, "numpy.random"),
        (OrderedDict.fromkeys, "builtins.getattr"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_other_objects_are_refused_by_name(path, newer, value, name):
    path.write_bytes(saved({"best": value, "weight": torch.ones(2)}, newer))
    with pytest.raises(CheckpointError, match="holds objects that are not read") as caught:
        open_torch(path)
    assert name in str(caught.value)


@FORMATS
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_bytes_give_one_clear_error(path, newer, data):
    content = bytearray(WHOLE[newer])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read_all(path, bytes(content[: data.draw(st.integers(0, len(content)))]))


@pytest.mark.parametrize("length", range(0, len(WHOLE[False]), 97))
def test_a_file_cut_anywhere_is_refused(path, length):
    assert read_all(path, WHOLE[False][:length]) is None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            [
                *(bytes([opcode]) for opcode in range(256)),
                b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch._utils\n_rebuild_tensor_v2\n",
                b"ctorch\nFloatStorage\n", b"ccollections\nOrderedDict\n", b"cnumpy\ndtype\n",
                b"cnumpy.core.multiarray\n_reconstruct\n", b"cnumpy.core.multiarray\nscalar\n",
                b"c_codecs\nencode\n", b"X\x07\x00\x00\x00storage", b"X\x02\x00\x00\x00f8",
                b"K\x05", b"\x8a\x09" + b"\xff" * 8 + b"\x7f", b"q\x00", b"h\x00", b"(", b"t",
                b"R", b"b", b"s", b"u", b"Q", b"}", b"]", b")", b"\x85", b"\x86", b"\x87",
            ]
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_program_is_harmless(path, steps):
    def forbid(event, _):
        if event in (
            "import",
            "exec",
            "compile",
            "os.system",
            "subprocess.Popen",
            "pickle.find_class",
        ):
            events.append(event)

    events: list[str] = []
    _watchers.append(forbid)
    try:
        head = b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001))
        sizes = pickle.dumps({"little_endian": True}, 2)
        read_all(path, head + sizes + b"\x80\x02" + b"".join(steps) + b"." + pickle.dumps([], 2))
    finally:
        _watchers.remove(forbid)
    assert events == []


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@FORMATS
def test_no_protocol_runs_code(tmp_path, newer, protocol):
    mark = tmp_path / "ran"

    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(mark),)

    path = tmp_path / "model.pth"
    torch.save(
        {"weight": torch.ones(2), "x": Hostile()},
        path,
        pickle_protocol=max(protocol, 2),
        _use_new_zipfile_serialization=newer,
    )
    with pytest.raises(CheckpointError, match=r"holds objects that are not read .*mkdir"):
        open_torch(path)
    path.write_bytes(pickle.dumps({"x": Hostile()}, protocol))
    with pytest.raises(CheckpointError, match=r"holds objects that are not read .*mkdir"):
        open_torch(path)
    assert not mark.exists()


def test_an_instance_of_old_is_refused(tmp_path):
    path = tmp_path / "old.pth"
    path.write_bytes(b"(S'touch ran'\nios\nsystem\n.")
    with pytest.raises(CheckpointError, match=r"not read .*os system"):
        open_torch(path)


def legacy(program):
    """An older file whose content is a pickle of one's own, and no storage."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    return b"".join(pickle.dumps(v, 2) for v in head) + program + pickle.dumps([], 2)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02}" + b"\x85" * 200_000 + b"K\x01s.",  # a key of tuples in tuples
        b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b".",
        b"\x80\x02]" + b"q\x00]" + b"(h\x00" * 100 + b"e.",
        b"\x80\x02]q\x00"
        + b"".join(b"](" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(30))
        + b".",
        b"\x80\x02]q\x00h\x00a.",  # a list in itself
        b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b".",  # four exabytes
        b"\x80\x02X\xff\xff\xff\xff.",
        b"\x80\x02\x8b\xff\xff\xff\x7f.",
        b"\x80\x04" + b"\x95" + (1 << 62).to_bytes(8, "little") + b".",
    ],
    ids=["key", "depth", "wide", "shared", "itself", "bytes", "text", "number", "frame"],
)
def test_what_would_take_all_memory_or_the_stack_is_refused(path, program):
    assert read_all(path, legacy(program)) is None


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (5,), (1,)), (4, (1,), (1,)), (1, (2, 2), (2, 1)), (-1, (2,), (1,)), (0, (2,), (-1,)),
        (0, (-2,), (1,)), (0, (2,), (1, 1)), (0, (1 << 40, 1 << 40), (0, 0)), (0, (5,), (0,)),
        (0, (True,), (1,)), (0, (1.0,), (1,)), (0, (1 << 70,), (1,)), (0, (1,) * 64, (1,) * 64),
    ],
)  # fmt: skip
@FORMATS
def test_a_tensor_beyond_its_storage_is_refused(path, newer, offset, shape, strides):
    """Written as torch does, with one tensor's sizes in place of its own."""

    class Claimed:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (
                STORAGE,
                offset,
                shape,
                strides,
                False,
                OrderedDict(),
            )

    content = saved({"whole": WHOLE_TENSOR, "claimed": Claimed()}, newer)
    assert read_all(path, content) is None


WHOLE_TENSOR = torch.arange(4.0)
STORAGE = torch.storage.TypedStorage(
    wrap_storage=WHOLE_TENSOR.untyped_storage(), dtype=torch.float32, _internal=True
)

_watchers: list[Callable[[str, Any], None]] = []


def _watch(event, arguments):
    for watcher in _watchers:
        watcher(event, arguments)


sys.addaudithook(_watch)
