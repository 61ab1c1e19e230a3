"""`/v1/collections/{c}/items`."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.answers import Json
from service.api.bodies import Form, check_count, each_valid, media_type, read_form, read_json
from service.api.callers import while_connected
from service.api.collections import FILE, JSON, MULTIPART, Access, Name, find
from service.api.documentation import FILES, TEXTS, answer, request_body
from service.api.problems import failed_item
from service.domain import collections, ingest
from service.domain.archives import read_archive
from service.domain.ingest import Draft, OnExisting, Prepared, Stored
from service.embedding.encoders import check_space
from service.errors import InvalidInputError
from service.results import Results
from service.rules import exact_json
from service.rules.ids import LookedUp
from service.search import filters
from service.state import State
from service.storage import items
from service.storage.collections import Collection
from service.storage.item_rows import Item
from service.wire import collections as wire
from service.wire.problems import FailedItem

router = APIRouter(prefix="/v1/collections/{collection}", tags=["items"])

ARCHIVE = {**FILE, "description": "a zip with a folder a class, or with a labels.csv (path,label)"}

ItemId = Annotated[LookedUp, Path(examples=["p-17"])]


@router.post(
    "/items",
    summary="Add or change items",
    responses={200: answer(wire.ItemResults, "What became of each", wire.ITEM_RESULTS)},
    openapi_extra=request_body(
        json=wire.ItemsRequest,
        examples=wire.ITEMS_REQUESTS,
        form={
            "on_existing": {"type": "string", "enum": list(get_args(OnExisting))},
            "ids": TEXTS,
            "labels": TEXTS,
            "metadata": TEXTS,
            "images": FILES,
            "archive": ARCHIVE,
        },
    ),
)
async def post_items(collection: Name, request: Request, state: Access) -> Json:
    """Images or vectors. `on_existing` says what becomes of an item whose id is there.

    `merge`, the default, keeps what the request does not name: a label that is not sent stays, ""
    or null clears it; metadata is a JSON merge patch (RFC 7396), in which null removes a key.
    `replace` keeps nothing, `skip` everything. Thumbnail and original are of the image that was
    sent with the vector: with another image, or another vector alone, they go.

    Ids, labels ("" for none) and metadata (JSON, "" for nothing to change) are repeated in the
    order of the images; what has no id is given one. All good items are stored together; a bad one
    has its error, and 422 is for when all are bad. An item that is sent as it is already is
    `unchanged`.

    A file of an archive has its path there as its id, with `:` for `/`, and as its label the
    innermost folder that holds it. A first folder named train, val, validation or test is a split
    and no label. What lies in no folder has no label; with a labels.csv, that decides.
    """
    form = media_type(request, accepted=(JSON, MULTIPART)) == MULTIPART
    found = await find(state, collection)
    paths: Sequence[str] = ()
    if form:
        prepared, on_existing, paths = await _images(request, state, found)
    else:
        prepared, on_existing = await _vectors(request, state, found)
    results = await asyncio.to_thread(ingest.store, state.database, found, prepared, on_existing)
    results.require_some("no item could be stored; see errors for why")
    content: wire.ItemResults = {
        "collection": collection,
        "data": _of_files(results, paths) if paths else _of_items(results),
    }
    return Json(content)


@router.get(
    "/items",
    summary="Read items, page by page",
    responses={200: answer(wire.ItemPage, "A page", wire.ITEM_PAGE)},
)
async def list_items(
    collection: Name,
    state: Access,
    limit: Annotated[int, Query(description="from 1 to 1000")] = 100,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before")] = None,
    filter: Annotated[str | None, Query(description=wire.FILTER)] = None,
    vectors: Annotated[bool, Query(description="with their vectors")] = False,
) -> Json:
    """In the order they were created; items added meanwhile come at the end."""
    _, found, next_cursor = await asyncio.to_thread(
        collections.page,
        state.database,
        collection,
        cursor=cursor,
        limit=limit,
        filter=None if filter is None else filters.parse(filter),
        vectors=vectors,
    )
    content: wire.ItemPage = {
        "collection": collection,
        "data": [_with_vector(one) for one in found] if vectors else [_item(one) for one in found],
        "next_cursor": next_cursor,
    }
    return Json(content)


@router.post(
    "/items:delete",
    summary="Remove items by id or filter",
    responses={200: answer(wire.Deleted, "How many there were", wire.DELETED)},
    openapi_extra=request_body(json=wire.DeleteRequest, examples=wire.DELETE_REQUESTS),
)
async def delete_items(collection: Name, request: Request, state: Access) -> Json:
    """Ids that are not there are passed over, so that a request can be repeated."""
    media_type(request, accepted=(JSON,))
    # {"not": .., "not": ..} would lose a condition, and remove more.
    body = await read_json(request, wire.DeleteRequest, distinct=True)
    check_count(len(body.ids or ()), state.settings)
    deleted = await asyncio.to_thread(
        collections.delete_items, state.database, collection, ids=body.ids, filter=body.filter
    )
    content: wire.Deleted = {"collection": collection, "deleted": deleted}
    return Json(content)


@router.get(
    "/items/{item}",
    summary="One item",
    responses={200: answer(wire.ItemWithVector, "The item, with its vector", wire.ITEM)},
)
async def get_item(collection: Name, item: ItemId, state: Access) -> Json:
    """With its vector."""
    found = await asyncio.to_thread(collections.get_item, state.database, collection, item)
    return Json(_with_vector(found))


@router.patch(
    "/items/{item}",
    summary="Change an item's label or metadata",
    responses={200: answer(wire.ItemWithVector, "The item as it is now", wire.ITEM)},
    openapi_extra=request_body(json=wire.ItemChanges, examples=wire.ITEM_CHANGES),
)
async def patch_item(collection: Name, item: ItemId, request: Request, state: Access) -> Json:
    """What is left out stays; metadata is a JSON merge patch."""
    media_type(request, accepted=(JSON, "application/merge-patch+json"))
    body = await read_json(request, wire.ItemChanges)
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    changed = await asyncio.to_thread(
        collections.change_item, state.database, collection, item, changes
    )
    return Json(_with_vector(changed))


@router.delete("/items/{item}", status_code=204, summary="Remove an item")
async def delete_item(collection: Name, item: ItemId, state: Access) -> Response:
    """With its thumbnail, its original, and the labels that heads have from it."""
    await asyncio.to_thread(collections.delete_item, state.database, collection, item)
    return Response(status_code=204)


@router.get(
    "/items/{item}/thumbnail",
    summary="An item's thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "At most 256 pixels a side"}},
)
async def get_thumbnail(collection: Name, item: ItemId, state: Access) -> Response:
    """Where the collection keeps thumbnails or originals, and the item was sent as an image."""
    found = await find(state, collection)
    file = await asyncio.to_thread(items.get_file, state.database, found, item, "thumbnail")
    return Response(file.content, media_type=file.media_type)


async def _images(
    request: Request, state: State, collection: Collection
) -> tuple[Results[Prepared], OnExisting, Sequence[str]]:
    """Items of a multipart body; what to do where they are; and of an archive, its files' paths."""
    form = await read_form(request, state.settings)
    form.expect(texts=("on_existing", *_EACH), files=("images", "archive"))
    on_existing = _on_existing(form)
    embedder = state.encoders.of_space(collection.space, f"the collection {collection.name!r}")
    paths: Sequence[str] = ()
    if archives := form.contents("archive"):
        if len(archives) > 1 or form.texts.keys() & _EACH or "images" in form.files:
            raise InvalidInputError(
                "give one archive alone, without images, ids, labels and metadata"
            )
        unpacked = await asyncio.to_thread(
            read_archive,
            archives[0],
            max_files=state.settings.max_items,
            max_bytes=state.settings.max_expanded_bytes,
        )
        paths = unpacked.paths
        images = unpacked.files.each(lambda file: file.content)
        drafts = unpacked.files.each(lambda file: Draft(file.id, file.label))
    else:
        images = Results.of(form.contents("images"))
        if not images:
            raise InvalidInputError("there are no images; send images, or an archive")
        drafts = Results.of(_drafts(form, len(images)))
    work = ingest.prepare_images(
        state.database,
        embedder,
        collection,
        drafts,
        images,
        state.settings.max_pixels,
        on_existing,
    )
    return await while_connected(request, work), on_existing, paths


