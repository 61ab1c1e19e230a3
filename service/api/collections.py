"""`/v1/collections`."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from service.api.answers import Json
from service.api.bodies import Form, media_type, read_form, read_json
from service.api.callers import while_connected
from service.api.documentation import TEXT, answer, request_body
from service.domain import collections
from service.domain.search import Aim, Match, near_items, near_vector, search
from service.errors import InvalidInputError
from service.results import Results
from service.rules.names import NAME
from service.search import filters
from service.state import State, state_of
from service.storage import collections as storage
from service.storage.collections import Collection
from service.wire import collections as wire

router = APIRouter(prefix="/v1/collections", tags=["collections"])

JSON, MULTIPART = "application/json", "multipart/form-data"
FILE = {"type": "string", "format": "binary"}
K = 10

Name = Annotated[str, Path(pattern=NAME, examples=["photos"])]
Access = Annotated[State, Depends(state_of)]


@router.get(
    "",
    summary="List collections",
    responses={200: answer(wire.Collections, "All collections", wire.COLLECTIONS)},
)
async def list_collections(state: Access) -> Json:
    """By name."""
    found = await asyncio.to_thread(storage.list_collections, state.database)
    content: wire.Collections = {"data": [_collection(one, state) for one in found]}
    return Json(content)


@router.put(
    "/{collection}",
    summary="Make a collection",
    responses={
        200: answer(wire.Collection, "It was there", wire.COLLECTION),
        201: answer(wire.Collection, "A new collection", wire.COLLECTION),
    },
    openapi_extra=request_body(json=wire.CollectionRequest, examples=wire.COLLECTION_REQUESTS),
)
async def put_collection(collection: Name, request: Request, state: Access) -> Json:
    """May be repeated; a collection that is there and differs from what is given is a conflict."""
    body = wire.CollectionRequest()
    if await request.body():
        media_type(request, accepted=(JSON,))
        body = await read_json(request, wire.CollectionRequest)
    made, created = await asyncio.to_thread(
        collections.put_collection,
        state.database,
        state.encoders,
        collection,
        model=body.model,
        keep=body.keep,
        metadata_schema=body.metadata_schema,
    )
    return Json(_collection(made, state), 201 if created else 200)


@router.get(
    "/{collection}",
    summary="One collection",
    responses={200: answer(wire.Collection, "The collection", wire.COLLECTION)},
)
async def get_collection(collection: Name, state: Access) -> Json:
    """What it belongs to and how many items it has."""
    return Json(_collection(await find(state, collection), state))


@router.delete("/{collection}", status_code=204, summary="Remove a collection")
async def delete_collection(collection: Name, state: Access) -> Response:
    """With its items, and the labels that heads have from them."""
    await asyncio.to_thread(collections.delete_collection, state.database, state.index, collection)
    return Response(status_code=204)


@router.post(
    "/{collection}/search",
    summary="Find the nearest items",
    responses={200: answer(wire.Matches, "Matches, best first", wire.MATCHES)},
    openapi_extra=request_body(
        json=wire.SearchRequest,
        examples=wire.SEARCH_REQUESTS,
        form={"k": {"type": "integer"}, "filter": TEXT, "image": FILE},
    ),
)
async def search_collection(collection: Name, request: Request, state: Access) -> Json:
    """By an image, a vector, an item, or items to be like and unlike.

    Exact, by cosine similarity: k come back whenever that many match the filter. Everything that
    was answered before, by any gateway of the same database, is found.
    """
    if media_type(request, accepted=(JSON, MULTIPART)) == MULTIPART:
        form = await read_form(request, state.settings)
        form.expect(texts=("k", "filter"), files=("image",))
        text, k = form.text("filter"), form.integer("k")
        filter = None if text is None else filters.parse(text)
        aim = await _aim_at_image(request, state, collection, form)
    else:
        body = await read_json(request, wire.SearchRequest, distinct=True)
        aim, k, filter = _aim(body), body.k, body.filter
    found, matches = await asyncio.to_thread(
        search,
        state.database,
        state.index,
        collection,
        aim,
        k=K if k is None else k,
        filter=filter,
    )
    content: wire.Matches = {
        "collection": collection,
        "space": found.space,
        "matches": [_match(one) for one in matches],
    }
    return Json(content)


async def find(state: State, name: str) -> Collection:
    """The collection of that name. Raises NotFoundError."""
    return await asyncio.to_thread(storage.get_collection, state.database, name)


async def _aim_at_image(request: Request, state: State, collection: str, form: Form) -> Aim:
    images = form.contents("image")
    if len(images) != 1:
        raise InvalidInputError(f"{len(images)} files named image; send exactly one")
    found = await find(state, collection)
    embedder = state.encoders.of_space(found.space, f"the collection {collection!r}")
    results = await while_connected(request, embedder.embed(Results.of(images)))
    if results.errors:
        raise InvalidInputError(f"image: {results.errors[0].detail}")
    return near_vector(results.good[0].vector.tolist(), found.space)


def _aim(body: wire.SearchRequest) -> Aim:
    if sum(given is not None for given in (body.vector, body.id, body.positive)) != 1:
        raise InvalidInputError("give exactly one of vector, id and positive")
    if body.negative is not None and body.positive is None:
        raise InvalidInputError("negative goes with positive; give that too")
    if body.space is not None and body.vector is None:
        raise InvalidInputError("space goes with vector; leave it out")
    if body.vector is not None:
        return near_vector(body.vector, body.space)
    if body.id is not None:
        return near_items([body.id])
    return near_items(body.positive or (), body.negative or ())


def _match(match: Match) -> wire.Match:
    return {
        "id": match.item.id,
        "score": match.score,
        "label": match.item.label,
        "metadata": match.item.metadata,
    }


def _collection(collection: Collection, state: State) -> wire.Collection:
    held = state.index.status(collection)
    return {
        "name": collection.name,
        "model": collection.model,
        "space": collection.space,
        "dim": collection.dim,
        "keep": collection.keep,
        "metadata_schema": collection.metadata_schema,
        "count": collection.count,
        "created_at": collection.created_at,
        "index": {
            "kind": held.kind,
            "status": held.status,
            "count": held.count,
        },
    }
