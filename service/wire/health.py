"""Shapes of the probes."""

from typing import Any, Literal

from typing_extensions import TypedDict


class Alive(TypedDict):
    """The process lives."""

    status: Literal["alive"]


class Ready(TypedDict):
    """Every served encoder has just embedded its golden image as it should."""

    status: Literal["ready"]
    models: list[str]


READY_ANSWER: dict[str, Any] = {"ready": {"status": "ready", "models": ["efficientnet-lite0@1"]}}
