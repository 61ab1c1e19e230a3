"""Shapes of the probes."""

from typing import Any, Literal

from pydantic import BaseModel


class Alive(BaseModel):
    """The process lives."""

    status: Literal["alive"]


class Ready(BaseModel):
    """Every served encoder has just embedded its golden image as it should."""

    status: Literal["ready"]
    models: list[str]


READY_ANSWER: dict[str, Any] = {"ready": {"status": "ready", "models": ["simclr-r18-small@2"]}}
