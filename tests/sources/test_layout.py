"""The layout rules on paths alone."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources.entry import DataError
from sources.layout import by_folder, by_table, find_table, item_id
from sources.table import read_table


def places(*paths: str) -> dict[str, tuple[str | None, str]]:
    return {one.path: (one.label, one.split) for one in by_folder(paths, paths)}


@pytest.mark.parametrize(
    "expected",
    [
        {"all/cat/1.png": ("cat", ""), "all/dog/1.png": ("dog", "")},
        {"all/cat/1.png": ("cat", "")},
        {"cat/1.png": ("cat", ""), "dog/small/1.png": ("small", ""), "top.png": (None, "")},
        {"train/cat/1.png": ("cat", "train"), "val/cat/2.png": ("cat", "val")},
        {"photos/train/cat/1.png": ("cat", "train"), "photos/test/cat/2.png": ("cat", "test")},
        {"a/b/Train/cat/1.png": ("cat", "train"), "a/b/VALIDATION/cat/2.png": ("cat", "val")},
        {"train/1.png": (None, "train"), "test/2.png": (None, "test")},
        {"train/cat/deep/1.png": ("deep", "train"), "train/2.png": (None, "train")},
        # A class of trains, a class of tests.
        {"train/1.png": ("train", ""), "bus/2.png": ("bus", "")},
        {"vehicles/train/1.png": ("train", ""), "vehicles/bus/2.png": ("bus", "")},
        # A split beside what is none.
        {"train/cat/1.png": ("cat", "train"), "extra/dog/2.png": ("dog", "")},
        # Not the first folder.
        {"cat/train/1.png": ("train", ""), "dog/test/2.png": ("test", "")},
        {"train/test/1.png": ("test", "train")},
        {"  /1.png": ("", ""), " cat /2.png": ("cat", "")},
    ],
    ids=", ".join,
)
def test_a_path_says_class_and_split(expected: dict[str, tuple[str | None, str]]) -> None:
    assert places(*expected) == expected


def test_both_forms_of_a_name_are_one_class() -> None:
    forms = [unicodedata.normalize(form, "Käfer") for form in ("NFC", "NFD")]
    assert len(set(forms)) == 2
    paths = [f"{form}/1.jpg" for form in forms]
    assert {one.label for one in by_folder(paths, paths)} == {forms[0]}


names = st.text("abAB .", min_size=1, max_size=4).filter(lambda name: name.strip(". ") == name)
folders = st.one_of(names, st.sampled_from(["train", "Val", "validation", "test"]))
trees = st.lists(
    st.tuples(st.lists(folders, max_size=3), names).map(lambda t: "/".join([*t[0], t[1]])),
    min_size=1,
    max_size=8,
    unique=True,
)


@given(trees, st.permutations(range(8)))
def test_the_order_of_files_says_nothing(paths: list[str], order: list[int]) -> None:
    shuffled = [paths[i] for i in order if i < len(paths)]
    assert places(*shuffled) == places(*paths)


@given(trees)
def test_folders_around_everything_change_no_split_and_no_class_of_a_folder(
    paths: list[str],
) -> None:
    for path, (label, split) in places(*paths).items():
        wrapped = places(*(f"all/photos/{p}" for p in paths))[f"all/photos/{path}"]
        assert wrapped[1] == split
        if label is not None:
            assert wrapped[0] == label


@given(st.lists(st.tuples(folders, names, names), min_size=1, max_size=8, unique=True))
def test_files_two_folders_down_always_have_the_innermost_as_class(
    parts: list[tuple[str, str, str]],
) -> None:
    found = places(*map("/".join, parts))
    assert [label for label, _ in found.values()] == [part[1] for part in parts]


def test_ids() -> None:
    assert item_id("a/b/1.jpg") == "a:b:1.jpg"
    assert item_id("Ka\u0308fer/1.jpg") == "Käfer:1.jpg"


@pytest.mark.parametrize(
    "text",
    [
        "path,label,split\na/1.png,cat,train\nb.png,,validation\n",
        "\ufeffPath;Label;Split\r\na/1.png;cat;Train\r\nb.png;;val\r\n",
        "label\tPATH\tnote\tSPLIT\r\ncat\ta/1.png\tx\ttrain\r\n\r\n\t\t\t\r\n\tb.png\t\tval",
        'sep=;\npath;label;split\n"a/1.png";" cat ";train\n;;\nb.png;;val\n\n\n',
        '\n\npath,label,split,author\na\\1.png,cat,train,"me, you"\n./b.png,,val\n',
        "path,label,split\n a/1.png ,cat, train \n'\n"[:-2] + "b.png,,VAL\n",
    ],
)
def test_tables_as_people_write_them(text: str) -> None:
    rows = read_table(text.encode())
    found = by_table(["a/1.png", "b.png", "c.png"], "labels.csv", rows)
    expected = [("a/1.png", "cat", "train"), ("b.png", "", "val")]
    assert [(one.path, one.label, one.split) for one in found.placed] == expected
    assert [one.path for one in found.unlisted] == ["c.png"]
    assert found.bad_rows == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"file,class\n", "no column 'path'.*file, class"),
        (b"path;class\n", "no column 'label'"),
        (b"", "has nothing"),
        (b"path,label\n\xff,cat\n", "UTF-8"),
        (b'path,label\n"a,cat\n', "CSV"),
        ("path\tlabel\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_tables_that_cannot_be_read(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_table(data)


def test_rows_that_fit_no_file_are_told_with_their_line() -> None:
    rows = read_table(b"path,label\na.png,cat\n\ngone.png,cat\na.png,dog\n../b.png,cat\n,cat\n")
    found = by_table(["set/a.png", "b.png"], "set/labels.csv", rows)
    assert [one.path for one in found.placed] == ["set/a.png"]
    reasons = [one.reason for one in found.bad_rows]
    assert "line 4: there is no file 'gone.png'" in reasons[0]
    assert "line 5: 'a.png' is listed twice, first in line 2" in reasons[1]
    assert "line 6: there is no file '../b.png'" in reasons[2]
    assert "line 7: there is no file ''" in reasons[3]


def test_a_table_in_one_form_finds_a_file_named_in_the_other() -> None:
    nfc, nfd = (unicodedata.normalize(form, "Käfer/1.jpg") for form in ("NFC", "NFD"))
    for written, there in ((nfc, nfd), (nfd, nfc)):
        rows = read_table(f"path,label\n{written},beetle\n".encode())
        assert [one.path for one in by_table([there], "labels.csv", rows).placed] == [there]


def test_there_can_be_one_table() -> None:
    assert find_table(["a/1.jpg", "a/Labels.CSV"]) == "a/Labels.CSV"
    assert find_table(["a/1.jpg"]) is None
    with pytest.raises(DataError, match=r"there are 2: 'a/labels\.csv', 'labels\.csv'"):
        find_table(["labels.csv", "a/labels.csv"])
