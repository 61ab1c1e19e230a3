"""A run becomes a package that PyTorch and ONNX Runtime read from one weights file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from sklearn.datasets import load_sample_images

from export.package import Serving, export_run
from tests.runs import write_run
from zoo.arrays import Pixels
from zoo.encoders import ResNet, load_served
from zoo.errors import GoldenMismatchError, PackageError
from zoo.images import InputBlock
from zoo.manifest import WEIGHTS, Layer, Metric
from zoo.package import Package, read_package, verify
from zoo.package_writer import record_metrics
from zoo.runtimes import open_runtime, read_golden
from zoo.store import find_package

BLOCK = InputBlock(size=32)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of three steps, with weights and statistics that are not trivial."""
    return write_run(tmp_path / "run")


@pytest.fixture
def photos() -> Pixels:
    """Sixty-four squares that are not among the golden images, uint8 (64, 32, 32, 3)."""
    image = load_sample_images().images[0]
    rng = np.random.default_rng(7)
    places = rng.integers((0, 0), (image.shape[0] - 32, image.shape[1] - 32), size=(64, 2))
    return np.stack([image[y : y + 32, x : x + 32] for y, x in places])


def test_the_package_is_whole_and_agrees_with_pytorch(home: Path, run: Path, photos: Pixels):
    package = export_run(run, "tiny", "1", Serving(BLOCK), terms="CC BY 2.0")
    verify(package)
    assert find_package("tiny").path == home / "packages" / "tiny" / "1"
    assert package.manifest.dim == 512
    assert package.manifest.parity["onnxruntime-fp32"].max_relative_error < 1e-4
    reference = load_served(package)
    with torch.no_grad():
        expected = reference(torch.from_numpy(photos)).numpy()
    found = open_runtime(package).embed(photos)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def test_any_batch_size_gives_the_same_rows(home: Path, run: Path, photos: Pixels):
    runtime = open_runtime(export_run(run, "tiny", "1", Serving(BLOCK)))
    together = runtime.embed(photos[:5])
    alone = np.concatenate([runtime.embed(photos[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def test_weights_are_stored_once_in_half_precision(home: Path, run: Path):
    package = export_run(run, "tiny", "1", Serving(BLOCK))
    assert package.graph.stat().st_size < 100_000
    assert package.weights.stat().st_size < 22.5e6
    graph = onnx.load(package.graph, load_external_data=False).graph
    located = {
        entry.value
        for tensor in graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    assert located == {WEIGHTS}


@pytest.mark.parametrize(
    "steps", [("sqrt", "unit"), ("centre",), ("sqrt", "unit", "centre", "whiten")]
)
def test_steps_are_baked_into_the_graph(home: Path, run: Path, photos: Pixels, steps):
    layer = Layer(stages=("layer2", "layer3"), steps=steps)
    calibration = np.concatenate([photos[:, ::-1], photos[:, :, ::-1], 255 - photos] * 3)
    calibration = np.concatenate([calibration, np.roll(calibration, 3, axis=1)])
    serving = Serving(BLOCK, layer, calibration=calibration, whitened_dim=24)
    package = export_run(run, "tiny", "1", serving)
    assert package.manifest.dim == (24 if "whiten" in steps else 384)
    found = open_runtime(package).embed(photos)
    plain = export_run(run, "tiny", "2", Serving(BLOCK, Layer(stages=("layer2", "layer3"))))
    pooled = open_runtime(plain).embed(photos).astype(np.float64)
    if "sqrt" in steps:
        parts = [np.sqrt(pooled[:, :128]), np.sqrt(pooled[:, 128:])]
        pooled = np.concatenate(
            [p / np.linalg.norm(p, axis=1, keepdims=True) for p in parts], axis=1
        )
    if "whiten" in steps:
        seen = open_runtime(package).embed(calibration)
        assert np.abs(seen.mean(axis=0)).max() < 1e-2
        assert np.abs(np.corrcoef(seen.T) - np.eye(24)).max() < 0.02
    elif "centre" in steps:
        difference = pooled - found
        np.testing.assert_allclose(
            difference, np.broadcast_to(difference[0], difference.shape), atol=1e-3
        )
    else:
        np.testing.assert_allclose(found, pooled, atol=1e-4)


@pytest.mark.parametrize("grid", [2, 3])
def test_a_grid_keeps_where_things_are(home: Path, run: Path, photos: Pixels, grid):
    """Cells are those of torch's adaptive pooling; sides of 4 and 2 do not divide by 3."""
    layer = Layer(stages=("layer2", "layer3"), grid=grid)
    package = export_run(run, "tiny", "1", Serving(BLOCK, layer))
    assert package.manifest.dim == 384 * grid**2
    encoder = load_served(package).encoder
    assert isinstance(encoder, ResNet)
    maps = encoder.stages(torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255, "layer3")
    pooled = [
        torch.nn.functional.adaptive_avg_pool2d(maps[name], grid).flatten(1)
        for name in layer.stages
    ]
    expected = torch.cat(pooled, dim=1).detach().numpy()
    found = open_runtime(package).embed(photos)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_golden_controls_are_far_from_the_truth(home: Path, run: Path):
    golden = read_golden(export_run(run, "tiny", "1", Serving(BLOCK)).golden)
    assert set(golden.controls) == {"normalisation", "channel-order", "stem-pooling"}
    for wrong in golden.controls.values():
        assert np.abs(wrong - golden.embeddings).max() > 0.01


def test_other_weights_under_the_same_graph_are_refused(home: Path, run: Path):
    package = export_run(run, "tiny", "1", Serving(BLOCK))
    content = bytearray(package.weights.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 200_000] = bytes(200_000)
    package.weights.write_bytes(content)
    with pytest.raises(GoldenMismatchError, match="least cosine"):
        open_runtime(read_package(package.path))
    with pytest.raises(PackageError, match=r"encoder\.safetensors"):
        verify(package)


def test_a_version_is_never_overwritten(home: Path, run: Path):
    export_run(run, "tiny", "1", Serving(BLOCK))
    with pytest.raises(PackageError, match=r"tiny@1 is installed already"):
        export_run(run, "tiny", "1", Serving(BLOCK))


def test_what_is_missing_is_named(home: Path, run: Path, tmp_path: Path, photos: Pixels):
    with pytest.raises(PackageError, match="not a training run"):
        export_run(tmp_path, "tiny", "1", Serving(BLOCK))
    centred = Layer(stages=("layer4",), steps=("centre",))
    with pytest.raises(PackageError, match="calibration images"):
        export_run(run, "tiny", "1", Serving(BLOCK, centred))
    white = Layer(stages=("layer4",), steps=("centre", "whiten"))
    with pytest.raises(PackageError, match="more than 512 are needed"):
        export_run(run, "tiny", "1", Serving(BLOCK, white, calibration=photos))
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    del saved["method"]["encoder.layer2.0.bn1.weight"]
    torch.save(saved, run / "checkpoint.pt")
    with pytest.raises(PackageError, match=r"layer2\.0\.bn1\.weight"):
        export_run(run, "tiny", "1", Serving(BLOCK))
    assert not list((home / "packages").rglob("model.json"))


def test_a_recorded_figure_reaches_manifest_and_card(home: Path, run: Path):
    package = export_run(run, "tiny", "1", Serving(BLOCK))
    metric = Metric(protocol="knn", data="photos", value=0.5, low=0.4, high=0.6, source="measured")
    record_metrics(package, [metric.model_copy(update={"value": 0.4})])
    record_metrics(read_package(package.path), [metric])
    again: Package = read_package(package.path)
    verify(again)
    assert again.manifest.space == package.manifest.space
    assert again.manifest.metrics == (metric,)
    assert (
        "| photos | knn | 50.0% (40.0 to 60.0) | measured |"
        in (package.path / "card.md").read_text()
    )
