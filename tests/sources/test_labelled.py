"""What a labelled source has to learn from and to test on."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from sources import DataError, Subset
from sources.labelled import Labelled, read_labelled
from tests.sources.files import WRITERS, Tree, write_folder


def photo(number: int, kind: str = "PNG", side: int = 96) -> bytes:
    """One of many squares of two photos."""
    rng = np.random.default_rng(number)
    image = load_sample_images().images[number % 2]
    top, left = (rng.integers(extent - 96 + 1) for extent in image.shape[:2])
    piece = Image.fromarray(image[top : top + 96, left : left + 96]).resize((side, side))
    buffer = io.BytesIO()
    piece.save(buffer, kind)
    return buffer.getvalue()


TREE: Tree = {
    "cat/1.png": photo(1),
    "cat/2.png": photo(2),
    "cat/3.png": photo(3),
    "cat/copy of 2.jpg": photo(2, "JPEG", 64),
    "cat/cut.png": photo(4)[:500],
    "cat/notes.txt": b"words",
    "dog/5.png": photo(5),
    "dog/6.png": photo(6),
    "dog/same as cat 3.png": photo(3),
    "dog/smaller 1.jpg": photo(1, "JPEG", 64),
    "unsorted.png": photo(7),
    "bird/broken.png": b"no image",
}


def groups(found: Labelled) -> set[frozenset[str]]:
    """The paths that show one photo."""
    sets: dict[int, set[str]] = {}
    for entry, group in zip(found.entries, found.groups, strict=True):
        sets.setdefault(int(group), set()).add(entry.path)
    return {frozenset(paths) for paths in sets.values() if len(paths) > 1}


@pytest.mark.parametrize("kind", WRITERS)
def test_what_cannot_be_used_is_named(kind: str, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    found = read_labelled(
        WRITERS[kind](tmp_path / "data", TREE), progress=lambda *far: calls.append(far)
    )
    assert [entry.path for entry in found.entries] == [
        *("cat/1.png", "cat/2.png", "cat/copy of 2.jpg", "dog/5.png", "dog/6.png"),
        "dog/smaller 1.jpg",
    ]
    assert found.classes == ("bird", "cat", "dog")
    assert found.labels.tolist() == [1, 1, 1, 2, 2, 2]
    reasons = found.left_out
    assert set(reasons) == set(TREE) - {entry.path for entry in found.entries}
    assert reasons["unsorted.png"] == "it has no label"
    assert "not an image" in reasons["cat/notes.txt"]
    assert reasons["cat/3.png"] == ("the same file has the label 'dog' as dog/same as cat 3.png")
    assert "label 'cat' as cat/3.png" in reasons["dog/same as cat 3.png"]
    assert all(reasons[path] for path in ("cat/cut.png", "bird/broken.png"))
    assert calls[-1] == (10, 10)


def test_copies_of_one_class_are_one_photo(tmp_path: Path) -> None:
    found = read_labelled(write_folder(tmp_path / "data", TREE))
    assert groups(found) == {frozenset({"cat/2.png", "cat/copy of 2.jpg"})}
    assert found.copies == 1


def test_flat_images_are_copies_only_where_the_files_are_the_same(tmp_path: Path) -> None:
    flat = {}
    for shade in (10, 200):
        buffer = io.BytesIO()
        Image.new("L", (30, 30), shade).save(buffer, "PNG")
        flat[shade] = buffer.getvalue()
    tree = {"a/1.png": flat[10], "a/2.png": flat[10], "a/3.png": flat[200], "b/1.png": photo(1)}
    found = read_labelled(write_folder(tmp_path / "data", tree))
    assert groups(found) == {frozenset({"a/1.png", "a/2.png"})}


def test_images_can_be_left_out_later(tmp_path: Path) -> None:
    found = read_labelled(write_folder(tmp_path / "data", TREE)).without({0: "why", 4: "so"})
    assert [entry.path for entry in found.entries] == [
        *("cat/2.png", "cat/copy of 2.jpg", "dog/5.png", "dog/smaller 1.jpg")
    ]
    assert found.labels.tolist() == [1, 1, 2, 2]
    assert (found.left_out["cat/1.png"], found.left_out["dog/6.png"]) == ("why", "so")
    assert found.copies == 1


def test_a_part_of_a_source(tmp_path: Path) -> None:
    source = write_folder(tmp_path / "data", TREE)
    found = read_labelled(source, Subset("cat"))
    assert found.classes == ("cat",)
    assert set(found.left_out) == {"cat/cut.png", "cat/notes.txt"}
    with pytest.raises(DataError, match=r"no images under 'fish'; its splits|its folders are"):
        read_labelled(source, Subset("fish"))


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ({"1.png": photo(1), "2.png": photo(2)}, "none of its 2 images has a label: put them into"),
        ({"a/1.png": b"", "b/2.png": b"x"}, r"none of its images can be used, such as a/1.png \("),
        ({"a/notes.txt": b"x"}, "no images found; 1 files were passed over"),
    ],
)
def test_nothing_to_use_is_an_error(tree: Tree, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        read_labelled(write_folder(tmp_path / "data", tree))
