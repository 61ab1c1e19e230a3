"""The gateway as an ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI

from service.api import documentation, problems, routers
from service.api.middleware import install_middleware
from service.settings import Settings
from service.state import open_state

DESCRIPTION = """\
Turns images into embeddings, and embeddings into answers: classify from a handful of labels, find
what looks alike.

Errors are problem documents (RFC 9457, `application/problem+json`). In a batch every item has its
own result or its own error.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application; models and database are opened when it starts, not here."""
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_state(settings) as state:
            app.state.gateway = state
            yield

    app = FastAPI(
        title="Encoder Zoo",
        version=version("encoder-zoo"),
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    for router in routers:
        app.include_router(router)
    problems.install(app)
    documentation.install(app, routers)
    install_middleware(app, settings)
    return app
