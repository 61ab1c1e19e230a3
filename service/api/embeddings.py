"""`POST /v1/embeddings`."""

import asyncio
import base64
import binascii
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from service.api.answers import Json
from service.api.bodies import media_type, read_form, read_json
from service.api.callers import while_connected
from service.api.documentation import FILES, TEXT, answer, request_body
from service.embedding.embedder import Embedded, Embedder, Vector
from service.errors import (
    EveryItemFailedError,
    InvalidInputError,
    ItemError,
    NotAcceptableError,
    TooLargeError,
    invalid_item,
)
from service.settings import Settings
from service.state import State, state_of
from service.wire.embeddings import (
    ANSWER_EXAMPLES,
    REQUEST_EXAMPLES,
    EmbeddingRequest,
    Embeddings,
    Encoding,
)

router = APIRouter(prefix="/v1/embeddings", tags=["embeddings"])

JSON, MULTIPART, NPY = "application/json", "multipart/form-data", "application/x-npy"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class _Asked:
    """A request in whichever form it came. `files` has an error in the place of a bad item."""

    files: Sequence[bytes | ItemError]
    model: str | None
    encoding: Encoding = "float"
    dimensions: int | None = None
    normalize: bool = True


@router.post(
    "",
    summary="Embed images",
    responses={
        200: answer(Embeddings, "Embeddings in the order of the images", ANSWER_EXAMPLES),
    },
    openapi_extra=request_body(
        json=EmbeddingRequest,
        examples=REQUEST_EXAMPLES,
        form={
            "model": TEXT,
            "normalize": {"type": "string", "enum": list(_FLAGS)},
            "encoding_format": {"type": "string", "enum": ["float", "base64"]},
            "dimensions": {"type": "integer"},
            "images": FILES,
        },
    ),
)
async def create_embeddings(
    request: Request, state: Annotated[State, Depends(state_of)]
) -> Response:
    """Every image has its embedding or its own error; 422 only where all of them failed.

    With `Accept: application/x-npy` the answer is a NumPy file, float32 (n, dim), where a bad
    image is a row of NaN and its place is named in the header `x-item-errors`.
    """
    as_npy = _wants_npy(request)
    form = media_type(request, accepted=(JSON, MULTIPART)) == MULTIPART
    asked = await (_from_form if form else _from_json)(request, state.settings)
    if not asked.files:
        raise InvalidInputError("there is no image in the request; send at least one")
    embedder = state.encoders.get(asked.model)
    if asked.dimensions not in (None, embedder.manifest.dim):
        raise InvalidInputError(
            f"dimensions: this model gives {embedder.manifest.dim}; leave it out"
        )
    results = await while_connected(request, _embed(embedder, asked))
    errors = {i: r for i, r in enumerate(results) if isinstance(r, ItemError)}
    if len(errors) == len(results):
        raise EveryItemFailedError("no image could be embedded; see errors for why", errors)
    # In a thread: millions of numbers take a while to write down.
    if as_npy:
        return await asyncio.to_thread(_npy, results, embedder)
    return await asyncio.to_thread(_json, results, embedder, asked.encoding)


def _wants_npy(request: Request) -> bool:
    wanted = [
        part.partition(";")[0].strip() for part in request.headers.get("accept", "").split(",")
    ]
    if NPY in wanted:
        return True
    if any(form in ("", "*/*", "application/*", JSON) for form in wanted):
        return False
    raise NotAcceptableError(f"answers are {JSON} or {NPY}; ask for one of them")


async def _from_form(request: Request, settings: Settings) -> _Asked:
    form = await read_form(request, settings)
    form.expect(texts=("model", "normalize", "encoding_format", "dimensions"), files=("images",))
    normalize = form.text("normalize") or "true"
    if normalize.lower() not in _FLAGS:
        raise InvalidInputError(f"normalize must be true or false, not {normalize!r}")
    encoding = form.text("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise InvalidInputError(f"encoding_format must be float or base64, not {encoding!r}")
    return _Asked(
        form.files.get("images", ()),
        form.text("model"),
        "base64" if encoding == "base64" else "float",
        form.integer("dimensions"),
        _FLAGS[normalize.lower()],
    )


async def _from_json(request: Request, settings: Settings) -> _Asked:
    body = await read_json(request, EmbeddingRequest)
    inputs = [body.input] if isinstance(body.input, str) else body.input
    if len(inputs) > settings.max_items:
        raise TooLargeError(f"{len(inputs)} images in one request; at most {settings.max_items}")
    files = await asyncio.to_thread(lambda: [_image_bytes(text) for text in inputs])
    return _Asked(files, body.model, body.encoding_format, body.dimensions, body.normalize)


def _image_bytes(text: str) -> bytes | ItemError:
    """The bytes of base64 or of a data URI."""
    if text[:8].lower().startswith(("http://", "https://")):
        return invalid_item("URLs are not fetched here; send the image itself, as base64")
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            return invalid_item("a data URI must be data:<type>;base64,<data>")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        return invalid_item(f"neither base64 nor a data URI ({error})")


async def _embed(embedder: Embedder, asked: _Asked) -> list[Embedded | ItemError]:
    good = [data for data in asked.files if isinstance(data, bytes)]
    embedded = iter(await embedder.embed(good, asked.normalize))
    return [data if isinstance(data, ItemError) else next(embedded) for data in asked.files]


def _json(
    results: Sequence[Embedded | ItemError], embedder: Embedder, encoding: Encoding
) -> Response:
    return Json(
        {
            "object": "list",
            "model": embedder.manifest.reference,
            "space": embedder.manifest.space,
            "variant": embedder.variant,
            "data": [_item(i, result, encoding) for i, result in enumerate(results)],
            "usage": {"prompt_tokens": 0, "total_tokens": 0},
        }
    )


def _item(index: int, result: Embedded | ItemError, encoding: Encoding) -> dict[str, Any]:
    item: dict[str, Any] = {"object": "embedding", "index": index}
    if isinstance(result, ItemError):
        return {**item, "embedding": None, "error": result.wire()}
    if encoding == "base64":
        return {**item, "embedding": base64.b64encode(_little(result.vector)).decode()}
    return {**item, "embedding": result.vector}


def _npy(results: Sequence[Embedded | ItemError], embedder: Embedder) -> Response:
    rows = np.full((len(results), embedder.manifest.dim), np.nan, "<f4")
    bad = []
    for index, result in enumerate(results):
        if isinstance(result, ItemError):
            bad.append(str(index))
        else:
            rows[index] = result.vector
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    headers = {
        "x-model": embedder.manifest.reference,
        "x-space": embedder.manifest.space,
        "x-variant": embedder.variant,
    }
    if bad:
        headers["x-item-errors"] = ",".join(bad)
    return Response(buffer.getvalue(), headers=headers, media_type=NPY)


def _little(vector: Vector) -> bytes:
    return vector.astype("<f4").tobytes()
