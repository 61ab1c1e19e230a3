"""`/livez`, `/readyz`, `/metrics`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.api.answers import Json
from service.api.documentation import answer
from service.state import State, state_of
from service.wire.health import READY_ANSWER, Alive, Ready

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    summary="Whether the process lives",
    responses={200: answer(Alive, "It does", {"alive": {"status": "alive"}})},
)
async def livez() -> Json:
    """Answers as long as the event loop turns."""
    content: Alive = {"status": "alive"}
    return Json(content)


@router.get(
    "/readyz",
    summary="Whether requests are answered",
    responses={200: answer(Ready, "They are", READY_ANSWER)},
)
async def readyz(state: Annotated[State, Depends(state_of)]) -> Json:
    """Runs a golden image of every served encoder through decoding, queue and encoder.

    The result holds for a second, so that probes cost little.
    """
    content: Ready = {"status": "ready", "models": await state.readiness.check()}
    return Json(content)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics() -> Response:
    """In Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
