"""Which ids are accepted, and how they are stored."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ItemFailedError, invalid_item
from service.rules.ids import check_id, naming
from zoo.text import LONGEST, nfc

ACCEPTED = [
    "a",
    " ",
    " photo 1.jpg ",
    "Screenshot 2026-11-25 at 9.41.07\u202fAM.png",
    "\u0645\u06cc\u200c\u062e",
    "क्\u200dष",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.png",
    "\u2764\ufe0f",
    "\ue000",
    "C:\\x.jpg",
    "...",
    "x" * 256,
]
REFUSED = {
    "": "0 characters",
    "x" * 257: "257 characters",
    "a/b": "'/'",
    ".": "lost",
    "..": "lost",
    "a\0b": "U+0000",
    "a\nb": "U+000A",
    "\x85": "U+0085",
    "\ud800": "U+D800",
    "gpj.\u202eexe": "U+202E",
    "\u2067a": "U+2067",
    "a\u2028": "U+2028",
    "\ufffe": "U+FFFE",
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_as_it_is(text: str) -> None:
    assert check_id(text) == text


@pytest.mark.parametrize(("text", "word"), REFUSED.items())
def test_refused_with_the_reason(text: str, word: str) -> None:
    with pytest.raises(ItemFailedError) as caught:
        check_id(text)
    assert word in str(caught.value)
    assert "1 to 256" in str(caught.value)


def test_length_is_that_of_what_is_stored() -> None:
    assert check_id("a\u0308" * 256) == "\u00e4" * 256
    with pytest.raises(ItemFailedError, match="257"):
        check_id("a\u0308" * 257)
    grows = "\u0958"  # composed of two, in NFC
    assert check_id(grows * 128) == "\u0915\u093c" * 128
    with pytest.raises(ItemFailedError, match="258"):
        check_id(grows * 129)


@given(st.text())
def test_all_forms_of_an_id_find_it(text: str) -> None:
    try:
        stored = check_id(text)
    except ItemFailedError:
        return
    assert check_id(stored) == nfc(stored) == stored
    assert nfc(unicodedata.normalize("NFD", text)) == stored


def test_what_no_id_can_be_is_not_composed() -> None:
    marks = "a" + "\u0301\u0316" * LONGEST
    assert nfc(marks) is marks
    with pytest.raises(ItemFailedError, match="characters"):
        check_id(marks)


def test_an_error_begins_with_the_id() -> None:
    with pytest.raises(ItemFailedError, match=r"^'p-17': bad$"), naming("p-17"):
        raise invalid_item("bad")
    with pytest.raises(ItemFailedError, match=r"^bad$"), naming(None):
        raise invalid_item("bad")
