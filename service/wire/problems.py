"""Shapes of errors."""

from pydantic import BaseModel, ConfigDict, Field


class ItemProblem(BaseModel):
    """Why one item of a batch has no result."""

    type: str = Field(description="a stable URN, for programs")
    title: str
    detail: str = Field(description="what is wrong and what to do")
    status: int = Field(description="what a request for this item alone would answer")


class IndexedProblem(ItemProblem):
    """Why an item has no result, with its place in the request."""

    index: int


class ProblemDocument(BaseModel):
    """RFC 9457; every answer of 400 and above."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:encoder-zoo:problem:not-found",
                "title": "Not found",
                "status": 404,
                "detail": "no model 'clip' is served here; there is simclr-r18-small@2",
                "instance": "/v1/embeddings",
            }
        }
    )

    type: str = Field(description="a stable URN, for programs")
    title: str
    status: int
    detail: str = Field(description="what is wrong and what to do")
    instance: str = Field(description="path of the request")
    errors: list[IndexedProblem] | None = Field(
        None, description="where every item of a batch failed: why each did"
    )


EXAMPLE_ITEM_PROBLEM = {
    "type": "urn:encoder-zoo:problem:image-corrupt",
    "title": "Damaged image",
    "detail": "the image is damaged or incomplete (image file is truncated)",
    "status": 422,
}
