"""What the licence of an encoder's weights allows, as far as its text tells."""

import re

_FORBIDS = re.compile(
    r"(?<![a-z])(?:nc|non-?commercial|not for commercial|research|academic|educational)(?![a-z])",
    re.IGNORECASE,
)
_ALLOWS = re.compile(
    r"(?:apache|mit|bsd|isc|cc0|cc-by-(?:sa-)?\d|unlicense|0bsd|gpl|lgpl|agpl|mpl|openrail)"
    r"(?![a-z])",
    re.IGNORECASE,
)


def commercial_use(licence: str) -> bool | None:
    """Whether a licence allows commercial use; None where its text does not tell.

    It reads SPDX names (`Apache-2.0`, `CC-BY-NC-4.0`) and plain words (`research use`). It is about
    the weights alone, not about the images they were trained on, and it is no legal advice.
    """
    if _FORBIDS.search(licence):
        return False
    return True if _ALLOWS.match(licence.strip()) else None
