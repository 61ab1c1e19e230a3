"""Protocols that need a run's network: finetune and probe."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sources import DataError, Entry
from training.augment import OPERATORS, Augmentation
from training.evaluation import Options, embedder_of, evaluate, markdown, read_sets
from training.evaluation.finetune import (
    FINE_TUNE,
    SCHEDULES,
    SCRATCH,
    ConcreteSchedule,
    Labelled,
    centre_views,
    classifier_accuracy,
    train_classifier,
)
from training.evaluation.fractions import draw
from training.evaluation.models import load_network
from training.evaluation.picture import draw as draw_picture
from training.evaluation.probe import TRANSFORMATIONS, mlp_accuracy, probe
from zoo.encoders import read_run
from zoo.errors import PackageError
from zoo.images import InputBlock, read_square


@pytest.fixture(scope="module")
def data(shades, tmp_path_factory) -> Path:
    """The shades as files: of each class 16 to learn from and 8 to test on."""
    folder = tmp_path_factory.mktemp("set") / "shades"
    rows = ["path,label,split"]
    for i, entry in enumerate(shades.entries):
        split = "train" if i % 3 else "val"
        path = folder / entry.label / entry.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(shades.pixels[i]).save(path)
        rows.append(f"{entry.label}/{entry.path},{entry.label},{split}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_a_run_is_embedded_as_its_encoder_does(run_folder, crops) -> None:
    run = read_run(run_folder)
    embedder = embedder_of(run)
    assert (embedder.name, embedder.block.size) == ("first", 16)
    images = crops(3, 16)
    network = load_network(run)
    with torch.no_grad():
        want = network.encoder(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)
    np.testing.assert_allclose(embedder.embed(images), want.numpy(), atol=1e-5)
    other = replace(run, method={k: v + 1 for k, v in run.method.items()})
    assert embedder_of(other).identity != embedder.identity


def test_shares_of_the_labels_are_of_each_class_and_nested() -> None:
    entries = [Entry(f"{i}.png", "ab"[i % 3 == 0], "train") for i in range(300)]
    drawn = {percent: draw(entries, percent, 0) for percent in (1, 10, 50, 100)}
    assert {p: (len(d), sum(e.label == "b" for e in d)) for p, d in drawn.items()} == {
        1: (3, 1), 10: (30, 10), 50: (150, 50), 100: (300, 100),
    }  # fmt: skip
    paths = [{e.path for e in d} for d in drawn.values()]
    assert paths[0] < paths[1] < paths[2] < paths[3]
    assert {e.path for e in draw(entries, 10, 1)} != paths[1]


def test_schedules_are_the_papers() -> None:
    one, ten = ConcreteSchedule.of(FINE_TUNE, 12811, 1), ConcreteSchedule.of(FINE_TUNE, 128116, 10)
    assert (one.epochs, ten.epochs) == (60, 30)
    assert one.peak == pytest.approx(0.05)
    assert ConcreteSchedule.of(replace(FINE_TUNE, batch=4096), 128116, 10).peak == pytest.approx(
        0.8
    )
    few = ConcreteSchedule.of(replace(FINE_TUNE, batch=64, most_steps=100), 400, 1)
    assert (few.batch, few.steps) == (50, 100)
    assert few.epochs == 12.5
    assert "batch 50, 12.5 epochs, 100 steps" in str(few)
    assert ConcreteSchedule.of(SCRATCH, 4, 100).batch == 2


def test_a_network_learns_from_labels_and_keeps_to_its_seed(run_folder, shades) -> None:
    labels = np.repeat([0, 1], 24)
    train = Labelled(shades.pixels, np.arange(0, 48, 2), labels[::2])
    test = Labelled(shades.pixels, np.arange(1, 48, 2), labels[1::2])
    plan = ConcreteSchedule(batch=8, steps=12, epochs=4, peak=0.05, warmup=0)
    run = read_run(run_folder)
    networks = [train_classifier(load_network(run), train, plan, 0.0, seed=1) for _ in range(2)]
    for one, other in zip(*(n.state_dict().values() for n in networks), strict=True):
        assert torch.equal(one, other)
    before = load_network(run).encoder.get_parameter("conv1.weight")
    assert not torch.equal(networks[0].encoder.get_parameter("conv1.weight"), before), (
        "all of it is trained"
    )
    assert classifier_accuracy(networks[0], test, InputBlock(size=16)) > 0.9


@pytest.mark.parametrize(("size", "crop", "border"), [(16, 1, 0), (40, 1, 0), (20, 0.8, 3)])
def test_tested_squares_are_the_gateways(size, crop, border, crops, tmp_path) -> None:
    image = crops(1, 40)
    Image.fromarray(image[0]).save(tmp_path / "a.png")
    block = InputBlock(size=size, crop=crop)
    want = read_square((tmp_path / "a.png").read_bytes(), block).astype(np.float32) / 255
    got = centre_views(torch.from_numpy(image), block)[0].permute(1, 2, 0).numpy()
    inside = slice(border, size - border)
    difference = abs(got - want)[inside, inside]
    assert difference.max() < 4 / 255  # Pillow rounds after either pass
    assert difference.mean() < 1 / 255


def test_finetune_is_the_lectures_figure(run_folder, data, tmp_path, monkeypatch) -> None:
    short = {
        "fine-tuned": replace(FINE_TUNE, batch=8, most_steps=6),
        "from scratch": replace(SCRATCH, batch=8, most_steps=9),
    }
    monkeypatch.setitem(SCHEDULES, "cpu", short)
    options = Options(percents=(25, 100))
    embedder = embedder_of(read_run(run_folder))
    result = evaluate([embedder], read_sets([data]), ["finetune"], options, tmp_path)
    assert [a.method for a in result.accuracies[:3]] == [
        "first, frozen", "first, fine-tuned", "supervised from scratch",
    ]  # fmt: skip
    assert [a.protocol for a in result.accuracies[::3]] == ["finetune-25%", "finetune-100%"]
    assert all(a.images == 16 for a in result.accuracies)
    notes = [a.note for a in result.accuracies]
    assert notes[0].startswith("8 labels, l2")
    assert notes[1].startswith("8 labels, batch 2, 1.5 epochs, 6 steps")
    assert notes[5].startswith("32 labels, batch 4, 1.12 epochs, 9 steps")
    assert result.accuracies[0].value > 0.8  # the classes are two colours
    draw_picture([result], tmp_path / "figure.svg")
    assert (tmp_path / "figure.svg").read_text().count("<use") > 6  # markers of three curves


def test_probe_tells_what_h_knows(run_folder, data, tmp_path) -> None:
    embedder = embedder_of(read_run(run_folder))
    result = evaluate([embedder], read_sets([data]), ["probe", "knn"], cache=tmp_path)
    rows = [a.protocol for a in result.accuracies if a.method == "h"]
    assert rows == ["probe-colour", "probe-rotation", "probe-noise", "probe-sobel"]
    guesses = [a.value for a in result.accuracies if a.method == "guessing"]
    assert guesses == [0.8, 0.25, 0.5, 0.5]
    text = markdown(result)
    assert "| data | protocol | guessing | h | g(h) | notes |" in text
    assert "128 values" in text
    assert "24 values" in text
    assert "| data | protocol | first |" in text


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_a_transformed_view_is_the_plain_one_or_the_operator_of_it(name, crops) -> None:
    views = torch.from_numpy(crops(64, 16)).permute(0, 3, 1, 2).float() / 255
    transformation = TRANSFORMATIONS[name]
    generator = torch.Generator().manual_seed(0)
    got, classes = transformation.apply(views.clone(), Augmentation(size=16), generator)
    share = np.bincount(classes.numpy()).max() / 64
    assert abs(share - transformation.guess) < 0.2
    for image, plain, number in zip(got, views, classes.tolist(), strict=True):
        if name == "rotation":
            want = plain.rot90(number, dims=(1, 2))
        elif number == 0:
            want = plain
        elif name == "noise":
            assert not torch.equal(image, plain)
            continue
        else:
            want = OPERATORS[transformation.operator].apply(plain[None])[0]
        torch.testing.assert_close(image, want.expand_as(image))


def test_an_mlp_learns_what_no_line_divides() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 6)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    assert mlp_accuracy(x[:700], y[:700], x[700:], y[700:], 0) > 0.75
    hidden = np.delete(x, 0, axis=1)
    assert mlp_accuracy(hidden[:700], y[:700], hidden[700:], y[700:], 0) < 0.65


def test_what_cannot_be_done_is_said_first(run_folder, data, tmp_path) -> None:
    embedder = embedder_of(read_run(run_folder))
    with pytest.raises(DataError, match=r"1% of the 16 training images of class 'blue' leave 0"):
        evaluate([embedder], read_sets([data]), ["finetune"])
    with pytest.raises(DataError, match="probe needs a training run's folder"):
        evaluate([replace(embedder, source=None)], read_sets([data]), ["probe"])
    copy = shutil.copytree(run_folder, tmp_path / "cpc")
    described = json.loads((copy / "run.json").read_text())
    other = replace(read_run(copy), described=described)
    described["recipe"]["method"]["name"] = "cpc"
    with pytest.raises(DataError, match="a run of 'cpc' has no projection head"):
        evaluate([replace(embedder, source=other)], read_sets([data]), ["probe"])
    (copy / "checkpoint.pt").unlink()
    with pytest.raises(PackageError, match=r"has no checkpoint\.pt"):
        read_run(copy)


def test_probing_one_transformation_keeps_to_its_seed(run_folder, shades) -> None:
    run = read_run(run_folder)
    pixels = shades.pixels
    one, other = (list(probe(run, "noise", pixels, pixels, "d", 3)) for _ in range(2))
    assert one == other
