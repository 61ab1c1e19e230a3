"""ASGI middleware, ahead of anything that reads a body: request ids, keys and the body limit."""

import hashlib
import hmac
import time
import uuid

import structlog
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import metrics
from service.api import problems
from service.errors import TooLargeError
from service.settings import Settings

log = structlog.get_logger()

OPEN_PATHS = frozenset(
    {"/", "/livez", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/oauth2-redirect"}
)
"""What needs no key: probes, figures and documentation."""


def install_middleware(app: FastAPI, settings: Settings) -> None:
    """Wrap the application; what is added last comes first."""
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    if settings.keys:
        app.add_middleware(Authentication, keys=settings.keys)
    app.add_middleware(Observation)


class Observation:
    """Gives each request an id, a line in the log, its place in the figures, and an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if 0 < len(given) <= 128 and given.isprintable() else uuid.uuid4().hex
        started = time.perf_counter()
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, answer)
            except Exception:
                log.exception("unexpected error", path=scope["path"])
                if not status:
                    await problems.unexpected(scope["path"])(scope, receive, answer)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        # The route, not the path: names of collections must not become labels without end.
        route = getattr(scope.get("route"), "path", "none")
        metrics.REQUESTS.labels(scope["method"], route, str(status)).inc()
        metrics.REQUEST_SECONDS.labels(scope["method"], route).observe(seconds)
        write = log.debug if scope["path"] in OPEN_PATHS else log.info
        write(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            milliseconds=round(1000 * seconds, 1),
        )


class Authentication:
    """Lets in who brings one of the keys (`Authorization: Bearer <key>`)."""

    def __init__(self, app: ASGIApp, keys: tuple[str, ...]) -> None:
        self.app = app
        self._keys = [_digest(key) for key in keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 401."""
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or self._known(scope):
            return await self.app(scope, receive, send)
        refusal = problems.problem(
            scope["path"],
            "unauthorized",
            "this gateway wants a key: send the header Authorization: Bearer <key>",
            {"WWW-Authenticate": "Bearer"},
        )
        return await refusal(scope, receive, send)

    def _known(self, scope: Scope) -> bool:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        given = _digest(key.strip())
        # Every key is compared, in constant time: the answer's time says nothing of any of them.
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        return scheme.lower() == "bearer" and any(matches)


class BodyLimit:
    """Refuses bodies beyond the limit with 413: by their declared length, else as they arrive."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 413."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        error = TooLargeError(
            f"the request is larger than {self._max_bytes:,} bytes; send it in parts"
        )
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_bytes:
            return await problems.of(scope["path"], error)(scope, receive, send)
        seen, refused = 0, False

        async def count() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > self._max_bytes:
                    raise error
            return message

        async def answer(message: Message) -> None:
            # Frameworks may turn the error into one of their own; the answer is 413 all the same.
            nonlocal refused
            if seen <= self._max_bytes:
                await send(message)
            elif message["type"] == "http.response.start" and not refused:
                refused = True
                await problems.of(scope["path"], error)(scope, receive, send)

        return await self.app(scope, count, answer)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
