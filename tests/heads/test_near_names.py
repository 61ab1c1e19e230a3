"""Names of classes that are nearly equal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heads import report
from heads.near_names import near_names

NEAR = [
    ("Dress", "dress"),
    ("T-shirt", "t shirt"),
    ("T-shirt", "tshirt"),
    ("blue_dress", "Blue dress"),
    ("dress!", "dress"),
    ("STRASSE", "straße"),
    ("\uff23\uff41\uff54", "cat"),
    ("scarf", "scraf"),
    ("scarf", "Scraf"),
    ("scarf", "scarfs"),
    ("scarf", "scrf"),
    ("scarf", "scaarf"),
    ("summer dress", "sumer dress"),
    ("Käfer", "Kaäfer"),
    ("платье", "плаьте"),
]
APART = [
    ("cat", "dog"),
    ("cat", "coat"),
    ("hat", "heat"),
    ("shirt", "skirt"),
    ("class 1", "class 2"),
    ("class 1", "class 11"),
    ("room12", "room21"),
    ("size l", "size xl"),
    ("type", "type a"),
    ("1.5", "15"),
    ("1.5 mm", "15 mm"),
    ("c", "c++"),
    ("红色连衣裙", "粉红色连衣裙"),
    ("कि", "की"),
    ("male", "female"),
    ("scarf", "scrfa!x"),
    ("scarf scraf", "scraf scarf"),
    ("!", "?"),
    ("🐈", "🐕"),
]


@pytest.mark.parametrize("pair", NEAR)
def test_slips_are_found_whichever_comes_first(pair: tuple[str, str]) -> None:
    assert near_names(pair, (5, 5)) == [pair]
    assert near_names(pair[::-1], (5, 5)) == [pair[::-1]]


@pytest.mark.parametrize("pair", APART)
def test_other_names_are_left_alone(pair: tuple[str, str]) -> None:
    assert near_names(pair, (5, 5)) == []


@pytest.mark.parametrize(
    ("counts", "near"),
    [((2, 6), True), ((6, 2), True), ((1, 3), True), ((2, 5), False), ((3, 90), False)],
)
def test_another_letter_counts_in_a_rare_class_alone(counts: tuple[int, int], near: bool) -> None:
    assert bool(near_names(("shirt", "shift"), counts)) is near
    assert near_names(("tree7", "tree8"), counts) == []


def test_each_of_several_is_named_with_the_first() -> None:
    names = ("DRESS", "Dress", "dress", "drses", "hat")
    assert near_names(names, (1,) * 5) == [
        ("DRESS", "Dress"),
        ("DRESS", "dress"),
        ("DRESS", "drses"),
    ]


@given(st.text(min_size=5, max_size=12, alphabet="abcdefgh"), st.data())
def test_every_slip_of_one_letter_is_found(word: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(word) - 2))
    slips = {
        word[:at] + word[at + 1 :],
        word[:at] + data.draw(st.sampled_from("abcxyz")) + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    }
    for slip in slips - {word}:
        assert near_names((word, slip), (9, 9)) == [(word, slip)]
    replaced = word[:at] + "z" + word[at + 1 :]
    assert near_names((word, replaced), (9, 9)) == []
    assert near_names((word, replaced), (9, 1)) == [(word, replaced)]


def test_a_thousand_names_at_once() -> None:
    generator = np.random.default_rng(0)
    names = sorted({"".join(generator.choice(list("abcdefghij"), 40)) for _ in range(1000)})
    slip = names[500][:10] + names[500][11:]
    assert near_names([*names, slip], [5] * 1001) == [(names[500], slip)]


def test_a_report_warns() -> None:
    generator = np.random.default_rng(0)
    labels = ["dress"] * 6 + ["Dress"] * 5 + ["hat"] * 6
    vectors = generator.normal(size=(17, 8)) + 3 * np.array([[len(n)] * 8 for n in labels])
    found = report(vectors, labels, [str(i) for i in range(17)])["warnings"]
    (warning,) = (one for one in found if "nearly the same" in one)
    assert "'Dress' (5) and 'dress' (6)" in warning
    assert "'hat'" not in warning
