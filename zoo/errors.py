"""What goes wrong with packages and the store; every message says what to do."""


class ZooError(Exception):
    """Base of this module's errors."""


class PackageError(ZooError):
    """A package that is damaged, of a newer schema, or does not agree with itself."""


class InstalledError(PackageError):
    """A version that is there already; versions are never replaced."""


class UnknownModelError(ZooError):
    """No installed package of that name or version."""


class RuntimeUnavailableError(ZooError):
    """The software that would execute an encoder is missing, or there twice."""


class GoldenMismatchError(ZooError):
    """A runtime whose embeddings are not those the package attests; it must not serve."""


class RuntimeDownError(ZooError):
    """A runtime elsewhere that does not answer now; it is asked again by the next call."""


class ImportRefusedError(ZooError):
    """A file that is no ONNX image encoder, or of which it is not known what it takes."""


class CatalogError(ZooError):
    """A catalog of one's own that cannot be read."""


class CheckpointError(ZooError):
    """A foreign checkpoint that is damaged, unsafe, or of another network."""


class DownloadError(ZooError):
    """A file that could not be had, whole and as promised, from where it was asked for."""


class NoSpaceError(ZooError):
    """A disk without room for what is to come; nothing was changed."""


class SignatureError(ZooError):
    """A package that no trusted key has signed, where that is required."""
