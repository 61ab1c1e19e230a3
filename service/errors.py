"""What the gateway's domain raises, and the error of one item in a batch.

A `kind` is a stable word for programs; `service.api.problems` maps kinds to statuses, and nothing
else knows HTTP. Every message says what to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.images import ImageError


class ServiceError(Exception):
    """Base of all errors a caller is told about; the message is the problem's `detail`."""

    kind: str = "internal"


class MalformedError(ServiceError):
    """A body that is not what its content type says: broken JSON or multipart."""

    kind = "malformed"


class InvalidInputError(ServiceError):
    """A well-formed request that asks for something impossible.

    `errors` maps the index of each item that had a part in it to the item's own error.
    """

    kind = "invalid-input"

    def __init__(self, message: str, errors: "Mapping[int, ItemError] | None" = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})


class NotFoundError(ServiceError):
    """A model, collection, item, head or version that is not there."""

    kind = "not-found"


class ConflictError(ServiceError):
    """A request that contradicts what is stored."""

    kind = "conflict"


class SpaceMismatchError(ConflictError):
    """Vectors, a collection or a head of another embedding space."""

    kind = "space-mismatch"


class TooLargeError(ServiceError):
    """A body, archive or batch beyond the limits."""

    kind = "too-large"


class UnsupportedMediaTypeError(ServiceError):
    """A body of a content type that the operation does not read."""

    kind = "unsupported-media-type"


class NotAcceptableError(ServiceError):
    """An answer asked for in a form the operation does not give."""

    kind = "not-acceptable"


class CallerLeftError(ServiceError):
    """The caller closed the connection; the work for them was dropped."""

    kind = "caller-left"


class UnavailableError(ServiceError):
    """The gateway cannot do it now. `retry_after` is in whole seconds."""

    kind = "unavailable"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverloadedError(UnavailableError):
    """The queue is full."""

    kind = "overloaded"


@dataclass(frozen=True)
class ItemError:
    """Why one item of a batch has no result.

    `kind` is a stable word for programs, such as `invalid-input`, `not-found`, `image-corrupt`.
    """

    kind: str
    detail: str


class ItemFailedError(ServiceError):
    """One item of a batch has no result; the rest of the batch goes on."""

    def __init__(self, error: ItemError) -> None:
        super().__init__(error.detail)
        self.kind, self.error = error.kind, error


class EveryItemFailedError(InvalidInputError):
    """No item of a batch has a result; `errors` has all of them."""

    kind = "every-item-failed"


def invalid_item(detail: str) -> ItemFailedError:
    """One item is wrong."""
    return ItemFailedError(ItemError("invalid-input", detail))


def missing_item(detail: str) -> ItemFailedError:
    """What one item names is not there."""
    return ItemFailedError(ItemError("not-found", detail))


def unreadable_image(error: ImageError) -> ItemFailedError:
    """One image cannot be read."""
    return ItemFailedError(ItemError(f"image-{error.kind}", str(error)))
