"""What lives as long as the gateway runs: settings, database and encoders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy import Engine

from service.embedding.encoders import Encoders, open_encoders
from service.embedding.readiness import Probe, Readiness
from service.search.gpu import open_search_device
from service.search.index import VectorIndex
from service.search.memory import MemoryIndex
from service.settings import Settings
from service.storage.database import open_database


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
        encoders, database = await asyncio.gather(
            asyncio.to_thread(open_encoders, settings),
            asyncio.to_thread(open_database, _database_url(settings)),
        )
        stack.callback(database.dispose)
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


def _database_url(settings: Settings) -> str:
    return settings.database_url or f"sqlite:///{settings.home / 'gateway.db'}"
