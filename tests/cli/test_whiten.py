"""`zoo whiten`, as a user meets it."""

import json
import re
import tarfile

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from tests.cli.command import invoke
from zoo.store import find_package


@pytest.fixture
def generic(tmp_path):
    """Thirty pieces of two photos, in a folder."""
    folder, rng = tmp_path / "generic", np.random.default_rng(0)
    folder.mkdir()
    for number in range(30):
        image = load_sample_images().images[number % 2]
        top, left = rng.integers(0, 200), rng.integers(0, 400)
        Image.fromarray(image[top : top + 200, left : left + 200]).save(folder / f"{number}.png")
    return folder


def test_a_model_is_whitened_used_and_described(make_package, generic, photos, tmp_path):
    make_package()
    out, err = invoke(
        "whiten", "tiny", "--data", generic, "--dim", 8, "--name", "white", "--terms", "CC BY 2.0"
    )
    assert out.startswith("white@1 ")
    assert f"{generic}: 30 images\n" in err
    assert "12 values became 8" in err
    assert "golden vectors hold" in invoke("verify", "white")[0]
    assert "whiten" in invoke("show", "white")[0]
    card = (find_package("white").path / "card.md").read_text()
    assert "| generic (whitening) | 30 | CC BY 2.0 |" in card
    invoke("embed", photos, "--out", tmp_path / "out.parquet", "--model", "white")
    assert "layer.steps" in invoke("compat", "tiny", "white", code=1)[0]
    # Without a name it is the next version of the same, and the same photos give the same.
    again = json.loads(invoke("whiten", "tiny@1", "--data", generic, "--dim", 8, "--json")[0])
    assert again["model"] == "tiny@2"
    assert find_package("tiny").manifest.space == find_package("white").manifest.space


def test_photos_that_are_nearly_those_of_the_evaluation_are_left_out(
    make_package, generic, tmp_path
):
    make_package()
    archive = tmp_path / "evaluation.tar"
    with tarfile.open(archive, "w") as tar:
        for number in (3, 4):
            smaller = tmp_path / f"{number}.jpg"
            Image.open(generic / f"{number}.png").resize((160, 160)).save(smaller, quality=90)
            tar.add(smaller, f"kind/{number}.jpg")
    command = ("whiten", "tiny", "--data", generic, "--dim", 4, "--exclude-near", archive)
    found = re.search(r"(\d+) images, (\d+) near-duplicates left out", invoke(*command)[1])
    assert found is not None
    kept, near = map(int, found.groups())
    assert kept + near == 30
    assert 2 <= near <= 8  # pieces of one photo overlap
    (source,) = (
        s
        for s in find_package("tiny@2").manifest.provenance.sources
        if s.name == "generic (whitening)"
    )
    assert source.images == kept
    refused = ("whiten", "tiny@1", "--data", archive, "--dim", 4, "--exclude-near", archive)
    assert "each of its images is nearly one" in invoke(*refused, code=1)[1]


def test_two_sources_count_alike(make_package, generic, photos):
    make_package()
    both = ("--data", generic, "--data", photos, "--images", 14, "--dim", 6)
    _, err = invoke("whiten", "tiny", *both)
    assert f"{generic}: 7 images" in err
    assert f"{photos}: 5 images" in err  # the two others cannot be read


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--dim", 13), "12 values have no 13 directions: ask for 12 or fewer"),
        (("--dim", 12, "--images", 9), "9 images cannot give 12 directions: more than 12"),
        (("--dim", 4, "--version", "1"), "tiny@1 is installed already: choose another version"),
        (("--dim", 4, "--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_done_is_one_line(make_package, generic, home, more, message):
    make_package()
    _, err = invoke("whiten", "tiny", "--data", generic, *more, code=1)
    error = err[err.index("error: ") :]
    assert message in error
    assert error.count("\n") == 1
    assert [folder.name for folder in (home / "packages").glob("*/*")] == ["1"]
