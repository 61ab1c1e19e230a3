"""What a package says to whoever uses its graph without this program."""

import contextlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import ExifTags, Image
from sklearn.datasets import load_sample_images

from zoo.card import render_card
from zoo.graphs.rewrite import write_graph
from zoo.images import InputBlock, read_square
from zoo.package import read_package
from zoo.package_writer import graph_metadata
from zoo.runtimes import open_onnx
from zoo.runtimes.golden import agreement


@pytest.fixture(autouse=True)
def _own_store(home: Path) -> None:
    pass


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize(("orientation", "least"), [(1, 1 - 1e-9), (6, 0.9999)])
def test_the_cards_program_gives_what_is_served(
    make_package: Callable[..., Path], orientation: int, least: float, squash: bool
) -> None:
    block = InputBlock(size=16, crop=0.875, interpolation="bilinear", squash=squash)
    package = read_package(make_package(input=block))
    (program,) = re.findall(r"```python\n(.*?)```", render_card(package.manifest), re.DOTALL)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    photo = package.path / "photo.jpg"
    Image.fromarray(load_sample_images().images[0]).save(photo, exif=exif)
    names: dict[str, object] = {}
    with contextlib.chdir(package.path):
        exec(program, names)
    embedding = np.asarray(names["embedding"], np.float32)
    served = open_onnx(package).embed(read_square(photo.read_bytes(), block)[None])
    assert agreement(embedding, served).cosine_min >= least
    assert np.linalg.norm(embedding) == pytest.approx(1)


def test_the_graph_says_how_it_is_used(make_package: Callable[..., Path]) -> None:
    package = read_package(make_package())
    graph = onnx.load(package.graph, load_external_data=False)
    write_graph(graph, package.graph, graph_metadata(package.manifest))
    written = onnx.load(package.graph, load_external_data=False)
    found = {entry.key: entry.value for entry in written.metadata_props}
    assert "not of unit length" in found["usage"]
    block = json.loads(found["input"])
    assert (block["size"], block["crop"], block["interpolation"]) == (16, 1.0, "bilinear")
    assert (block["mean"], block["std"]) == ([0, 0, 0], [1, 1, 1])
