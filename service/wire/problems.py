"""Shapes of errors."""

from typing import Annotated

from pydantic import Field, with_config
from typing_extensions import TypedDict


class ItemProblem(TypedDict):
    """Why one item of a batch has no result."""

    type: Annotated[str, Field(description="a stable URN, for programs")]
    title: str
    detail: Annotated[str, Field(description="what is wrong and what to do")]
    status: Annotated[int, Field(description="what a request for this item alone would answer")]


class IndexedProblem(ItemProblem):
    """Why an item has no result, with its place in the request."""

    index: int


class FailedItem(TypedDict):
    """An item of a batch that has no result."""

    index: Annotated[int, Field(description="place in the request")]
    error: ItemProblem


@with_config(
    json_schema_extra={
        "example": {
            "type": "urn:encoder-zoo:problem:not-found",
            "title": "Not found",
            "status": 404,
            "detail": "no model 'clip' is served here; there is efficientnet-lite0@1",
            "instance": "/v1/embeddings",
        }
    }
)
class ProblemDocument(TypedDict):
    """RFC 9457; every answer of 400 and above."""

    type: Annotated[str, Field(description="a stable URN, for programs")]
    title: str
    status: int
    detail: Annotated[str, Field(description="what is wrong and what to do")]
    instance: Annotated[str, Field(description="path of the request")]


class BatchProblemDocument(ProblemDocument):
    """As `ProblemDocument`, where items of a batch had a part in it."""

    errors: Annotated[list[IndexedProblem], Field(description="why each of them failed")]


EXAMPLE_ITEM_PROBLEM = {
    "type": "urn:encoder-zoo:problem:image-corrupt",
    "title": "Damaged image",
    "detail": "the image is damaged or incomplete (image file is truncated)",
    "status": 422,
}
