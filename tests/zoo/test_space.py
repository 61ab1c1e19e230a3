"""The space digest: its bytes never change silently, and all that moves the vectors moves it."""

import hashlib
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from zoo.architectures import OnnxGraph, ResNetArchitecture
from zoo.errors import PackageError
from zoo.images import InputBlock
from zoo.manifest import File, Layer, OutputLayer
from zoo.package import read_package, verify
from zoo.runtimes.openvino import SALT as OPENVINO
from zoo.space import space_digest, space_of, tensor_digests, tensor_layout
from zoo.store import BUILTIN, builtin_package

TENSORS: dict[str, np.ndarray] = {
    "conv1.weight": np.arange(6, dtype=np.float16).reshape(2, 3),
    "bn1.bias": np.array([0.5, -1.0], np.float32),
}
ARCHITECTURE = ResNetArchitecture(depth=18, width=1, stem="stride2")
LAYER = Layer(stages=("layer3", "layer4"), steps=("sqrt", "unit"))
BLOCK = InputBlock(
    size=64,
    crop=0.875,
    interpolation="bicubic",
    mean=(0.5, 0.25, 0.125),
    std=(1.0, 2.0, 0.1),
)
VECTOR = "cfbd391c746e306fe219a2796453be9befc97c89eacb370fa1bef45588578ad7"

IMPORTED = "4973bdd6ed8fef0f46b8254c482fd754ca3f82296cbee24c750ac6c3b08991f5"

WHITENED = "c72a4b1c90b003542aa0ff36f08f51016a6caf777df91c7bbacc196af7af1104"


def digest(path, tensors=TENSORS, architecture=ARCHITECTURE, layer=LAYER, block=BLOCK):
    save_file(tensors, path)
    return space_digest(tensor_digests(path), architecture, layer, block)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "encoder.safetensors"


def test_the_vector_written_down(path):
    assert digest(path) == VECTOR


def test_a_grid_of_one_is_not_written(path):
    """Spaces from before there were grids stay; another grid is another space."""
    assert "grid" not in LAYER.model_dump(mode="json")
    assert digest(path, layer=LAYER.model_copy(update={"grid": 1})) == VECTOR
    assert digest(path, layer=LAYER.model_copy(update={"grid": 2})) != VECTOR


@pytest.mark.parametrize(
    ("precision", "salt", "expected"),
    [
        ("int8", None, "2108b433fae15760cfe783853373f0927b2b4c1b2ee6a91be7097087a047953f"),
        ("int8", OPENVINO, "ca382dc7a514b6ecb78e5a11cd77170541129c887250945c6f78d567a7385d68"),
        ("bf16", None, "60c5f48bc8a9ca9c8a26d5dea3856968e443d826f647837ccb9ad15d7028abba"),
        ("bf16", OPENVINO, "a8ba299c375477fc7894ea42c7c2b13c898e951eb3c6287da258bda51e064b3b"),
        ("fp32", OPENVINO, "ab" * 32),
    ],
)
def test_the_vectors_of_coarse_variants_written_down(precision, salt, expected):
    graph = File(sha256="cd" * 32, bytes=1)
    manifest = builtin_package().manifest.model_copy(
        update={"space": "ab" * 32, "parity": {}, "files": {"encoder.int8.onnx": graph}}
    )
    assert space_of(manifest, precision, **({"salt": salt} if salt else {})) == expected


