"""Shapes of `/v1/models`."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from zoo.images import InputBlock


class Limits(BaseModel):
    """What one request may ask for."""

    max_batch: int = Field(description="images in one run of the encoder")
    max_body_bytes: int
    max_items: int = Field(description="images, vectors or ids in one request")
    max_pixels: int = Field(description="pixels of one image")
    max_queue: int = Field(description="images admitted and not yet answered; beyond: 429")


class Queue(BaseModel):
    """How busy the encoder is."""

    admitted: int = Field(description="images admitted and not yet answered")
    waiting: int = Field(description="of these, decoded and waiting for the encoder")


class Model(BaseModel):
    """One served encoder."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "object": "model",
                "id": "simclr-r18-small",
                "name": "simclr-r18-small",
                "version": "1",
                "owned_by": "encoder-zoo",
                "method": "simclr",
                "dim": 512,
                "space": "5a3c0d6be0f7a4a2c1f0f6e1f9f0a8a5a7d4b1a5c0a1d2e3f4a5b6c7d8e9f0a1",
                "variant": "onnxruntime-fp32",
                "default": True,
                "input": {
                    "size": 64,
                    "crop": 1.0,
                    "interpolation": "bicubic",
                    "mean": [0.0, 0.0, 0.0],
                    "std": [1.0, 1.0, 1.0],
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
        }
    )

    object: Literal["model"]
    id: str = Field(description="the name, where OpenAI's clients look for it")
    name: str
    version: str
    owned_by: str
    method: str = Field(description="how it was trained")
    dim: int = Field(description="numbers in an embedding")
    space: str = Field(description="digest of the embedding space")
    variant: str = Field(description="how the embeddings are computed")
    default: bool = Field(description="whether it answers where a request names no model")
    input: InputBlock
    limits: Limits
    queue: Queue


class Models(BaseModel):
    """All served encoders, the default first."""

    object: Literal["list"]
    data: list[Model]
