"""Names of files as ids: one image one id, and no image in another's place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.file_ids import distinct_ids, file_id


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("photo.jpg", "photo.jpg"),
        ("a/b.jpg", "a:b.jpg"),
        ("Ka\u0308fer.jpg", "K\u00e4fer.jpg"),
        ("9.41\u202fAM.png", "9.41\u202fAM.png"),
        ("", None),
        ("  ", None),
        ("..", None),
        ("a\0.jpg", None),
        ("\u202egpj.exe", None),
        ("x" * 257, None),
        ("a" + "\u0301\u0316" * 5000, None),
    ],
)
def test_a_name_as_an_id(name: str, wanted: str | None) -> None:
    assert file_id(name) == wanted


def test_another_image_of_a_name_gets_a_number() -> None:
    images = [("p", "1"), ("p", "2"), ("q", "1"), ("p", "1"), ("p", "3"), ("p", None), ("p", None)]
    assert distinct_ids(images, {}) == ["p", "p (2)", "q", "p", "p (3)", "p (4)", "p (5)"]


def test_what_is_there_keeps_its_place() -> None:
    there = {"p": None, "p (2)": "2", "p (4)": "4"}
    images = [("p", "2"), ("p", "9"), ("p", "4"), ("p", "8"), ("p (2)", "7")]
    assert distinct_ids(images, there) == ["p (2)", "p (3)", "p (4)", "p (5)", "p (2) (2)"]


def test_a_long_name_gives_way_to_its_number() -> None:
    name = "x" * 256
    assert distinct_ids([(name, "1"), (name, "2")], {}) == [name, "x" * 252 + " (2)"]


names = st.sampled_from(["p", "p (2)", "p (3)", "q"])
digests = st.sampled_from("123456")


@given(st.lists(st.tuples(names, digests)), st.dictionaries(names, st.none() | digests, max_size=4))
def test_one_image_one_id(images: list[tuple[str, str]], taken: dict[str, str | None]) -> None:
    ids = distinct_ids(images, taken)
    of: dict[str, str | None] = dict(taken)
    for one, (wanted, digest) in zip(ids, images, strict=True):
        assert one.startswith(wanted)
        assert of.setdefault(one, digest) == digest
    again = distinct_ids(images, of)
    assert again == ids


def test_many_of_one_name() -> None:
    ids = distinct_ids([("blob", str(i)) for i in range(20_000)], {"blob (19999)": None})
    assert len(set(ids)) == 20_000
    assert ids[-1] == "blob (20001)"
