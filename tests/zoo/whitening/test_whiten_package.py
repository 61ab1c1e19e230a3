"""A whitened package gives what NumPy makes of the embeddings of the one that it was made of."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file
from sklearn.decomposition import PCA

from tests.foreign_onnx import SIZE, convolutions, save, transformer
from zoo.errors import InstalledError, PackageError
from zoo.importing import Origin, Said, import_onnx
from zoo.manifest import WEIGHTS, Source
from zoo.package import Package, verify
from zoo.runtimes import open_runtime
from zoo.runtimes.golden import agreement, read_golden
from zoo.sample_images import sample_squares
from zoo.store import find_package
from zoo.whitening import MATRIX, MEAN, fit_whitening, whiten_package

pytestmark = pytest.mark.usefixtures("home")

PHOTOS = Source(name="photos (whitening)", terms="CC0", images=60)
SAID = Said(range="0-1", mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.2))


@pytest.fixture
def packages(make_package, tmp_path):
    """packages(kind): one without steps, and imported ones with weights inside and beside."""

    def find(kind):
        if kind == "network":
            make_package()
            return find_package("tiny")
        alone = kind == "one image a run"
        model = transformer(batch=1) if alone else convolutions()
        if kind == "large values":
            scale = next(w for w in model.graph.initializer if w.name == "body.weight")
            values = onnx.numpy_helper.to_array(scale) * 1e6
            scale.CopyFrom(onnx.numpy_helper.from_array(values, "body.weight"))
        path = save(model, tmp_path / "model.onnx", "weights.bin" if alone else None)
        said = replace(SAID, pool="cls") if alone else SAID
        return import_onnx(path, "foreign", "1", said, Origin())

    return find


def images(count, size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def whitened(package: Package, dim: int, count: int = 60) -> Package:
    seen = open_runtime(package).embed(images(count, package.manifest.input.size))
    fitted = fit_whitening(seen, dim)
    return whiten_package(package, fitted, "white", "1", [PHOTOS])


@pytest.mark.parametrize("kind", ["network", "imported", "one image a run", "large values"])
def test_it_gives_what_scikit_learn_gives(packages, kind):
    package = packages(kind)
    size = package.manifest.input.size
    white = whitened(package, 8)
    verify(white)
    assert white.manifest.dim == 8
    base, unseen = open_runtime(package), images(20, size, seed=9)
    seen = base.embed(images(60, size)).astype(np.float64)
    pca = PCA(8, svd_solver="full").fit(seen)
    variances = pca.explained_variance_ * 59 / 60
    expected = pca.transform(base.embed(unseen).astype(np.float64))
    expected /= np.sqrt(variances + variances.mean())
    found = open_runtime(white).embed(unseen)
    assert found.dtype == np.float32
    signs = np.sign(np.sum(found * expected, axis=0))
    # Its matrix is stored in float16.
    assert agreement(found * signs, expected.astype(np.float32)).cosine_min > 1 - 1e-5
    # And exactly, in float64, with what is stored.
    stored = load_file(white.weights)
    exact = (base.embed(unseen) - stored[MEAN].astype(np.float64)) @ stored[MATRIX].astype(float)
    assert agreement(found, exact.astype(np.float32)).cosine_min > 1 - 1e-8
    assert 0.5 < np.abs(stored[MATRIX]).max() <= 1
    alone = np.concatenate([open_runtime(white).embed(one[None]) for one in unseen])
    np.testing.assert_allclose(found, alone, atol=1e-5 * np.abs(found).max())


@pytest.mark.parametrize("kind", ["network", "one image a run"])
def test_the_encoder_stays_to_the_bit_and_the_space_is_a_new_one(packages, kind):
    package = packages(kind)
    white = whitened(package, 6)
    before, after = load_file(package.weights), load_file(white.weights)
    assert after.keys() - before.keys() == {MEAN, MATRIX}
    for name, tensor in before.items():
        assert after[name].tobytes() == tensor.tobytes()
        assert after[name].dtype == tensor.dtype
    graph = onnx.load(white.graph, load_external_data=False).graph
    beside = [t for t in graph.initializer if t.external_data]
    assert {e.value for t in beside for e in t.external_data if e.key == "location"} == {WEIGHTS}
    manifest = white.manifest
    assert manifest.space != package.manifest.space
    assert manifest.architecture == package.manifest.architecture
    assert manifest.layer.steps == ("centre", "whiten")
    other = whiten_package(
        package,
        fit_whitening(open_runtime(package).embed(images(60, manifest.input.size, seed=1)), 6),
        "white",
        "2",
        [PHOTOS],
    )
    assert other.manifest.space != manifest.space


def test_mistakes_in_serving_it_are_told_from_the_truth(packages):
    golden = read_golden(whitened(packages("imported"), 12).golden)
    assert {"normalisation", "mean", "scales"} <= set(golden.controls)
    for wrong in golden.controls.values():
        assert agreement(wrong, golden.embeddings).cosine_min <= 0.999


def test_the_card_says_what_whitened_it(packages):
    package = packages("network")
    white = whitened(package, 8)
    card = (white.path / "card.md").read_text()
    assert "| photos (whitening) | 60 | CC0 |" in card
    assert "Whitened: the 12 values of tiny@1" in card
    assert "8 leading directions of 60 images" in card
    made = white.manifest.provenance.whitened
    assert made is not None
    assert made.space == package.manifest.space
    assert white.manifest.metrics == ()  # those of tiny@1 are not its own


def test_what_cannot_be_whitened_is_refused_and_nothing_is_left(packages, home):
    package = packages("network")
    white = whitened(package, 8)
    with pytest.raises(PackageError, match="white@1 is whitened already: name the model"):
        whiten_package(white, fit_whitening(images(60, 2).reshape(60, -1) / 255, 8), "x", "1", [])
    with pytest.raises(InstalledError, match="white@1 is installed already"):
        whitened(package, 8)
    assert not list((home / "packages").glob("*/.*"))


def test_a_graph_with_a_tensor_of_that_name_is_refused(packages, tmp_path):
    """Such as one that was whitened here, and is imported as a file."""
    white = whitened(packages("imported"), 10)
    again = import_onnx(white.graph, "again", "1", Said(), Origin())
    vectors = open_runtime(again).embed(images(60, SIZE))
    with pytest.raises(PackageError, match=r"again@1: its graph has a tensor 'representation"):
        whiten_package(again, fit_whitening(vectors, 4), "white", "9", [])


def test_the_mean_of_one_that_subtracts_one_already_is_replaced():
    """The built-in encoder as it was before it was whitened; PyTorch agrees with the graph."""
    package = find_package("simclr-r18-small@2")
    squares = sample_squares(package.manifest.input, 24)
    base = open_runtime(package)
    white = whiten_package(package, fit_whitening(base.embed(squares), 16), "white", "1", [PHOTOS])
    assert white.manifest.layer.steps == ("sqrt", "unit", "centre", "whiten")
    seen = base.embed(squares).astype(np.float64)
    pca = PCA(16, svd_solver="full").fit(seen)
    variances = pca.explained_variance_ * 23 / 24
    photos = np.ascontiguousarray(squares[:8, :, ::-1])
    expected = pca.transform(base.embed(photos).astype(np.float64))
    expected /= np.sqrt(variances + variances.mean())
    found = open_runtime(white).embed(photos)
    signs = np.sign(np.sum(found * expected, axis=0))
    assert agreement(found * signs, expected.astype(np.float32)).cosine_min > 1 - 1e-5
    torch = pytest.importorskip("torch")
    from zoo.encoders import load_served  # noqa: PLC0415 - it needs PyTorch

    with torch.no_grad():
        reference = load_served(white)(torch.from_numpy(photos)).numpy()
    assert agreement(found, reference).cosine_min > 1 - 1e-6


def test_the_built_in_encoder_is_its_predecessor_whitened():
    before, after = find_package("simclr-r18-small@2"), find_package("simclr-r18-small")
    assert after.manifest.reference == "simclr-r18-small@3"
    assert after.manifest.dim == 600
    made = after.manifest.provenance.whitened
    assert made is not None
    assert made.space == before.manifest.space
    verify(after)
    squares = sample_squares(before.manifest.input, 4)[:, :, ::-1].copy()
    old, stored = load_file(before.weights), load_file(after.weights)
    for name, tensor in old.items():
        assert name == MEAN or stored[name].tobytes() == tensor.tobytes()
    embeddings = open_runtime(before).embed(squares) + old[MEAN].astype(np.float64)
    expected = (embeddings - stored[MEAN]) @ stored[MATRIX].astype(np.float64)
    found = open_runtime(after).embed(squares)
    assert agreement(found, expected.astype(np.float32)).cosine_min > 1 - 1e-8
    golden = read_golden(after.golden)
    expected = {"normalisation", "channel-order", "stem-pooling", "mean", "scales"}
    assert golden.controls.keys() == expected
