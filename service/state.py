"""What lives as long as the gateway runs: settings, database and encoders."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from fastapi import Request
from sqlalchemy import Engine

from service.embedding.encoders import Encoders, open_encoders
from service.embedding.readiness import Probe, Readiness
from service.search.gpu import open_search_device
from service.search.index import VectorIndex
from service.search.memory import MemoryIndex
from service.settings import Settings
from service.storage.database import open_database
from service.storage.models_in_use import models_in_use
from zoo.errors import PackageError
from zoo.keep import keep_builtin


@dataclass(frozen=True)
class State:
    """Everything a request may need."""

    settings: Settings
    database: Engine
    encoders: Encoders
    index: VectorIndex
    readiness: Readiness


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[State]:
    """Open everything, and close it in the opposite order.

    Raises:
        zoo.errors.ZooError: an encoder cannot be served.
        service.storage.database.DatabaseError: the database cannot be used.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        database = await asyncio.to_thread(open_database, _database_url(settings))
        stack.callback(database.dispose)
        in_use = await asyncio.to_thread(models_in_use, database)
        await asyncio.to_thread(_keep, in_use)
        encoders = await asyncio.to_thread(open_encoders, settings, in_use)
        for embedder in encoders:
            embedder.start()
            stack.push_async_callback(embedder.close)
        readiness = Readiness([Probe(embedder) for embedder in encoders])
        index = MemoryIndex(open_search_device(settings.search_device))
        yield State(settings, database, encoders, index, readiness)


def state_of(request: Request) -> State:
    """The state, as a dependency of the routes."""
    state: State = request.app.state.gateway
    return state


def _keep(models: Sequence[str]) -> None:
    """Let the store have what collections and heads need; until a next release it can wait."""
    log = structlog.get_logger()
    try:
        for model in keep_builtin(models):
            log.info("kept in the store", model=model, detail="collections or heads are of it")
    except (OSError, PackageError) as error:
        log.warning(
            "not kept in the store",
            detail=f"{error}: a later release may come without a model that collections or heads "
            "need; see to it before you install one",
        )


def _database_url(settings: Settings) -> str:
    return settings.database_url or f"sqlite:///{settings.home / 'gateway.db'}"
