"""Which text a name may be: ids, labels, names of files."""

import unicodedata

LONGEST = 4096
"""Characters of a name, a path included."""

_BIDI = frozenset(map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
_REFUSED = {
    "Cc": "a control character",
    "Cs": "a lone surrogate",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}


def nfc(text: str) -> str:
    """The text in Unicode's composed form, in which macOS's names and all others are equal.

    A text of more than `LONGEST` characters is no name and stays as it is: to put the marks of a
    long run in order takes time that grows with its square.
    """
    return unicodedata.normalize("NFC", text) if len(text) <= LONGEST else text


def unprintable(text: str) -> str | None:
    """What the first character is that a name cannot have, such as `a control character U+0007`.

    None where there is none. Refused are controls (Cc), lone surrogates (Cs), line and paragraph
    separators (Zl, Zp), the embeddings, overrides and isolates of bidirectional text (U+202A to
    U+202E, U+2066 to U+2069), which show a name as another, and noncharacters. All else passes:
    every script, all spaces (U+202F stands in the names of macOS's screenshots), joiners and
    variation selectors, private use, and what this Python's Unicode does not know yet.
    """
    for character in text:
        if reason := _refused(character):
            return f"{reason} U+{ord(character):04X}"
    return None


def escaped(text: str) -> str:
    r"""The text with what `unprintable` names written as escapes.

    A byte of a file's name that is not UTF-8 becomes `\xff`; other characters become `\u202e`.
    """
    return "".join(_escape(c) if _refused(c) else c for c in text)


def _refused(character: str) -> str | None:
    if character in _BIDI:
        return "a control of text direction"
    if (ord(character) & 0xFFFE) == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
        return "a noncharacter"
    return _REFUSED.get(unicodedata.category(character))


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds a byte that is not UTF-8
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
