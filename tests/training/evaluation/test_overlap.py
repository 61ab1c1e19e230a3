"""Figures of encoders on photos that they were taught with are marked, and no others."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.evaluation import EvaluatedModel, Options, evaluate, markdown, read_sets
from training.evaluation.models import package_embedder
from zoo.encoders import Run
from zoo.manifest import Source
from zoo.package import Package, read_package

MARK = "photos of ImageNet, which tiny@1 was trained on"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of two kinds, one of them of ImageNet's photos."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    rng = np.random.default_rng(0)
    for group in ("ants-bees", "pets"):
        for kind in ("a", "b"):
            (folder / group / kind).mkdir(parents=True)
            for i in range(4):
                pixels = rng.integers(0, 256, (20, 20, 3), np.uint8)
                Image.fromarray(pixels).save(folder / group / kind / f"{i}.png")
    return folder


def taught_by(package: Package, name: str) -> Package:
    origin = package.manifest.provenance
    origin = origin.model_copy(update={"sources": (Source(name=name, terms="their own"),)})
    return replace(package, manifest=package.manifest.model_copy(update={"provenance": origin}))


def notes(models: list[EvaluatedModel], data: Path, *subsets: str) -> dict[tuple[str, str], str]:
    found = evaluate(
        models, read_sets([data], subsets), ["few-label"], Options(labels_per_class=(1,), draws=2)
    )
    if any(a.note for a in found.accuracies):
        assert MARK in markdown(found)
        (metric, *_) = found.metrics("tiny@1")
        assert MARK in metric.note
    return {(a.method, a.data): a.note for a in found.accuracies}


@pytest.fixture
def package(make_package: Any) -> Package:
    return read_package(make_package())


@pytest.mark.parametrize("data", ["ImageNet-1k, train split", "tiny-imagenet-200.part1"])
def test_an_encoder_that_imagenet_taught_is_marked_on_its_photos(
    package: Package, photos: Path, data: str
) -> None:
    taught = package_embedder(taught_by(package, data))
    beside = replace(taught, name="pixels", identity="pixels", source=None)
    found = notes([taught, beside], photos, "ants-bees", "pets")
    assert found == {
        ("tiny@1", "photos/ants-bees"): MARK,
        ("pixels", "photos/ants-bees"): "",
        ("tiny@1", "photos/pets"): "",
        ("pixels", "photos/pets"): "",
    }
    assert notes([taught], photos / "pets") == {("tiny@1", "pets"): ""}
    # The folder itself, the name of the source, and a set that has some of them among others.
    assert notes([taught], photos / "ants-bees") == {("tiny@1", "ants-bees"): MARK}
    (photos / "labels.csv").write_text(
        "path,label,split\n"
        + "".join(
            f"{path.relative_to(photos).as_posix()},{path.parent.name},\n"
            for path in sorted(photos.glob("*/*/*.png"))
        )
    )
    assert notes([taught], photos) == {("tiny@1", "photos"): MARK}
    (photos / "labels.csv").unlink()


def test_one_that_others_taught_is_not(package: Package, photos: Path) -> None:
    assert notes([package_embedder(package)], photos, "ants-bees") == {
        ("tiny@1", "photos/ants-bees"): ""
    }


def test_a_run_is_marked_by_the_data_that_it_was_trained_on(
    package: Package, photos: Path, tmp_path: Path
) -> None:
    model = package_embedder(package)
    for name, mark in {"crops": "", "imagenet": MARK}.items():
        run = Run(tmp_path, {}, 4, {"sources": [{"name": name, "images": 3}]})
        found = notes([replace(model, source=run)], photos, "ants-bees")
        assert found == {("tiny@1", "photos/ants-bees"): mark}
