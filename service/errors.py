"""What the gateway's domain raises, and the error of one item in a batch.

`service.api.problems` maps these to statuses; nothing else knows HTTP. Every message says what to
do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.images import ImageError

PROBLEM = "urn:encoder-zoo:problem:"
"""Prefix of every problem's `type`; what follows is a stable word for programs."""


class ServiceError(Exception):
    """Base of all errors a caller is told about; the message is the problem's `detail`."""


class MalformedError(ServiceError):
    """A body that is not what its content type says: broken JSON or multipart."""


class InvalidInputError(ServiceError):
    """A well-formed request that asks for something impossible.

    `errors` maps the index of each item that had a part in it to the item's own error.
    """

    def __init__(self, message: str, errors: "Mapping[int, ItemError] | None" = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})


class NotFoundError(ServiceError):
    """A model, collection, item, head or version that is not there."""


class ConflictError(ServiceError):
    """A request that contradicts what is stored."""


class SpaceMismatchError(ConflictError):
    """Vectors, a collection or a head of another embedding space."""


class TooLargeError(ServiceError):
    """A body, archive or batch beyond the limits."""


class UnsupportedMediaTypeError(ServiceError):
    """A body of a content type that the operation does not read."""


class NotAcceptableError(ServiceError):
    """An answer asked for in a form the operation does not give."""


class CallerLeftError(ServiceError):
    """The caller closed the connection; the work for them was dropped."""


class UnavailableError(ServiceError):
    """The gateway cannot do it now. `retry_after` is in whole seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverloadedError(UnavailableError):
    """The queue is full."""


@dataclass(frozen=True)
class ItemError:
    """Why one item of a batch has no result, in the form of a problem (RFC 9457)."""

    type: str
    title: str
    detail: str
    status: int

    def wire(self) -> dict[str, str | int]:
        """The `error` object of the wire shapes."""
        return {
            "type": self.type,
            "title": self.title,
            "detail": self.detail,
            "status": self.status,
        }


class EveryItemFailedError(InvalidInputError):
    """No item of a batch has a result; `errors` has all of them."""


_IMAGE_TITLES = {
    "empty": "Empty image",
    "format": "Not a readable image",
    "corrupt": "Damaged image",
    "too-large": "Image too large",
}


def image_item_error(error: ImageError) -> ItemError:
    """The item error of an image that cannot be read."""
    return ItemError(
        f"{PROBLEM}image-{error.kind}", _IMAGE_TITLES[error.kind], str(error), status=422
    )


def invalid_item(detail: str) -> ItemError:
    """The item error of wrong input other than an unreadable image."""
    return ItemError(f"{PROBLEM}invalid-input", "Invalid input", detail, status=422)


def missing_item(detail: str) -> ItemError:
    """The item error of something that is not there."""
    return ItemError(f"{PROBLEM}not-found", "Not found", detail, status=404)