_EACH = frozenset(("ids", "labels", "metadata"))
"""Text fields that are repeated, once for each image."""


def _on_existing(form: Form) -> OnExisting:
    given = form.text("on_existing") or "merge"
    for choice in get_args(OnExisting):
        if given == choice:
            return cast(OnExisting, choice)
    raise InvalidInputError(f"on_existing is merge, replace or skip, not {given!r:.100}")


def _drafts(form: Form, count: int) -> list[Draft]:
    none = [""] * count
    ids = form.each("ids", count, "images") or none
    labels = form.each("labels", count, "images")
    metadata = form.each("metadata", count, "images") or none
    return [
        Draft(ids[i], None if labels is None else labels[i], _metadata(metadata[i]))
        for i in range(count)
    ]


def _metadata(text: str) -> Any:
    """What a text field holds; what is not JSON is refused later, with the item it belongs to."""
    try:
        return exact_json.loads(text.encode()) if text else {}
    except ValueError:
        return text


async def _vectors(
    request: Request, state: State, collection: Collection
) -> tuple[Results[Prepared], OnExisting]:
    body = await read_json(request, wire.ItemsEnvelope)
    check_space(body.space, collection.space, f"the collection {collection.name!r}")
    check_count(len(body.items), state.settings)
    if not body.items:
        raise InvalidInputError("there are no items; send at least one")
    return await asyncio.to_thread(_prepared, body.items, collection), body.on_existing


def _prepared(given: Sequence[Any], collection: Collection) -> Results[Prepared]:
    drafts = each_valid(given, wire.NewItem).each(lambda one: (_draft(one), one.vector))
    return ingest.prepare_vectors(collection, drafts)


def _draft(item: wire.NewItem) -> Draft:
    label = item.label
    if label is None and "label" in item.model_fields_set:
        label = ""  # null, which clears it
    return Draft(item.id, label, item.metadata)


def _of_items(results: Results[Stored]) -> list[wire.StoredItem | FailedItem]:
    return results.in_order(_stored, failed_item)


def _of_files(
    results: Results[Stored], paths: Sequence[str]
) -> list[wire.StoredFile | wire.FailedFile]:
    return results.in_order(
        lambda i, one: {**_stored(i, one), "path": paths[i]},
        lambda i, error: {**failed_item(i, error), "path": paths[i]},
    )


def _stored(index: int, one: Stored) -> wire.StoredItem:
    return {"index": index, "id": one.id, "status": one.status}


def _item(item: Item) -> wire.Item:
    return {
        "id": item.id,
        "label": item.label,
        "metadata": item.metadata,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _with_vector(item: Item) -> wire.ItemWithVector:
    assert item.vector is not None  # it was asked for
    return {**_item(item), "vector": item.vector}
