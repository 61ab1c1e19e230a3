"""Runs the gateway under uvicorn."""

import contextlib
import socket
import sys
from collections.abc import Callable

import structlog
import uvicorn

from service.app import create_app
from service.logs import configure_logs
from service.settings import Settings

log = structlog.get_logger()


def serve(
    settings: Settings | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; requests in flight are answered first.

    `on_ready` is called once, when requests are answered.

    Raises:
        zoo.errors.ZooError: an encoder cannot be served; the message says why.
        OSError: the address is taken.
    """
    settings = settings or Settings()
    configure_logs()
    app = create_app(settings)
    config = uvicorn.Config(
        app,
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


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
