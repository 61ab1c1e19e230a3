"""`/v1/heads`."""

import asyncio
from collections.abc import Collection, Sequence
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Request, Response

from service.api.answers import Json
from service.api.bodies import check_count, media_type, read_form, read_json
from service.api.callers import while_connected
from service.api.documentation import FILES, TEXT, TEXTS, answer, request_body
from service.api.labelled import label_changes, label_changes_json, label_set, label_set_json
from service.api.problems import failed_item
from service.domain import fitting, labels
from service.domain.fitting import Fit, Prediction
from service.embedding.encoders import check_space
from service.errors import InvalidInputError, NotFoundError
from service.results import Results
from service.rules.names import NAME
from service.rules.vectors import unit_vector
from service.state import State, state_of
from service.storage import head_rows
from service.storage.head_rows import Example, Head, Version
from service.wire import head_examples as examples
from service.wire import heads as wire
from service.wire.problems import FailedItem
from zoo.arrays import Vector

router = APIRouter(prefix="/v1/heads", tags=["heads"])

JSON, MULTIPART = "application/json", "multipart/form-data"
ARCHIVE = {
    "type": "string",
    "format": "binary",
    "description": "a zip with a folder a class, or with a labels.csv (path,label)",
}
TOP = 3

Name = Annotated[str, Path(pattern=NAME, examples=["clothes"])]
Access = Annotated[State, Depends(state_of)]


@router.get(
    "",
    summary="List heads",
    responses={200: answer(wire.Heads, "All heads", examples.HEADS_ANSWER)},
)
async def list_heads(state: Access) -> Json:
    """By name."""
    found = await asyncio.to_thread(head_rows.list_heads, state.database)
    content: wire.Heads = {"data": [_head(head) for head in found]}
    return Json(content)


@router.put(
    "/{head}",
    summary="Set a head's label set and fit it",
    responses={
        200: answer(wire.HeadPut, "A further version of a head", examples.PUT_AGAIN_ANSWER),
        201: answer(wire.HeadPut, "A new head", examples.FIT_ANSWER),
    },
    openapi_extra=request_body(
        json=wire.HeadRequest,
        examples=examples.HEAD_EXAMPLES,
        form={
            "model": TEXT,
            "labels": TEXTS,
            "ids": TEXTS,
            "images": FILES,
            "archive": ARCHIVE,
        },
    ),
)
async def put_head(head: Name, request: Request, state: Access) -> Json:
    """From labelled images, an archive of them, vectors, or a collection's labelled items.

    What the head had before is replaced, and the version fitted now is the one that answers. Bad
    items are left out and have their error; at least two classes must remain. Where an archive has
    splits, the head learns from train alone; files of other splits have an error that says so.

    Images without ids have the names of their files, with `:` for `/`, by which the report names
    them; a second image of the same name is `photo.jpg (2)`. What has no name that can be an id is
    given one. The same image under the same name counts once.
    """
    before = await _find_if_there(state, head)
    form = media_type(request, accepted=(JSON, MULTIPART)) == MULTIPART
    origin, given = await (label_set if form else label_set_json)(request, state, before)
    fit = await asyncio.to_thread(fitting.put, state.database, head, origin, given)
    content: wire.HeadPut = {**_fit(fit), "items": given.in_order(_labelled_item, failed_item)}
    return Json(content, 201 if fit.created else 200)


@router.get(
    "/{head}",
    summary="One head",
    responses={200: answer(wire.Head, "The head", examples.HEAD_ANSWER)},
)
async def get_head(head: Name, state: Access) -> Json:
    """What it belongs to, and which version answers."""
    return Json(_head(await _find(state, head)))


@router.delete("/{head}", status_code=204, summary="Remove a head")
async def delete_head(head: Name, state: Access) -> Response:
    """With its labels and versions."""
    await asyncio.to_thread(head_rows.delete_head, state.database, head)
    return Response(status_code=204)


