"""The directions and scales of a whitening, against scikit-learn in float64."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from zoo.errors import PackageError
from zoo.whitening import fit_whitening


def embeddings(count, width, seed=0):
    """Rows whose directions vary unequally, far from zero."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
    rows = rng.normal(size=(count, width)) * 0.9 ** np.arange(width)
    return (rows @ turn + 5).astype(np.float32)


@pytest.mark.parametrize(("count", "width"), [(400, 40), (60, 200)])
def test_it_is_scikit_learns(count, width):
    vectors, dim = embeddings(count, width), 24
    found = fit_whitening(vectors, dim)
    expected = PCA(dim, svd_solver="full").fit(vectors.astype(np.float64))
    variances = expected.explained_variance_ * (count - 1) / count
    signs = np.sign(np.sum(found.directions * expected.components_.T, axis=0))
    np.testing.assert_allclose(found.directions * signs, expected.components_.T, atol=1e-8)
    np.testing.assert_allclose(found.scales**2, variances + variances.mean(), rtol=1e-9)
    np.testing.assert_allclose(found.mean, expected.mean_, rtol=1e-12)
    assert found.share == pytest.approx(expected.explained_variance_ratio_.sum(), abs=1e-9)
    assert found.images == count


def test_what_varies_most_no_longer_outweighs_the_rest():
    vectors = embeddings(500, 30)
    found = fit_whitening(vectors, 10)
    whitened = (vectors - found.mean) @ found.matrix
    spread = whitened.var(axis=0)
    least, most = found.scales[-1] ** 2, found.scales[0] ** 2
    mean = np.mean(found.scales**2) / 2
    assert spread[0] == pytest.approx(1 - mean / most)
    assert spread[-1] == pytest.approx(1 - mean / least)
    np.testing.assert_allclose(np.corrcoef(whitened.T), np.eye(10), atol=1e-6)


@pytest.mark.parametrize(("count", "width"), [(200, 20), (30, 90)])
def test_the_order_of_the_images_does_not_matter(count, width):
    """Signs included: a direction is as good as its opposite, and one of them is chosen."""
    vectors = embeddings(count, width)
    shuffled = vectors[np.random.default_rng(1).permutation(count)]
    a, b = fit_whitening(vectors, 8), fit_whitening(shuffled, 8)
    np.testing.assert_allclose(a.matrix, b.matrix, rtol=1e-6, atol=1e-9)


def test_too_few_images_or_values_are_refused():
    vectors = embeddings(40, 60)
    assert fit_whitening(vectors, 39).matrix.shape == (60, 39)
    with pytest.raises(PackageError, match="40 images cannot give 40 directions: more than 40"):
        fit_whitening(vectors, 40)
    with pytest.raises(PackageError, match="60 values have no 61 directions: ask for 60 or fewer"):
        fit_whitening(vectors, 61)


@pytest.mark.parametrize("width", [12, 90])
def test_images_that_are_all_alike_are_refused(width):
    repeated = np.repeat(embeddings(4, width), 10, axis=0)
    with pytest.raises(PackageError, match="vary in 3 directions, not in 6"):
        fit_whitening(repeated, 6)
    with pytest.raises(PackageError, match="vary in 0 directions"):
        fit_whitening(np.ones((20, width), np.float32), 6)
