"""Ids of items and examples, at every entrance the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

from pydantic import AfterValidator

from service.errors import ItemFailedError, invalid_item
from zoo.text import nfc, unprintable

MAX_ID = 256


def check_id(given: str) -> str:
    """An id as it is stored: NFC, not trimmed. Raises ItemFailedError."""
    composed = nfc(given)
    if not 1 <= len(composed) <= MAX_ID:
        why = f"it has {len(composed)} characters"
    elif reason := unprintable(composed):
        why = f"it has {reason}"
    elif "/" in composed:
        why = "it has a '/'; write ':'"
    elif composed in (".", ".."):  # these two vanish from URLs
        why = "in an address it is lost"
    else:
        return composed
    raise invalid_item(
        f"the id {given[:MAX_ID]!r} cannot be used, {why}: ids are 1 to {MAX_ID} printable "
        "characters without '/'"
    )


LookedUp = Annotated[str, AfterValidator(nfc)]
"""An id in a request that names what is there already."""


@contextmanager
def naming(item_id: str | None) -> Iterator[None]:
    """Begin what is said to be wrong with an item with the id that it was sent with, if any."""
    try:
        yield
    except ItemFailedError as failed:
        if not item_id:
            raise
        detail = f"{item_id!r}: {failed.error.detail}"
        raise ItemFailedError(replace(failed.error, detail=detail)) from None
