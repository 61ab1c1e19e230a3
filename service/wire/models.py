"""Shapes of `/v1/models`."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from service.wire.annotations import SentAs
from zoo.images import InputBlock


class Limits(TypedDict):
    """What one request may ask for."""

    max_batch: Annotated[int, Field(description="images in one run of the encoder")]
    max_body_bytes: int
    max_items: Annotated[int, Field(description="images, vectors or ids in one request")]
    max_pixels: Annotated[int, Field(description="pixels of one image")]
    max_queue: Annotated[
        int, Field(description="images admitted and not yet answered; beyond: 429")
    ]


class Queue(TypedDict):
    """How busy the encoder is."""

    admitted: Annotated[int, Field(description="images admitted and not yet answered")]
    waiting: Annotated[int, Field(description="of these, decoded and waiting for the encoder")]


class Model(TypedDict):
    """One served encoder."""

    object: Literal["model"]
    id: Annotated[str, Field(description="name@version, as answers name the model")]
    name: str
    version: str
    owned_by: str
    method: Annotated[str, Field(description="how it was trained")]
    dim: Annotated[int, Field(description="numbers in an embedding")]
    space: Annotated[str, Field(description="digest of the embedding space")]
    variant: Annotated[str, Field(description="how the embeddings are computed")]
    default: Annotated[bool, Field(description="whether it answers where a request names no model")]
    input: Annotated[dict[str, Any], SentAs(InputBlock)]
    limits: Limits
    queue: Queue


class Models(TypedDict):
    """All served encoders, the default first."""

    object: Literal["list"]
    data: list[Model]


_MODEL: dict[str, Any] = {
    "object": "model",
    "id": "efficientnet-lite0@1",
    "name": "efficientnet-lite0",
    "version": "1",
    "owned_by": "encoder-zoo",
    "method": "supervised",
    "dim": 1280,
    "space": "ca564b3bde005012cfad76d0de24686d91919ce739ec05c262bc4286d6e7b987",
    "variant": "onnxruntime-fp32",
    "default": True,
    "input": {
        "size": 224,
        "crop": 0.875,
        "squash": False,
        "interpolation": "bicubic",
        "antialias": True,
        "mean": [0.4980392156862745, 0.4980392156862745, 0.4980392156862745],
        "std": [0.5019607843137255, 0.5019607843137255, 0.5019607843137255],
    },
    "limits": {
        "max_batch": 32,
        "max_body_bytes": 134217728,
        "max_items": 10000,
        "max_pixels": 50000000,
        "max_queue": 1024,
    },
    "queue": {"admitted": 3, "waiting": 1},
}
MODEL_ANSWER: dict[str, Any] = {"the default model": _MODEL}
MODELS_ANSWER: dict[str, Any] = {"one model": {"object": "list", "data": [_MODEL]}}
