"""The one place where errors become answers: RFC 9457 problem documents."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service import errors
from service.api.answers import Json
from service.errors import PROBLEM, InvalidInputError, ServiceError, UnavailableError

_KINDS: dict[type[ServiceError], tuple[int, str, str]] = {
    errors.MalformedError: (400, "malformed", "Malformed request"),
    errors.InvalidInputError: (422, "invalid-input", "Invalid input"),
    errors.NotFoundError: (404, "not-found", "Not found"),
    errors.ConflictError: (409, "conflict", "Conflict"),
    errors.SpaceMismatchError: (409, "space-mismatch", "Different embedding space"),
    errors.TooLargeError: (413, "too-large", "Too large"),
    errors.UnsupportedMediaTypeError: (415, "unsupported-media-type", "Unsupported content type"),
    errors.NotAcceptableError: (406, "not-acceptable", "Not acceptable"),
    errors.CallerLeftError: (499, "caller-left", "Caller left"),
    errors.OverloadedError: (429, "overloaded", "Too many requests"),
    errors.UnavailableError: (503, "unavailable", "Unavailable"),
    errors.EveryItemFailedError: (422, "every-item-failed", "No item could be processed"),
}


class Problem(Json):
    """An `application/problem+json` answer."""

    media_type = "application/problem+json"


def problem(
    instance: str,
    status: int,
    kind: str,
    title: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Problem:
    """A problem document; `instance` is the path of the request, `members` are extensions."""
    content = {
        "type": f"{PROBLEM}{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        **members,
    }
    return Problem(content, status, headers=dict(headers or {}))


def of(instance: str, error: ServiceError) -> Problem:
    """The problem document of a domain error."""
    status, kind, title = next(_KINDS[cls] for cls in type(error).__mro__ if cls in _KINDS)
    headers, members = {}, {}
    if isinstance(error, UnavailableError):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, InvalidInputError) and error.errors:
        members["errors"] = [{"index": i, **e.wire()} for i, e in error.errors.items()]
    return problem(instance, status, kind, title, str(error), headers=headers, **members)


def unexpected(instance: str) -> Problem:
    """The problem document of a fault in the gateway itself; what it was stays in the log."""
    return problem(
        instance,
        500,
        "internal",
        "Internal error",
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
    where = ".".join(str(part) for part in first["loc"])
    return of(request.url.path, errors.InvalidInputError(f"{where}: {first['msg']}"))


async def _framework(request: Request, error: Exception) -> Response:
    """404, 405 and whatever else the framework answers by itself."""
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    detail = str(error.detail)
    if error.status_code == 404:
        detail = f"no such path: {request.url.path}; see /docs for what there is"
    elif error.status_code == 405:
        detail = f"{request.method} is not possible here; see the Allow header, or /docs"
    kind = phrase.lower().replace(" ", "-")
    return problem(request.url.path, error.status_code, kind, phrase, detail, headers=error.headers)