@router.post(
    "/{head}/labels",
    summary="Add, change and remove labels",
    responses={200: answer(wire.Labels, "What became of each", examples.LABELS_ANSWER)},
    openapi_extra=request_body(
        json=wire.LabelsRequest,
        examples=examples.LABELS_EXAMPLES,
        form={"labels": TEXTS, "ids": TEXTS, "images": FILES, "archive": ARCHIVE},
    ),
)
async def change_labels(head: Name, request: Request, state: Access) -> Json:
    """An id that is there is replaced. Versions stay as they are until the head is fitted.

    Images sent without ids have the names of their files, as in a new label set; another image of a
    name that is there is added beside it, as `photo.jpg (2)`.
    """
    found = await _find(state, head)
    remove: Sequence[str] = ()
    by_file: Collection[int] = ()
    if media_type(request, accepted=(JSON, MULTIPART)) == MULTIPART:
        given, by_file = await label_changes(request, state, found)
    else:
        given, remove = await label_changes_json(request, state, found)
    changed = await asyncio.to_thread(
        labels.change_labels, state.database, head, given, remove, by_file
    )
    after = await _find(state, head)
    content: wire.Labels = {
        "head": head,
        "labels": after.labels,
        "data": changed.in_order(_label_result, failed_item),
    }
    return Json(content)


@router.post(
    "/{head}/fit",
    summary="Fit a further version",
    responses={200: answer(wire.HeadFit, "The version", examples.REFIT_ANSWER)},
)
async def fit_head(head: Name, state: Access) -> Json:
    """To the head's labels as they are now. It is the version that answers from then on."""
    return Json(_fit(await asyncio.to_thread(fitting.refit, state.database, head)))


@router.get(
    "/{head}/versions",
    summary="The versions of a head",
    responses={200: answer(wire.HeadVersions, "Oldest first", examples.VERSIONS_ANSWER)},
)
async def list_versions(head: Name, state: Access) -> Json:
    """With their reports."""
    found = await _find(state, head)
    versions = await asyncio.to_thread(head_rows.versions, state.database, head)
    content: wire.HeadVersions = {
        "head": head,
        "live": found.live,
        "data": [_version(found, version) for version in versions],
    }
    return Json(content)


@router.get(
    "/{head}/versions/{version}",
    summary="One version",
    responses={200: answer(wire.HeadVersion, "The version", examples.VERSION_ANSWER)},
)
async def get_version(head: Name, version: int, state: Access) -> Json:
    """With its report."""
    found = await _find(state, head)
    return Json(
        _version(found, await asyncio.to_thread(head_rows.version, state.database, head, version))
    )


@router.put(
    "/{head}/live",
    summary="Choose the version that answers",
    responses={200: answer(wire.Head, "The head", examples.HEAD_ANSWER)},
    openapi_extra=request_body(json=wire.LiveRequest, examples=examples.LIVE_EXAMPLES),
)
async def set_live(head: Name, request: Request, state: Access) -> Json:
    """To roll back, or forth; the next fit is live again."""
    media_type(request, accepted=(JSON,))
    body = await read_json(request, wire.LiveRequest)
    return Json(
        _head(await asyncio.to_thread(head_rows.set_live, state.database, head, body.version))
    )


@router.post(
    "/{head}/classify",
    summary="Classify images, items or vectors",
    responses={200: answer(wire.Classifications, "In their order", examples.CLASSIFY_ANSWER)},
    openapi_extra=request_body(
        json=wire.ClassifyRequest,
        examples=examples.CLASSIFY_EXAMPLES,
        form={"top": {"type": "integer"}, "version": {"type": "integer"}, "images": FILES},
    ),
)
async def classify(head: Name, request: Request, state: Access) -> Json:
    """Every item has its classes or its own error; 422 only where all of them failed."""
    found = await _find(state, head)
    ids: list[str] | None = None
    vectors: Results[Vector]
    if media_type(request, accepted=(JSON, MULTIPART)) == MULTIPART:
        form = await read_form(request, state.settings)
        form.expect(texts=("top", "version"), files=("images",))
        top, version = form.integer("top"), form.integer("version")
        vectors = await _image_vectors(request, state, found, form.contents("images"))
    else:
        body = await read_json(request, wire.ClassifyRequest)
        check_space(body.space, found.space, f"the head {head!r}")
        top, version, ids = body.top, body.version, body.ids
        vectors = await asyncio.to_thread(_vectors, body, state, found)
    if top is not None and top < 1:
        raise InvalidInputError(f"top must be 1 or more, not {top}")
    number = found.live if version is None else version
    results = await asyncio.to_thread(
        fitting.classify, state.database, head, number, vectors, top or TOP
    )
    content: wire.Classifications = {
        "head": head,
        "version": number,
        "data": _classifications(results) if ids is None else _of_items(results, ids),
    }
    return Json(content)


