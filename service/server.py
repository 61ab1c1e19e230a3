"""Runs the gateway under uvicorn."""

import contextlib
import socket
import sys
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.app import create_app
from service.errors import ServiceError
from service.logs import configure_logs
from service.settings import Settings
from zoo.errors import ZooError


def serve(
    settings: Settings | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are answered first.

    `on_ready` is called once, when requests are answered.

    Where a model or the database cannot be opened, the log says why and the exit status is 1.

    Raises:
        OSError: the address is taken.
    """
    settings = settings or Settings()
    configure_logs()
    config = uvicorn.Config(
        _failing_plainly(create_app(settings)),
        host=host,
        port=port,
        lifespan="on",
        log_config=None,
        access_log=False,  # the middleware writes one line a request
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    with socket.create_server((host, port), family=_family(host)) as listener:
        server = _Server(config, on_ready)
        # uvicorn raises the signal again once it has shut down; by then all is done.
        with contextlib.suppress(KeyboardInterrupt):
            server.run([listener])
    if not server.started:
        sys.exit(1)  # the log has said why


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready:
            self._on_ready()


def _failing_plainly(app: ASGIApp) -> ASGIApp:
    """A start that fails for a known reason is one line in the log, without a traceback."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await app(scope, receive, send)

        async def answer(message: Message) -> None:
            if message["type"] != "lifespan.startup.failed":
                await send(message)

        try:
            await app(scope, receive, answer)
        except (ZooError, ServiceError, OSError) as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})

    return wrapped


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
