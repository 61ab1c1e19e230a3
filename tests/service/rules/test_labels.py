"""Which labels are accepted, and how they are stored."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import ItemFailedError
from service.rules.labels import check_class, check_label, normal_label

STORED = {
    "cat": "cat",
    " cat\t": "cat",
    "\u00a0cat\u3000\n": "cat",
    "\ufeffcat": "cat",
    "\u200bcat\u200b \u2060": "cat",
    "cat\u200d": "cat",
    "cat\u00ad": "cat",
    "a  cat": "a  cat",
    "a\u202fcat": "a\u202fcat",
    "Ka\u0308fer": "K\u00e4fer",
    "\u0645\u06cc\u200c\u062e": "\u0645\u06cc\u200c\u062e",
    "\U0001f468\u200d\U0001f469": "\U0001f468\u200d\U0001f469",
    "\u2764\ufe0f": "\u2764\ufe0f",
    "\U0001f3f4\U000e0067\U000e007f": "\U0001f3f4\U000e0067\U000e007f",
    "a/b": "a/b",
    "x" * 256 + " " * 5000: "x" * 256,
    "a\u0308" * 256: "\u00e4" * 256,
}
BLANK = [None, "", " ", " \t\n", "\u200b", "\ufeff", "\u2060 \u200d", "\u3000", "\u3164", "\u2800"]
REFUSED = {
    "x" * 257: "257 characters",
    "a\0": "U+0000",
    "a\nb": "U+000A",
    "\x1b[31m": "U+001B",
    "\udc80": "U+DC80",
    "\u202ecat": "U+202E",
    "cat\u2069": "U+2069",
    "a\u2029b": "U+2029",
    "a" + "\u0301\u0316" * 5000: "10001 characters",
}


@pytest.mark.parametrize(("given", "stored"), STORED.items())
def test_stored_trimmed_and_composed(given: str, stored: str) -> None:
    assert check_label(given) == check_class(given) == stored


@pytest.mark.parametrize("label", BLANK)
def test_blank_is_none_of_an_item_and_an_error_of_an_example(label: str | None) -> None:
    assert check_label(label) is None
    with pytest.raises(ItemFailedError, match="no label"):
        check_class(label)


@pytest.mark.parametrize(("label", "word"), REFUSED.items())
def test_refused_with_the_reason(label: str, word: str) -> None:
    with pytest.raises(ItemFailedError) as caught:
        check_label(label)
    assert word in str(caught.value)


@given(st.text())
def test_a_stored_label_is_stored_as_it_is(text: str) -> None:
    try:
        stored = check_label(text)
    except ItemFailedError:
        return
    assert check_label(stored) == stored
    if stored:
        padded = f"\u200b {unicodedata.normalize('NFD', stored)}\u3000"
        assert normal_label(padded) == stored