def test_an_independent_computation_agrees(path):
    content = {
        "architecture": {"depth": 18, "family": "resnet", "stem": "stride2", "width": 1},
        # RFC 8785 writes whole numbers without a fraction.
        "input": {
            "crop": 0.875,
            "interpolation": "bicubic",
            "mean": [0.5, 0.25, 0.125],
            "size": 64,
            "std": [1, 2, 0.1],
        },
        "layer": {"stages": ["layer3", "layer4"], "steps": ["sqrt", "unit"]},
        "weights": {
            "bn1.bias": {
                "dtype": "F32",
                "sha256": hashlib.sha256(struct.pack("<2f", 0.5, -1)).hexdigest(),
                "shape": [2],
            },
            "conv1.weight": {
                "dtype": "F16",
                "sha256": hashlib.sha256(struct.pack("<6e", 0, 1, 2, 3, 4, 5)).hexdigest(),
                "shape": [2, 3],
            },
        },
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == digest(path)


def test_the_spaces_of_the_built_in_encoders_written_down():
    """Collections and heads of users name them."""
    spaces = {p.parent.name: p for p in BUILTIN.glob("simclr-r18-small/*/model.json")}
    expected = {
        "2": "3cd272b9fd1b3f0963c0a30a8bdcb1e7ea8628d98977b743ca206c387a6b9252",
        "3": "c47038d36bfa928445f2f0682af4973ea0e313100f7bd0685caec282a1e88078",
    }
    for version, path in spaces.items():
        package = read_package(path.parent)
        verify(package)
        assert package.manifest.space == expected[version]
    assert spaces.keys() == expected.keys()


def test_the_vector_of_an_imported_graph_written_down(path):
    graph = OnnxGraph(kind="onnx", graph="ab" * 32)
    content = {
        "architecture": {"graph": "ab" * 32, "kind": "onnx"},
        "input": json.loads(BLOCK.model_dump_json()) | {"std": [1, 2, 0.1]},
        "layer": {"output": "last_hidden_state", "pool": "cls"},
    }
    found = digest(path, architecture=graph, layer=OutputLayer(**content["layer"]))
    content["weights"] = tensor_digests(path)
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert found == hashlib.sha256(text.encode()).hexdigest() == IMPORTED
    for layer in (("last_hidden_state", "mean"), ("pooler_output", "cls")):
        other = OutputLayer(output=layer[0], pool=layer[1])
        assert digest(path, architecture=graph, layer=other) != IMPORTED
    # Steps are written where there are any; of a model that was whitened.
    whitened = OutputLayer(**content["layer"], steps=("centre", "whiten"))
    content["layer"]["steps"] = ["centre", "whiten"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    found = digest(path, architecture=graph, layer=whitened)
    assert found == hashlib.sha256(text.encode()).hexdigest() == WHITENED


def changed(value):
    weight = TENSORS["conv1.weight"].copy()
    weight.view(np.uint8)[0, 0] ^= 1
    bias = TENSORS["bn1.bias"]
    return {
        "a bit of a weight": {"tensors": TENSORS | {"conv1.weight": weight}},
        "dtype": {"tensors": TENSORS | {"bn1.bias": bias.view(np.int32)}},
        "shape": {"tensors": TENSORS | {"bn1.bias": bias.reshape(2, 1)}},
        "name": {"tensors": {"conv1.weight": TENSORS["conv1.weight"], "bn1.weight": bias}},
        "one tensor fewer": {"tensors": {"bn1.bias": bias}},
        "architecture": {"architecture": ARCHITECTURE.model_copy(update={"stem": "cifar"})},
        "stages": {"layer": LAYER.model_copy(update={"stages": ("layer4", "layer3")})},
        "steps": {"layer": LAYER.model_copy(update={"steps": ("unit",)})},
        "size": {"block": BLOCK.model_copy(update={"size": 65})},
        "crop": {"block": BLOCK.model_copy(update={"crop": 0.876})},
        "interpolation": {"block": BLOCK.model_copy(update={"interpolation": "bilinear"})},
        "mean": {"block": BLOCK.model_copy(update={"mean": (0.5, 0.25, 0.1250001)})},
        "std": {"block": BLOCK.model_copy(update={"std": (1.0, 2.0, 0.2)})},
    }[value]


@pytest.mark.parametrize(
    "what",
    [
        "a bit of a weight",
        "dtype",
        "shape",
        "name",
        "one tensor fewer",
        "architecture",
        "stages",
        "steps",
        "size",
        "crop",
        "interpolation",
        "mean",
        "std",
    ],
)
def test_what_moves_the_vectors_moves_the_space(path, what):
    assert digest(path, **changed(what)) != VECTOR


def test_order_in_the_file_and_metadata_do_not_count(path):
    def written(names, metadata):
        parts, header, offset = [], {"__metadata__": metadata}, 0
        for name in names:
            tensor = TENSORS[name]
            dtype = {"float16": "F16", "float32": "F32"}[str(tensor.dtype)]
            span = [offset, offset + tensor.nbytes]
            header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": span}
            parts.append(tensor.tobytes())
            offset += tensor.nbytes
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
        return space_digest(tensor_digests(path), ARCHITECTURE, LAYER, BLOCK)

    names = list(TENSORS)
    assert written(names, {"made": "today"}) == VECTOR
    assert written(names[::-1], {"made": "yesterday", "by": "me"}) == VECTOR


DTYPES = [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int16, np.int32, np.int64]


@given(
    described=st.dictionaries(
        st.text("abc.", min_size=1, max_size=6),
        st.tuples(
            st.sampled_from([*DTYPES, np.uint16, np.uint32, np.uint64, np.bool_]),
            st.lists(st.integers(0, 4), max_size=3),
        ),
        min_size=1,
        max_size=6,
    ),
    seed=st.integers(0, 99),
)
def test_tensor_layout_finds_the_bytes_the_library_reads(tmp_path_factory, described, seed):
    path = tmp_path_factory.mktemp("layout") / "weights.safetensors"
    rng = np.random.default_rng(seed)
    tensors = {n: rng.integers(0, 2, s).astype(d) for n, (d, s) in described.items()}
    save_file(tensors, path)
    data = path.read_bytes()
    layout = tensor_layout(path)
    assert set(layout) == set(tensors)
    with safe_open(path, framework="numpy") as library:
        for name, (_, shape, offset, length) in layout.items():
            expected = library.get_tensor(name)
            assert tuple(shape) == expected.shape
            assert data[offset : offset + length] == expected.tobytes()


@pytest.mark.parametrize("damage", ["cut", "header", "text", "missing"])
def test_a_damaged_file_is_named(path, damage):
    save_file(TENSORS, path)
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        broken = {"cut": data[:-1], "header": b"\xff" * 8 + data[8:], "text": b"hello"}
        path.write_bytes(broken[damage])
    with pytest.raises(PackageError, match=r"encoder\.safetensors"):
        tensor_digests(path)
