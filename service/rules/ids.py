"""Ids of items and examples, at every entrance the same."""

from service.errors import invalid_item

MAX_ID = 256


def check_id(given: str) -> str:
    """An id as it is stored. Raises ItemFailedError."""
    fine = 1 <= len(given) <= MAX_ID and given.isprintable() and "/" not in given
    if not fine or given in (".", ".."):  # these two vanish from URLs
        raise invalid_item(
            f"the id {given[:300]!r} cannot be used: ids are 1 to {MAX_ID} printable characters "
            "without '/'"
        )
    return given
