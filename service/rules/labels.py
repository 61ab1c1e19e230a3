"""Labels: the name of a class, at every entrance the same."""

from service.errors import invalid_item

MAX_LABEL = 256


def check_label(label: str | None) -> str | None:
    """A label as it is stored, None where there is none. Raises ItemFailedError."""
    label = (label or "").strip()
    if not label:
        return None
    if len(label) > MAX_LABEL or not label.isprintable():
        raise invalid_item(
            f"the label {label[:300]!r} cannot be used: labels are at most {MAX_LABEL} printable "
            "characters"
        )
    return label


def check_class(label: str | None) -> str:
    """The label of an example, which must have one. Raises ItemFailedError."""
    found = check_label(label)
    if found is None:
        raise invalid_item("it has no label; name its class, or leave it out")
    return found
