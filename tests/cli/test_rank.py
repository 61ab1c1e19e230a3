"""`zoo rank`."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.stats import t
from sklearn.linear_model import LogisticRegression

from heads import fit
from tests.cli.command import invoke
from tests.packages import CELLS, DIM, encode
from tests.sources.files import write_tar
from zoo.images import read_square
from zoo.package import read_package

SHADES = {"red": (140, 90, 90), "blue": (90, 90, 140)}


@pytest.fixture
def colours(tmp_path):
    """Two colours under much noise, 9 photos of each, and a copy of one; one cannot be read, one
    has no label."""
    folder, rng = tmp_path / "colours", np.random.default_rng(0)
    for label, shade in SHADES.items():
        (folder / label).mkdir(parents=True)
        for number in range(9):
            spots = rng.integers(-70, 70, (CELLS, CELLS, 3)) + shade
            photo = Image.fromarray(spots.astype(np.uint8)).resize((40, 40), Image.Resampling.BOX)
            photo.save(folder / label / f"{number}.png")
    shutil.copy(folder / "red" / "1.png", folder / "red" / "1 again.png")
    (folder / "red" / "broken.png").write_bytes(b"x")
    Image.new("RGB", (20, 20)).save(folder / "loose.png")
    return folder


def embeddings(folder, package):
    """Computed in NumPy, with labels, in order of path."""
    paths = sorted(folder.glob("*/[0-9]*.png"))
    squares = [read_square(path.read_bytes(), package.manifest.input) for path in paths]
    rng = np.random.default_rng(int(package.manifest.name[-1]))
    projection = rng.normal(size=(CELLS * CELLS * 3, DIM)).astype(np.float32)
    vectors = encode(np.stack(squares), projection)
    labels = np.array([int(path.parent.name == "red") for path in paths])
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), labels


def accuracies(vectors, labels, per_class, draws):
    """By scikit-learn."""
    found = []
    for number in range(draws):
        generator, learned = np.random.default_rng([0, number]), np.zeros(len(labels), bool)
        for label in range(2):
            members = np.flatnonzero(labels == label)
            learned[members[generator.permutation(len(members)) < per_class]] = True
        names = [str(label) for label in labels[learned]]
        strength = fit(vectors[learned], names, seed=number).strength
        # Of two classes scikit-learn has one row of weights, which it penalises twice as much.
        peer = LogisticRegression(C=2 * strength, tol=1e-10, max_iter=100_000)
        peer.fit(vectors[learned].astype(np.float64), labels[learned])
        tested = np.array([not (vectors[learned] == row).all(axis=1).any() for row in vectors])
        found.append(peer.score(vectors[tested], labels[tested]))
    return np.array(found)


def test_models_are_ranked_on_ones_own_photos(make_package, colours):
    folders = {"tiny1": make_package("tiny1", seed=1)}
    made = read_package(folders["tiny1"]).manifest.provenance
    not_for_sale = made.model_copy(update={"weights_licence": "CC-BY-NC-4.0"})
    folders["tiny2"] = make_package("tiny2", seed=2, provenance=not_for_sale)
    damaged = make_package("damaged")
    (damaged / "encoder.onnx").write_bytes(b"")
    names = [word for name in (*folders, "damaged") for word in ("--model", name)]
    command = ("rank", "--data", colours, *names, "--labels", 3, "--draws", 8)
    content = json.loads(invoke(*command, "--seconds", 0.1, "--json")[0])
    assert (content["images"], content["classes"], content["copies"]) == (19, ["blue", "red"], 1)
    reasons = {one["path"]: one["reason"] for one in content["left_out"]}
    assert reasons.keys() == {"loose.png", "red/broken.png"}
    assert reasons["loose.png"] == "it has no label"
    assert reasons["red/broken.png"].startswith("not an image")
    rows = {row["model"]: row for row in content["models"]}
    assert list(rows)[-1] == "damaged"
    assert "encoder.onnx" in rows["damaged"]["error"]
    found = {}
    for name, folder in folders.items():
        package = read_package(folder)
        vectors, labels = embeddings(colours, package)
        found[name] = accuracies(vectors, labels, 3, 8)
        row = rows[f"{name}@1"]
        assert row["accuracy"]["mean"] == pytest.approx(found[name].mean(), abs=1e-9)
        assert row["dim"] == DIM
        assert row["images_per_second"] > 0
        assert row["memory_bytes"] > 20e6
    best, other = sorted(found, key=lambda name: -found[name].mean())
    apart = found[best] - found[other]
    half = t.ppf(0.975, 7) * apart.std(ddof=1) / 8**0.5
    behind = rows[f"{other}@1"]["behind"]
    assert behind["mean"] == pytest.approx(apart.mean(), abs=1e-9)
    assert behind["low"] == pytest.approx(apart.mean() - half, abs=1e-9)
    assert rows[f"{other}@1"]["level"] == (apart.mean() - half <= 0)
    assert rows["tiny1@1"]["commercial_use"]
    assert rows["tiny2@1"]["commercial_use"] is False
    assert content["take"] in rows


def test_all_installed_models_are_ranked_on_a_tar(make_package, colours, tmp_path, monkeypatch):
    monkeypatch.setattr("zoo.store.BUILTIN", tmp_path)
    monkeypatch.setattr("zoo.on_demand.DEFAULT_MODELS", ())
    made = read_package(make_package("spare")).manifest.provenance
    shutil.rmtree(tmp_path / "home" / "packages" / "spare")
    make_package(provenance=made.model_copy(update={"weights_licence": "research use"}))
    files = [path for path in colours.rglob("*") if path.is_file()]
    tree = {str(path.relative_to(colours)): path.read_bytes() for path in files}
    source = write_tar(tmp_path / "set", tree)
    stdout, stderr = invoke("rank", "--data", source, "--draws", 2, "--seconds", 0.1)
    assert "research use" in stdout
    assert stdout.splitlines()[-1] == (
        "take tiny@1: no other was measured; its licence forbids commercial use"
    )
    assert "red/broken.png: not an image" in stderr
    assert "19 photos of 2 classes, 1 of them a copy of another: 5 labels a class" in stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--labels", 9], 1, "class 'blue' has 9 photos and needs 10: 9 to learn from and one"),
        (["--labels", 0], 2, "greater than or equal to 1"),
        (["--draws", 1], 2, "greater than or equal to 2"),
        (["--subset", "red"], 1, "two classes or more are needed; all photos are of 'red'"),
        (["--subset", "green"], 1, "no images under 'green'; its folders are ['blue', 'red']"),
        (["--model", "teeny"], 1, "no model 'teeny' is installed"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_measured(arguments, code, said, colours):
    stdout, stderr = invoke("rank", "--data", colours, *arguments, code=code)
    assert said in stderr
    assert not stdout


def test_where_nothing_can_be_measured_it_fails(make_package, colours):
    damaged = make_package("damaged")
    (damaged / "encoder.onnx").write_bytes(b"")
    _, stderr = invoke("rank", "--data", colours, "--model", "damaged", code=1)
    assert "damaged: " in stderr
    assert "encoder.onnx" in stderr


def test_what_cannot_be_told_apart_is_said(make_package, colours):
    make_package("tiny1", seed=1)
    make_package("same", seed=1)
    names = ("--model", "same", "--model", "tiny1")
    stdout, _ = invoke("rank", "--data", colours, *names, "--draws", 2, "--seconds", 0.1)
    line = stdout.splitlines()[-1]
    assert line.startswith(("take same@1: the fastest of 2", "take tiny1@1: the fastest of 2"))
    assert "cannot be told apart (same@1, tiny1@1); more photos would tell more" in line