async def _image_vectors(
    request: Request, state: State, head: Head, files: Sequence[bytes]
) -> Results[Vector]:
    if not files:
        raise InvalidInputError("there are no images; send at least one")
    embedder = state.encoders.of_space(head.space, f"the head {head.name!r}")
    results = await while_connected(request, embedder.embed(Results.of(files)))
    return results.each(lambda embedded: embedded.vector)


def _vectors(body: wire.ClassifyRequest, state: State, head: Head) -> Results[Vector]:
    given = body.ids if body.vectors is None else body.vectors
    if given is None or (body.ids is not None and body.vectors is not None):
        raise InvalidInputError("give either ids with their collection, or vectors")
    if not given:
        raise InvalidInputError("there is nothing to classify; give at least one id or vector")
    check_count(len(given), state.settings)
    if body.vectors is not None:
        return Results.of(body.vectors).each(lambda vector: unit_vector(vector, head.dim))
    if body.collection is None:
        raise InvalidInputError("ids need the collection they are in; give collection")
    ids = body.ids or []
    find = labels.item_finder(state.database, body.collection, head.space, ids)
    return Results.of(ids).each(lambda one: find(one).vector)


async def _find(state: State, name: str) -> Head:
    return await asyncio.to_thread(head_rows.get_head, state.database, name)


async def _find_if_there(state: State, name: str) -> Head | None:
    try:
        return await _find(state, name)
    except NotFoundError:
        return None


def _head(head: Head) -> wire.Head:
    return {
        "head": head.name,
        "live": head.live,
        "last": head.last,
        "model": head.model,
        "space": head.space,
        "dim": head.dim,
        "labels": head.labels,
        "created_at": head.created_at,
        "updated_at": head.updated_at,
    }


def _version(head: Head, version: Version) -> wire.HeadVersion:
    return {
        "head": head.name,
        "version": version.number,
        "live": head.live,
        "model": head.model,
        "space": head.space,
        "classes": cast(list[wire.HeadClass], version.classes),
        "report": cast(wire.Report, version.report),
        "created_at": version.created_at,
    }


def _fit(fit: Fit) -> wire.HeadFit:
    return {
        "head": fit.head.name,
        "version": fit.head.last,
        "live": fit.head.live,
        "model": fit.head.model,
        "space": fit.head.space,
        "classes": cast(list[wire.HeadClass], fit.fitted.classes),
        "report": cast(wire.Report, fit.fitted.report),
    }


def _labelled_item(index: int, one: Example) -> wire.LabelledItem:
    return {"index": index, "id": one.id}


def _label_result(index: int, changed: tuple[Example, bool]) -> wire.LabelResult:
    one, created = changed
    return {"index": index, "id": one.id, "status": "created" if created else "updated"}


def _classifications(results: Results[Prediction]) -> list[wire.Classification | FailedItem]:
    return results.in_order(_classification, failed_item)


def _of_items(
    results: Results[Prediction], ids: Sequence[str]
) -> list[wire.ItemClassification | wire.FailedItemById]:
    return results.in_order(
        lambda i, top: {**_classification(i, top), "id": ids[i]},
        lambda i, error: {**failed_item(i, error), "id": ids[i]},
    )


def _classification(index: int, top: Prediction) -> wire.Classification:
    label, probability = top[0]
    return {
        "index": index,
        "label": label,
        "unknown": False,
        "probability": probability,
        "top": [{"label": name, "probability": value} for name, value in top],
    }
