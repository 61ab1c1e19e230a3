"""Shapes of `/v1/embeddings`."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from service.wire.annotations import Numbers
from service.wire.problems import EXAMPLE_ITEM_PROBLEM, FailedItem

Encoding = Literal["float", "base64"]


class EmbeddingRequest(BaseModel):
    """Images as base64 or data URIs; the form is OpenAI's."""

    model_config = ConfigDict(extra="forbid")

    input: str | list[str] = Field(
        description="one image or several, each as base64 or as a data URI"
    )
    model: str | None = Field(None, description="name or name@version; default: the first served")
    encoding_format: Encoding = Field(
        "float", description="base64: little-endian float32, as OpenAI's clients ask for"
    )
    dimensions: int | None = Field(None, description="the model's own dim, or nothing")
    normalize: bool = Field(True, description="bring embeddings to unit length")
    user: str | None = Field(None, description="read and not used, for OpenAI's clients")


class Embedding(TypedDict):
    """One image's embedding."""

    object: Literal["embedding"]
    index: Annotated[int, Field(description="place in the request")]
    embedding: Annotated[Numbers | str, Field(description="numbers, or base64 where asked for")]


class NoEmbedding(FailedItem):
    """Why an image has none."""

    object: Literal["embedding"]
    embedding: None


class Usage(TypedDict):
    """Always zero: images have no tokens."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(TypedDict):
    """An embedding or an error for every image, in the order of the request."""

    object: Literal["list"]
    model: str
    space: Annotated[str, Field(description="embeddings of one space may be compared")]
    variant: str
    data: list[Embedding | NoEmbedding]
    usage: Usage


REQUEST_EXAMPLES: dict[str, Any] = {
    "a data URI": {"input": ["data:image/png;base64,iVBORw0KGgoAAAANSUhEUg..."]},
    "base64 answers": {"input": "iVBORw0KGgoAAAANSUhEUg...", "encoding_format": "base64"},
}
ANSWER_EXAMPLES: dict[str, Any] = {
    "one of two images is damaged": {
        "object": "list",
        "model": "efficientnet-lite0@1",
        "space": "ca564b3bde005012cfad76d0de24686d91919ce739ec05c262bc4286d6e7b987",
        "variant": "onnxruntime-fp32",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.0123, -0.0456, 0.0789]},
            {"object": "embedding", "index": 1, "embedding": None, "error": EXAMPLE_ITEM_PROBLEM},
        ],
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
}
