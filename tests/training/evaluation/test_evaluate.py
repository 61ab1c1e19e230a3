"""Evaluation end to end, on a folder of crops of two photos."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from heads.few_label_accuracy import interval, random_draws
from sources import DataError, Subset, list_entries
from training.evaluation import (
    EvaluatedModel,
    Evaluation,
    Options,
    embed_source,
    evaluate,
    markdown,
    read_sets,
)
from training.evaluation.baselines import histograms_of_gradients, pixels, untrained
from training.evaluation.features import Features, gather
from training.evaluation.few_label import few_label
from zoo.architectures import ResNetArchitecture
from zoo.images import InputBlock, read_square
from zoo.manifest import Layer

BLOCK = InputBlock(size=16, interpolation="bilinear")


def mean_colour(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1, 3).mean(axis=1).astype(np.float32) / 255


def noise(images: np.ndarray) -> np.ndarray:
    seeds = images.reshape(len(images), -1).astype(np.int64).sum(axis=1)
    return np.stack([np.random.default_rng(s).normal(size=4) for s in seeds]).astype(np.float32)


COLOUR = EvaluatedModel("colour", "mean colour", BLOCK, mean_colour)
NOISE = EvaluatedModel("noise", "noise", BLOCK, noise)


@pytest.fixture(scope="module")
def data(crops, tmp_path_factory) -> Path:
    """Two sets: `views` (two classes, split train and val) and `other` (no splits)."""
    folder = tmp_path_factory.mktemp("data")
    rows = ["path,label,split"]
    for group, split, count in [("views", "train", 20), ("views", "val", 12), ("other", "", 8)]:
        for photo, label in enumerate(["china", "flower"]):
            for i, image in enumerate(crops(count, 24, 30, seed=len(rows), photo=photo)):
                path = folder / group / f"{split}-{label}-{i}.png"
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(image).save(path)
                rows.append(f"{path.relative_to(folder).as_posix()},{label},{split}")
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def test_features_are_of_the_gateways_squares_and_of_unit_length(data) -> None:
    entries = list_entries(data, "val")
    found = embed_source(COLOUR, data, entries)
    squares = np.stack([read_square((data / path).read_bytes(), BLOCK) for path in found.paths])
    want = mean_colour(squares)
    want /= np.linalg.norm(want, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, want, atol=1e-6)
    assert found.classes == ("china", "flower")
    named = [found.classes[label] for label in found.labels]
    assert named == [entry.label for entry in entries]
    assert found.paths == tuple(entry.path for entry in entries)


def test_features_are_computed_once_for_one_embedder_and_one_state_of_the_data(
    data, tmp_path
) -> None:
    calls = []

    def counted(images: np.ndarray) -> np.ndarray:
        calls.append(len(images))
        return mean_colour(images)

    embedder = replace(COLOUR, embed=counted)
    copy = shutil.copytree(data, tmp_path / "data")
    cache = tmp_path / "cache"
    entries = list_entries(copy, "val")
    first = embed_source(embedder, copy, entries, cache)
    second = embed_source(embedder, copy, entries, cache)
    assert np.array_equal(first.vectors, second.vectors)
    assert first.paths == second.paths
    assert len(calls) == 1
    embed_source(replace(embedder, identity="another"), copy, entries, cache)
    embed_source(replace(embedder, block=InputBlock(size=8)), copy, entries, cache)
    assert len(calls) == 3
    Image.new("RGB", (30, 24), "red").save(copy / entries[0].path)
    changed = embed_source(embedder, copy, entries, cache)
    assert len(calls) == 4
    assert not np.array_equal(changed.vectors[0], first.vectors[0])


def test_an_interrupted_pass_leaves_nothing_in_the_cache(data, tmp_path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed_source(COLOUR, data, list_entries(data), tmp_path, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_unreadable_images_are_left_out_and_black_ones_are_not(data, tmp_path) -> None:
    copy = shutil.copytree(data, tmp_path / "data")
    entries = list_entries(copy, "val")
    (copy / entries[0].path).write_bytes(b"no image")
    Image.new("RGB", (30, 24)).save(copy / entries[1].path)
    found = embed_source(COLOUR, copy, entries)
    assert list(found.unreadable) == [entries[0].path]
    assert found.paths[0] == entries[1].path
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)


def test_images_without_labels_and_vectors_that_are_not_finite_are_errors(data, tmp_path) -> None:
    copy = shutil.copytree(data, tmp_path / "data")
    (copy / "labels.csv").write_text("path,label\nother/-china-0.png,\n")
    with pytest.raises(DataError, match=r"other/-china-0\.png has no label"):
        evaluate([COLOUR], read_sets([copy]), ["few-label"])
    broken = replace(COLOUR, embed=lambda images: np.full((len(images), 3), np.nan, np.float32))
    with pytest.raises(DataError, match="colour gives a vector that is not finite for other/"):
        embed_source(broken, data, list_entries(data))


def test_draws_are_nested_balanced_and_the_same_for_the_same_seed() -> None:
    labels = np.repeat(np.arange(3), [12, 15, 20])
    one, five, again = (list(random_draws(labels, k, 6, 0)) for k in (1, 5, 5))
    for (first, _), (chosen, rest), (repeated, _) in zip(one, five, again, strict=True):
        assert set(first) <= set(chosen)
        assert np.array_equal(chosen, repeated)
        assert np.bincount(labels[chosen]).tolist() == [5, 5, 5]
        assert sorted([*chosen, *rest]) == list(range(47))
    assert len({tuple(chosen) for chosen, _ in five}) == 6


def test_few_labels_of_a_class_that_has_no_more_are_refused() -> None:
    features = Features(np.eye(5, dtype=np.float32), np.array([0, 0, 0, 1, 1]), ("a", "b"), (), {})
    with pytest.raises(DataError, match="class 'b' has 2 images: 2 to learn from leave none"):
        few_label(features, 2, draws=2)


def test_the_interval_holds_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [interval(rng.normal(0.3, 0.1, 20)) for _ in range(1000)]
    assert 0.93 < np.mean([i.low < 0.3 < i.high for i in found]) < 0.97


@pytest.fixture(scope="module")
def evaluation(data) -> Evaluation:
    return evaluate(
        [COLOUR, NOISE],
        read_sets([data], ["views:val"]),
        ["knn", "linear", "linear-sgd", "few-label"],
        Options(labels_per_class=(1, 5), draws=8),
    )


def test_a_method_that_sees_beats_one_that_does_not(evaluation) -> None:
    found = {(a.method, a.protocol): a for a in evaluation.accuracies}
    for protocol in ("knn", "linear", "linear-sgd"):
        assert found["colour", protocol].value > 0.9
        assert found["noise", protocol].value < 0.8
        assert found["noise", protocol].images == 24
    for accuracy in evaluation.accuracies:
        assert 0 <= accuracy.low <= accuracy.value <= accuracy.high <= 1
    assert [d.protocol for d in evaluation.differences] == ["few-label-1", "few-label-5"]
    assert all(d.low > 0 for d in evaluation.differences)


def test_a_difference_is_that_of_the_accuracies_and_the_result_is_json(data) -> None:
    result = evaluate(
        [COLOUR, NOISE],
        read_sets([data], ["other", "views:val"]),
        ["few-label"],
        Options(labels_per_class=(5,), draws=6),
    )
    by_set = {(a.data, a.method): a for a in result.accuracies}
    for difference in result.differences:
        gap = by_set[difference.data, "colour"].value - by_set[difference.data, "noise"].value
        assert difference.value == pytest.approx(gap)
    images = [a.images for a in result.accuracies]
    assert images == [6, 6, 14, 14]
    assert Evaluation.model_validate(json.loads(result.model_dump_json())) == result
    text = markdown(result)
    assert "| data | protocol | colour | noise |" in text
    assert "colour - noise" in text
    assert "over 6 draws" in text


def test_what_the_data_do_not_have_is_named(data) -> None:
    def measure(subset: str, protocol: str, **options) -> None:
        evaluate([COLOUR], read_sets([data], [subset]), [protocol], Options(**options))

    with pytest.raises(DataError, match=r"no images under 'photos'.*'other', 'views'"):
        measure("photos", "few-label")
    with pytest.raises(DataError, match=r"of split 'test'; its splits are \['train', 'val'\]"):
        measure("views", "knn", test_split="test")
    with pytest.raises(DataError, match="no split 'test' or 'val' to test on"):
        measure("other", "knn")
    with pytest.raises(DataError, match="class 'china' has 8 images: 10 to learn from leave none"):
        measure("other", "few-label")
    with pytest.raises(DataError, match="finetune needs a network"):
        measure("views", "finetune")
    with pytest.raises(DataError, match="probe needs a training run"):
        measure("views", "probe")
    with pytest.raises(ValueError, match="unknown protocol 'lineer'; did you mean linear"):
        measure("views", "lineer")
    with pytest.raises(ValueError, match="unknown protocol '7'; there are knn, linear,"):
        measure("views", "7")


def test_nothing_is_computed_where_something_cannot_be_done(data) -> None:
    def never(images: np.ndarray) -> np.ndarray:
        raise AssertionError("the images were embedded")

    embedder = replace(COLOUR, embed=never)
    with pytest.raises(DataError, match="no split 'test' or 'val'"):
        evaluate([embedder], read_sets([data], ["views", "other"]), ["transfer", "knn"])


def test_every_image_is_embedded_once_for_all_protocols(data, tmp_path) -> None:
    seen = []

    def counted(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        return mean_colour(images)

    embedder = replace(COLOUR, embed=counted)
    sets, options = read_sets([data], ["views"]), Options(draws=2)
    for protocols in (["few-label", "knn"], ["linear", "linear-sgd", "transfer"]):
        evaluate([embedder], sets, protocols, options, cache=tmp_path)
    assert sum(seen) == 64


def test_features_are_gathered_in_the_order_asked_for(data) -> None:
    entries = list_entries(data)
    parts = [
        embed_source(COLOUR, data, [e for e in entries if e.split == s]) for s in ("train", "val")
    ]
    wanted = [e for e in entries if e.split][::-3]
    found = gather(parts, wanted)
    assert found.paths == tuple(e.path for e in wanted)
    want = embed_source(COLOUR, data, wanted)
    assert np.array_equal(found.vectors, want.vectors)
    assert np.array_equal(found.labels, want.labels)


def test_transfer_is_one_table_and_halves_what_has_no_splits(data, tmp_path) -> None:
    other = shutil.copytree(data / "other", tmp_path / "photos")
    for path in list(other.iterdir()):
        label = path.stem.split("-")[1]
        (other / label).mkdir(exist_ok=True)
        path.rename(other / label / path.name)
    sets = read_sets([data, other], [f"{data.stem}/views"])
    result = evaluate([COLOUR, NOISE], sets, ["transfer"])
    found = {(a.data, a.method): a for a in result.accuracies}
    assert found[f"{data.stem}/views", "colour"].images == 24
    assert found["photos (halves)", "colour"].images == 8
    assert all(found[name, "colour"].value > found[name, "noise"].value for name, _ in found)
    text = markdown(result)
    assert text.count("| data | protocol |") == 1


def test_a_subset_of_no_source_is_refused(data, tmp_path) -> None:
    other = shutil.copytree(data / "other", tmp_path / "photos")
    with pytest.raises(DataError, match=r"'views' is no subset of the data given.*photos"):
        read_sets([data, other], ["views"])
    with pytest.raises(DataError, match="no such folder"):
        read_sets([data / "nothing"])


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("caltech", Subset("caltech")),
        ("ants-bees:val", Subset("ants-bees", "val")),
        (":val", Subset("", "val")),
        ("a/b/:", Subset("a/b")),
    ],
)
def test_subsets_are_written_folder_and_split(text, want) -> None:
    assert Subset.parse(text) == want


def test_baselines_give_the_vectors_they_say(crops) -> None:
    architecture = ResNetArchitecture(depth=18, stem="stride2-pool")
    state = torch.random.get_rng_state()
    network = untrained(architecture, InputBlock(size=32))
    assert torch.equal(state, torch.random.get_rng_state()), "global randomness was touched"
    images = crops(3, 32)
    first = network.embed(images)
    assert first.shape == (3, 512)
    again = untrained(architecture, InputBlock(size=32))
    assert np.array_equal(first, again.embed(images))
    assert network.identity == again.identity
    middle = Layer(stages=("layer2", "layer3"), steps=("sqrt", "unit", "centre"))
    assert untrained(architecture, InputBlock(size=32), middle).embed(images).shape == (3, 384)
    other = untrained(architecture, InputBlock(size=32), seed=1)
    assert not np.allclose(first, other.embed(images))
    assert network.identity != other.identity
    assert pixels().embed(images).shape == (3, 3072)
    assert pixels().embed(images).max() <= 1
    hog = histograms_of_gradients().embed(crops(2, 64))
    assert hog.shape == (2, 1764)
    flat = histograms_of_gradients().embed(np.full((1, 64, 64, 3), 90, np.uint8))
    assert not flat.any()
