"""What goes wrong with packages and the store; every message says what to do."""


class ZooError(Exception):
    """Base of this module's errors."""


class PackageError(ZooError):
    """A package that is damaged, of a newer schema, or does not agree with itself."""


class UnknownModelError(ZooError):
    """No installed package of that name or version."""


class RuntimeUnavailableError(ZooError):
    """The software that would execute an encoder is missing, or there twice."""


class GoldenMismatchError(ZooError):
    """A runtime whose embeddings are not those the package attests; it must not serve."""


class RuntimeDownError(ZooError):
    """A runtime elsewhere that does not answer now; it is asked again by the next call."""
