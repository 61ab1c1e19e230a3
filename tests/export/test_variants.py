"""A model in other precisions: what they cost is measured, and told apart from what it is not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from google.protobuf import text_format
from sklearn.neighbors import NearestNeighbors
from tritonclient.grpc import model_config_pb2

from export.precisions import fold_norms, write_whole
from export.triton import Serving, write_repository
from export.variant_cost import Labelled, check_labelled, measure_cost
from tests.runs import lowered_precisions
from zoo.archive import report
from zoo.encoders import load_served
from zoo.errors import GoldenMismatchError, PackageError, RuntimeUnavailableError
from zoo.graphs.quantize import _quantise, _run, quantise
from zoo.package import Package, read_package, verify
from zoo.package_writer import write_manifest
from zoo.runtimes import Execution, open_as_asked, open_onnx, open_runtime, read_golden
from zoo.runtimes.golden import agreement
from zoo.runtimes.onnx import devices
from zoo.space import space_of


def zoo(*arguments: object, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli", *map(str, arguments)],
        check=False, capture_output=True, text=True,
        env={"ZOO_HOME": str(home), "PATH": "", "COLUMNS": "200"},
    )  # fmt: skip


def test_a_version_with_variants_keeps_the_space(package: Package):
    verify(package)
    before = read_package(package.path.parent / "1").manifest
    after = package.manifest
    assert after.space == before.space
    assert after.files["encoder.safetensors"] == before.files["encoder.safetensors"]
    assert set(after.variants) == set(lowered_precisions())
    assert {f"encoder.{name}.onnx" for name in after.variants} < set(after.files)
    weights = after.files["encoder.fp16.onnx"].bytes
    assert after.files["encoder.int8.onnx"].bytes < 0.6 * weights
    for variant in after.variants.values():
        cost = variant.cost
        assert cost.images == 160  # a fifth of the 200 gave the ranges
        assert 0.5 < cost.recall_at_10 <= 1
        assert cost.few_label > 0.6
        assert cost.low <= cost.few_label_lead <= cost.high
    assert after.variants["int8"].calibration_images == 40
    card = (package.path / "card.md").read_text()
    assert "## Variants" in card
    assert "| int8 | no |" in card
    shown = zoo("show", "tiny", home=package.path.parents[2]).stdout
    assert "a space of its own; cosine at least" in shown
    for text in (shown, report(after)):
        assert after.variants["int8"].cost.summary in " ".join(text.split())


@pytest.mark.parametrize(
    ("execution", "least"),
    [
        (Execution("onnxruntime", "fp16"), 0.99999),
        (Execution("onnxruntime", "int8"), 0.95),
        (Execution("openvino", "fp32"), 0.9999999),
        (Execution("openvino", "fp16"), 0.9999),
        (Execution("openvino", "bf16"), 0.999),
        (Execution("openvino", "int8"), 0.95),
    ],
    ids=str,
)
def test_every_way_agrees_with_pytorch(package: Package, execution: Execution, least: float):
    if execution.precision == "bf16" and "bf16" not in lowered_precisions():
        with pytest.raises(RuntimeUnavailableError, match="no bfloat16 arithmetic"):
            open_runtime(package, execution)
        return
    runtime = open_runtime(package, execution)
    images = np.flip(read_golden(package.golden).images, axis=2).copy()  # not the golden ones
    with torch.no_grad():
        expected = load_served(package)(torch.from_numpy(images)).numpy()
    found = runtime.embed(images)
    assert found.dtype == np.float32
    assert agreement(found, expected).cosine_min > least
    alone = np.concatenate([runtime.embed(image[None]) for image in images])
    assert agreement(alone, found).cosine_min > 0.9999
    assert runtime.variant == f"{execution.runtime}-{execution.precision}"


def test_what_agrees_too_little_has_a_space_of_its_own(package: Package):
    manifest = package.manifest
    assert manifest.mixes("fp16")
    assert space_of(manifest, "fp16") == space_of(manifest, "fp32") == manifest.space
    assert not manifest.mixes("int8")
    assert re.fullmatch("[0-9a-f]{64}", space_of(manifest, "int8"))
    assert space_of(manifest, "int8") != manifest.space
    other = manifest.model_copy(
        update={"files": manifest.files | {"encoder.int8.onnx": manifest.files["encoder.onnx"]}}
    )
    assert space_of(other, "int8") != space_of(manifest, "int8")  # other ranges, other embeddings
    strict = manifest.model_copy(update={"tolerance": 0.99999999})
    assert space_of(strict, "fp16") not in (manifest.space, space_of(manifest, "int8"))


def test_coarse_precisions_of_two_runtimes_are_not_mixed(package: Package):
    """They round at other places, and are as far from one another as from fp32."""
    images = read_golden(package.golden).images
    one, other = (
        open_runtime(package, Execution(runtime, "int8")) for runtime in ("onnxruntime", "openvino")
    )
    assert agreement(one.embed(images), other.embed(images)).cosine_min < package.manifest.tolerance
    assert one.space == space_of(package.manifest, "int8") != other.space
    same = [open_runtime(package, Execution(r, "fp16")).space for r in ("onnxruntime", "openvino")]
    assert same == [package.manifest.space] * 2


def test_onnx_runtime_has_no_bf16_on_a_processor(package: Package):
    for version in ("1", "2"):
        found = read_package(package.path.parent / version)
        with pytest.raises(RuntimeUnavailableError, match="take OpenVINO"):
            open_runtime(found, Execution("onnxruntime", "bf16"))


def test_int8_far_from_what_is_attested_is_refused(package: Package, tmp_path: Path):
    """Far above the floor of int8, and yet not the embeddings that the package speaks of."""
    folder = tmp_path / "tiny" / "2"
    shutil.copytree(package.path, folder)
    graph = onnx.load(folder / "encoder.int8.onnx")
    for tensor in graph.graph.initializer:
        if tensor.name == "encoder.layer4.1.conv2.weight_quantized":
            values = onnx.numpy_helper.to_array(tensor).copy()
            values[:160] = 0
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(graph, folder / "encoder.int8.onnx")
    write_manifest(folder, package.manifest)
    damaged = read_package(folder)
    images = read_golden(damaged.golden).images
    found = open_onnx(damaged, Execution(precision="int8")).embed(images)
    assert 0.9 < agreement(found, read_golden(damaged.golden).embeddings).cosine_min < 0.997
    with pytest.raises(GoldenMismatchError, match="not served"):
        open_runtime(damaged, Execution(precision="int8"))


def test_folding_norms_changes_nothing(package: Package):
    served = load_served(package)
    images = torch.from_numpy(read_golden(package.golden).images)
    with torch.no_grad():
        before = served(images)
        fold_norms(served)
        after = served(images)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in served.modules())
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5 * float(before.abs().max()))


def test_leaving_the_worst_layer_alone_pays(package: Package, tmp_path: Path):
    """Half of a layer's channels are made small and the next layer's kernels for them large.

    The network computes the same, but the small channels are lost among 256 steps.
    """
    served = load_served(package)
    fold_norms(served)
    block = served.encoder.get_submodule("layer2.0")
    with torch.no_grad():
        block.get_parameter("conv1.weight")[::2] /= 500
        block.get_parameter("conv1.bias")[::2] /= 500
        block.get_parameter("conv2.weight")[:, ::2] *= 500
    whole = tmp_path / "whole.onnx"
    write_whole(served, whole, {})
    images = np.concatenate([read_golden(package.golden).images] * 4)
    kept = quantise(whole, tmp_path / "int8.onnx", images)
    everything = tmp_path / "all.onnx"
    _quantise(whole, everything, images, tmp_path / "ranges.json", symmetric=False)
    reference = _run(whole, images[:16])
    cost, full = (
        1 - agreement(_run(tmp_path / name, images[:16]), reference).cosine_mean
        for name in ("int8.onnx", "all.onnx")
    )
    assert kept
    assert cost < 0.9 * full


def test_the_cost_is_what_scikit_learn_finds():
    rng = np.random.default_rng(0)
    reference = rng.normal(size=(60, 16)).astype(np.float32)
    reference[:30, 0] += 3
    found = reference + rng.normal(scale=0.3, size=reference.shape).astype(np.float32)
    images = np.zeros((60, 1, 1, 3), np.uint8)
    labels = ["a"] * 30 + ["b"] * 30
    cost = measure_cost(Labelled(images, labels, ("made",)), reference, found)
    near = [
        NearestNeighbors(n_neighbors=11, metric="cosine")
        .fit(x)
        .kneighbors(x, return_distance=False)
        for x in (reference, found)
    ]
    shared = [len(set(a[1:]) & set(b[1:])) for a, b in zip(*near, strict=True)]
    assert cost.recall_at_10 == pytest.approx(np.mean(shared) / 10)
    same = measure_cost(Labelled(images, labels, ("made",)), reference, reference)
    assert (same.recall_at_10, same.few_label_lead) == (1, 0)
    assert same.cosine_min == pytest.approx(1)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a"] * 9, "two classes or more"), (["a"] * 9 + ["b"] * 5, "5 images of 'b'")],
)
def test_too_little_to_measure_on_is_refused(labels: list[str], message: str):
    images = np.zeros((len(labels), 1, 1, 3), np.uint8)
    with pytest.raises(PackageError, match=message):
        check_labelled(Labelled(images, labels, ("few",)))


def test_int8_for_tensorrt_has_no_zero_points_and_no_int32(package: Package, tmp_path: Path):
    served = load_served(package)
    fold_norms(served)
    whole, target = tmp_path / "whole.onnx", tmp_path / "int8.onnx"
    write_whole(served, whole, {})
    images = read_golden(package.golden).images
    _quantise(whole, target, images, tmp_path / "ranges.json", symmetric=True)
    graph = onnx.load(target).graph
    held = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pairs = [n for n in graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(pairs) > 20
    for node in pairs:
        assert not held[node.input[2]].any()
        assert held[node.input[2]].dtype == np.int8
        assert held.get(node.input[0], np.zeros(1, np.int8)).dtype == np.int8
    assert agreement(_run(target, images), _run(whole, images)).cosine_mean > 0.99


def test_a_triton_repository_serves_one_precision(package: Package, tmp_path: Path):
    write_repository([package], tmp_path, Serving("python", precision="int8"))
    folder = tmp_path / "tiny"
    assert {path.name for path in (folder / "2").iterdir()} == {"encoder.onnx", "model.py"}
    graph = (folder / "2" / "encoder.onnx").read_bytes()
    assert graph == (package.path / "encoder.int8.onnx").read_bytes()
    config = text_format.Parse(
        (folder / "config.pbtxt").read_text(), model_config_pb2.ModelConfig()
    )
    assert config.parameters["space.2"].string_value == space_of(package.manifest, "int8")
    assert config.parameters["variant"].string_value == "python-cpu-int8"


@pytest.mark.skipif(len(devices()) > 1, reason="ONNX Runtime is built for a GPU here")
def test_what_does_not_run_where_it_was_asked_to_is_not_measured(package: Package):
    assert open_runtime(package, Execution(device="cuda")).variant == "onnxruntime-fp32"
    with pytest.raises(RuntimeUnavailableError, match="cuda does not load here"):
        open_as_asked(package, Execution(device="cuda"))
