"""What lives as long as the gateway runs: settings and encoders."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from fastapi import Request

from service.encoders import Encoders, open_encoders
from service.readiness import Probe, Readiness
from service.settings import Settings


@dataclass(frozen=True)
class State:
    """Everything a request may need."""

    settings: Settings
    encoders: Encoders
    readiness: Readiness


@asynccontextmanager
async def open_state(settings: Settings) -> AsyncIterator[State]:
    """Open everything, and close it in the opposite order.

    Raises:
        zoo.errors.ZooError: an encoder cannot be served.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        encoders = await asyncio.to_thread(open_encoders, settings)
        for embedder in encoders:
            embedder.start()
            stack.push_async_callback(embedder.close)
        readiness = Readiness([Probe(embedder) for embedder in encoders])
        yield State(settings, encoders, readiness)


def state_of(request: Request) -> State:
    """The state, as a dependency of the routes."""
    state: State = request.app.state.gateway
    return state
