"""The one place where errors become answers: RFC 9457 problem documents."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service import errors
from service.api.answers import Json
from service.errors import InvalidInputError, ItemError, ServiceError, UnavailableError
from service.wire.problems import (
    BatchProblemDocument,
    FailedItem,
    IndexedProblem,
    ItemProblem,
    ProblemDocument,
)
from zoo.validation import first_error

PROBLEM = "urn:encoder-zoo:problem:"
"""Prefix of every problem's `type`; what follows is the kind of the error."""

_KINDS: dict[str, tuple[int, str]] = {
    "malformed": (400, "Malformed request"),
    "unauthorized": (401, "Unauthorized"),
    "invalid-input": (422, "Invalid input"),
    "not-found": (404, "Not found"),
    "conflict": (409, "Conflict"),
    "space-mismatch": (409, "Different embedding space"),
    "too-large": (413, "Too large"),
    "unsupported-media-type": (415, "Unsupported content type"),
    "not-acceptable": (406, "Not acceptable"),
    "caller-left": (499, "Caller left"),
    "overloaded": (429, "Too many requests"),
    "unavailable": (503, "Unavailable"),
    "every-item-failed": (422, "No item could be processed"),
    "internal": (500, "Internal error"),
    # Of one image in a batch.
    "image-empty": (422, "Empty image"),
    "image-format": (422, "Not a readable image"),
    "image-corrupt": (422, "Damaged image"),
    "image-too-large": (422, "Image too large"),
    "image-no-direction": (422, "No embedding"),
}
"""The status and title of every kind of error."""


class Problem(Json):
    """An `application/problem+json` answer."""

    media_type = "application/problem+json"


def problem(
    instance: str, kind: str, detail: str, headers: Mapping[str, str] | None = None
) -> Problem:
    """A problem document of a kind; `instance` is the path of the request."""
    return Problem(_document(instance, kind, detail), _KINDS[kind][0], headers)


def of(instance: str, error: ServiceError) -> Problem:
    """The problem document of a domain error."""
    document: ProblemDocument | BatchProblemDocument
    document = _document(instance, error.kind, str(error))
    headers = {}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, InvalidInputError) and error.errors:
        listed: list[IndexedProblem] = [
            {"index": i, **item_problem(one)} for i, one in sorted(error.errors.items())
        ]
        document = {**document, "errors": listed}
    return Problem(document, document["status"], headers)


def item_problem(error: ItemError) -> ItemProblem:
    """The `error` object of one item in a batch."""
    status, title = _KINDS[error.kind]
    return {
        "type": f"{PROBLEM}{error.kind}",
        "title": title,
        "detail": error.detail,
        "status": status,
    }


def failed_item(index: int, error: ItemError) -> FailedItem:
    """An item of a batch that has no result."""
    return {"index": index, "error": item_problem(error)}


def _document(instance: str, kind: str, detail: str) -> ProblemDocument:
    status, title = _KINDS[kind]
    return {
        "type": f"{PROBLEM}{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
    }


def unexpected(instance: str) -> Problem:
    """The problem document of a fault in the gateway itself; what it was stays in the log."""
    return problem(
        instance,
        "internal",
        "the gateway failed in a way it should not; its log says how, under this request's id",
    )


def install(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    app.add_exception_handler(ServiceError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _framework)
    app.add_exception_handler(ClientDisconnect, _left)


async def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return of(request.url.path, error)


async def _left(request: Request, _: Exception) -> Response:
    return of(request.url.path, errors.CallerLeftError("the caller left while sending the body"))


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        detail = f"the body is not JSON: {first.get('ctx', {}).get('error', first['msg'])}"
        return of(request.url.path, errors.MalformedError(detail))
    return of(request.url.path, errors.InvalidInputError(first_error(error)))


async def _framework(request: Request, error: Exception) -> Response:
    """404, 405 and whatever else the framework answers by itself."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"no such path: {request.url.path}; see /docs for what there is"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here; see the Allow header, or /docs"
    document: ProblemDocument = {
        "type": PROBLEM + phrase.lower().replace(" ", "-"),
        "title": phrase,
        "status": error.status_code,
        "detail": detail,
        "instance": request.url.path,
    }
    return Problem(document, error.status_code, error.headers)
