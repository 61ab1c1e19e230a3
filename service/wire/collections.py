"""Shapes of `/v1/collections`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from service.domain.ingest import OnExisting
from service.rules.ids import LookedUp
from service.rules.metadata import ValueType
from service.storage.collections import Keep
from service.storage.items import Status
from service.wire.annotations import ID, LABEL, Numbers
from service.wire.problems import EXAMPLE_ITEM_PROBLEM, FailedItem

Metadata = dict[str, Any]
Filter = dict[str, Any]

FILTER = (
    '{"label": "cat"}, {"metadata.site": {"in": ["a", "b"]}}, {"metadata.year": {"gte": 2020}}, '
    '{"and"|"or": [..]}, {"not": {..}}, {"label": {"exists": true}}, {"id": ..}; '
    "a missing key matches nothing but `not`; docs/filters.md of the distribution says all"
)


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CollectionRequest(_Input):
    """What a collection shall be. It cannot be changed later."""

    model: str | None = Field(None, description="name or name@version; default: the first served")
    keep: Keep | None = Field(
        None, description="what is kept of images: nothing (default), a thumbnail, or both"
    )
    metadata_schema: dict[str, ValueType] | None = Field(
        None, description="metadata keys whose type is checked; others may hold anything"
    )


class IndexStatus(TypedDict):
    """The search index in this process; a search first brings it up to date."""

    kind: Literal["exact"]
    status: Literal["ready", "behind"]
    count: Annotated[int, Field(description="items in memory")]


class Collection(TypedDict):
    """A collection."""

    name: str
    model: str
    space: str
    dim: int
    keep: Keep
    metadata_schema: Mapping[str, ValueType]
    count: Annotated[int, Field(description="items")]
    created_at: datetime
    index: IndexStatus


class Collections(TypedDict):
    """Every collection, by name."""

    data: list[Collection]


class NewItem(_Input):
    """An item with its vector."""

    id: str | None = Field(None, description=f"{ID}; default: made")
    vector: list[float] = Field(description="`dim` numbers of any length; stored as unit length")
    label: str | None = Field(
        None, description=f'{LABEL}; absent: as it is; "", blank or null: none'
    )
    metadata: Metadata | None = Field(
        default_factory=dict,
        description="in merge a JSON merge patch (RFC 7396): null removes a key, or all",
    )


class ItemsRequest(_Input):
    """Items with vectors. Each is checked by itself."""

    space: str | None = Field(None, description="the space the vectors are of; checked if given")
    on_existing: OnExisting = Field("merge", description="what becomes of items that are there")
    items: list[NewItem]


class ItemsEnvelope(_Input):
    """`ItemsRequest` before its items are looked at, so that a bad one fails alone."""

    space: str | None = None
    on_existing: OnExisting = "merge"
    items: list[Any]


class StoredItem(TypedDict):
    """What became of one item that could be stored."""

    index: Annotated[int, Field(description="place in the request")]
    id: str
    status: Status


class StoredFile(StoredItem):
    """The same of a file of an archive."""

    path: Annotated[str, Field(description="where it lies in the archive")]


class FailedFile(FailedItem):
    """A file of an archive that could not be stored."""

    path: Annotated[str, Field(description="where it lies in the archive")]


class ItemResults(TypedDict):
    """What became of each item, in the order of the request."""

    collection: str
    data: list[StoredItem | FailedItem] | list[StoredFile | FailedFile]


class Item(TypedDict):
    """An item."""

    id: str
    label: str | None
    metadata: Metadata
    created_at: datetime
    updated_at: datetime


class ItemWithVector(Item):
    """An item with its vector."""

    vector: Annotated[Numbers, Field(description="unit length")]


class ItemPage(TypedDict):
    """Items in the order they were created."""

    collection: str
    data: list[Item] | list[ItemWithVector]
    next_cursor: Annotated[
        str | None, Field(description="`cursor` of the next page; null at the end")
    ]


class ItemChanges(_Input):
    """What to change of an item; what is left out stays."""

    label: str | None = Field(None, description=f"{LABEL}; blank or null clears it")
    metadata: Metadata = Field(
        default_factory=dict, description="a JSON merge patch (RFC 7396): null removes a key"
    )


class DeleteRequest(_Input):
    """Which items to remove: by ids or by a filter."""

    ids: list[LookedUp] | None = None
    filter: Filter | None = Field(None, description=FILTER)


class Deleted(TypedDict):
    """How many items were removed."""

    collection: str
    deleted: int


class SearchRequest(_Input):
    """What to look for: one of vector, id or positive."""

    vector: list[float] | None = None
    space: str | None = Field(None, description="the space of the vector; checked if given")
    id: LookedUp | None = Field(None, description="an item; it is not found itself")
    positive: list[LookedUp] | None = Field(
        None, description="items to be like; not found themselves"
    )
    negative: list[LookedUp] | None = Field(
        None,
        description="items to be unlike: the direction is p + (p - n), p and n being the means",
    )
    k: int = Field(10, description="how many, from 1 to 1000")
    filter: Filter | None = Field(None, description=FILTER)


class Match(TypedDict):
    """A found item."""

    id: str
    score: Annotated[float, Field(description="cosine similarity")]
    label: str | None
    metadata: Metadata


class Matches(TypedDict):
    """Found items, best first."""

    collection: str
    space: str
    matches: list[Match]


_SPACE = "ca564b3bde005012cfad76d0de24686d91919ce739ec05c262bc4286d6e7b987"
_MOMENT = "2026-01-31T09:30:00.000000+00:00"
_METADATA = {"site": "north", "year": 2021}
_COLLECTION = {
    "name": "photos",
    "model": "efficientnet-lite0@1",
    "space": _SPACE,
    "dim": 1280,
    "keep": "thumbnail",
    "metadata_schema": {"site": "string", "year": "integer"},
    "count": 1200,
    "created_at": _MOMENT,
    "index": {"kind": "exact", "status": "ready", "count": 1200},
}
_ITEM = {
    "id": "p-17",
    "label": "cat",
    "metadata": _METADATA,
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}

COLLECTION_REQUESTS: dict[str, Any] = {
    "with thumbnails and typed metadata": {
        "keep": "thumbnail",
        "metadata_schema": {"site": "string", "year": "integer"},
    }
}
COLLECTION: dict[str, Any] = {"a collection": _COLLECTION}
COLLECTIONS: dict[str, Any] = {"one collection": {"data": [_COLLECTION]}}
ITEMS_REQUESTS: dict[str, Any] = {
    "a vector": {
        "space": _SPACE,
        "items": [
            {"id": "p-17", "vector": [0.12, -0.45, 0.78], "label": "cat", "metadata": _METADATA}
        ],
    }
}
ITEM_RESULTS: dict[str, Any] = {
    "one of two images is damaged": {
        "collection": "photos",
        "data": [
            {"index": 0, "id": "p-17", "status": "created"},
            {"index": 1, "error": EXAMPLE_ITEM_PROBLEM},
        ],
    }
}
ITEM: dict[str, Any] = {"an item": {**_ITEM, "vector": [0.6, 0.0, -0.8]}}
ITEM_PAGE: dict[str, Any] = {
    "a page": {"collection": "photos", "data": [_ITEM], "next_cursor": "17"}
}
ITEM_CHANGES: dict[str, Any] = {"label it": {"label": "cat"}}
DELETE_REQUESTS: dict[str, Any] = {
    "by id": {"ids": ["p-17"]},
    "by filter": {"filter": {"metadata.year": {"lt": 2020}}},
}
DELETED: dict[str, Any] = {"one item": {"collection": "photos", "deleted": 1}}
SEARCH_REQUESTS: dict[str, Any] = {
    "like an item": {"id": "p-17", "k": 5},
    "like some, unlike others": {
        "positive": ["p-17", "p-18"],
        "negative": ["p-3"],
        "filter": {"metadata.site": {"in": ["north", "south"]}},
    },
}
MATCHES: dict[str, Any] = {
    "one match": {
        "collection": "photos",
        "space": _SPACE,
        "matches": [{"id": "p-17", "score": 0.93, "label": "cat", "metadata": _METADATA}],
    }
}
