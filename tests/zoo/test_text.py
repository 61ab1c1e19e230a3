"""Which text a name may be."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.text import escaped, nfc, unprintable

ACCEPTED = {
    "ASCII with a space": "a cat",
    "a macOS screenshot": "Screenshot 2026-11-25 at 9.41.07\u202fAM.png",
    "other spaces": "a\u00a0b\u2009c\u3000d",
    "Persian with a non-joiner": "می\u200cخواهم",  # noqa: RUF001
    "Hindi with a joiner": "क्\u200dष",
    "a family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "an emoji with a variation selector": "\u2764\ufe0f",
    "a flag of tags": "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f",
    "Hebrew": "חתול",
    "Chinese": "猫",
    "composed and decomposed": "Käfer Ka\u0308fer",
    "private use": "\ue000",
    "what is not assigned yet": "\U0001fbfe",
    "nothing": "",
}
REFUSED = {
    "a\x07b": "a control character U+0007",
    "a\nb": "a control character U+000A",
    "\x85": "a control character U+0085",
    "bad\udcff": "a lone surrogate U+DCFF",
    "photo\u202egnp.exe": "a control of text direction U+202E",
    "\u2066x\u2069": "a control of text direction U+2066",
    "a\u2028b": "a line separator U+2028",
    "a\u2029b": "a paragraph separator U+2029",
    "\uffff": "a noncharacter U+FFFF",
    "\ufdd0": "a noncharacter U+FDD0",
    "\U0001fffe": "a noncharacter U+1FFFE",
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_names_of_all_scripts_pass(text: str) -> None:
    assert unprintable(text) is None
    assert escaped(text) == text


@pytest.mark.parametrize(("text", "reason"), REFUSED.items(), ids=REFUSED.values())
def test_what_cannot_be_shown_is_named(text: str, reason: str) -> None:
    assert unprintable(text) == reason


def test_escapes() -> None:
    assert escaped("bad\udcff.jpg") == r"bad\xff.jpg"
    assert escaped("a\nb\u202ec\ud800\U0001ffff") == r"a\x0ab\u202ec\ud800\U0001ffff"


@given(st.text(st.characters(exclude_categories=[])))
def test_an_escaped_text_can_always_be_shown(text: str) -> None:
    shown = escaped(text)
    assert unprintable(shown) is None
    assert shown.encode().decode() == shown


@given(st.text())
def test_composing_is_done_once_and_joins_what_is_equal(text: str) -> None:
    assert nfc(nfc(text)) == nfc(text) == nfc(unicodedata.normalize("NFD", text))
