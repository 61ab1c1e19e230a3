"""Labels: the name of a class, at every entrance the same."""

from service.errors import invalid_item
from zoo.text import nfc, unprintable

MAX_LABEL = 256

_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
_INVISIBLE = (
    "\u00ad\u034f\u061c\u180e"  # soft hyphen, grapheme joiner, Arabic mark, Mongolian separator
    "\u200b\u200c\u200d\u200e\u200f"  # zero-width space, joiners, direction marks
    "\u2060\u2061\u2062\u2063\u2064\ufeff"  # word joiner, mathematical ones, byte order mark
    "\u2800\u3164\uffa0"  # the Braille blank and the fillers of Hangul
)
_BLANK = _SPACES + _INVISIBLE


def normal_label(label: str) -> str:
    """A label as it is compared: NFC, without what cannot be seen at its ends; "" for none."""
    return nfc(label.strip(_BLANK))


def check_label(label: str | None) -> str | None:
    """A label as it is stored, None where there is none. Raises ItemFailedError."""
    normal = normal_label(label or "")
    if not normal:
        return None
    reason = unprintable(normal)
    if reason or len(normal) > MAX_LABEL:
        why = f"it has {reason or f'{len(normal)} characters'}"
        raise invalid_item(
            f"the label {normal[:MAX_LABEL]!r} cannot be used, {why}: labels are at most "
            f"{MAX_LABEL} printable characters"
        )
    return normal


def check_class(label: str | None) -> str:
    """The label of an example, which must have one. Raises ItemFailedError."""
    found = check_label(label)
    if found is None:
        raise invalid_item("it has no label; name its class, or leave it out")
    return found
