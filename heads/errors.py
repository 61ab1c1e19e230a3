"""What goes wrong with a head; every message says what to do."""


class HeadError(ValueError):
    """Examples that cannot be fitted, vectors that a head cannot judge, or a damaged head."""
