"""`POST /v1/embeddings`."""

import asyncio
import base64
import binascii
import io
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Request, Response

from service.api.answers import Json
from service.api.bodies import check_count, media_type, read_form, read_json
from service.api.callers import while_connected
from service.api.documentation import FILES, TEXT, answer, request_body
from service.api.problems import failed_item
from service.embedding.embedder import Embedded, Embedder
from service.errors import (
    InvalidInputError,
    ItemError,
    NotAcceptableError,
    invalid_item,
)
from service.results import Results
from service.settings import Settings
from service.state import State, state_of
from service.wire.embeddings import (
    ANSWER_EXAMPLES,
    REQUEST_EXAMPLES,
    Embedding,
    EmbeddingRequest,
    Embeddings,
    Encoding,
    NoEmbedding,
)
from zoo.arrays import Vector

router = APIRouter(prefix="/v1/embeddings", tags=["embeddings"])

JSON, MULTIPART, NPY = "application/json", "multipart/form-data", "application/x-npy"
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class _Asked:
    """A request in whichever form it came."""

    files: Results[bytes]
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
    if not len(asked.files):
        raise InvalidInputError("there is no image in the request; send at least one")
    embedder = state.encoders.get(asked.model)
    if asked.dimensions not in (None, embedder.manifest.dim):
        raise InvalidInputError(
            f"dimensions: this model gives {embedder.manifest.dim}; leave it out"
        )
    results = await while_connected(request, embedder.embed(asked.files, asked.normalize))
    results.require_some("no image could be embedded; see errors for why")
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
        Results.of(form.contents("images")),
        form.text("model"),
        "base64" if encoding == "base64" else "float",
        form.integer("dimensions"),
        _FLAGS[normalize.lower()],
    )


async def _from_json(request: Request, settings: Settings) -> _Asked:
    body = await read_json(request, EmbeddingRequest)
    inputs = [body.input] if isinstance(body.input, str) else body.input
    check_count(len(inputs), settings)
    files = await asyncio.to_thread(Results.of(inputs).each, _image_bytes)
    return _Asked(files, body.model, body.encoding_format, body.dimensions, body.normalize)


def _image_bytes(text: str) -> bytes:
    """The bytes of base64 or of a data URI. Raises ItemFailedError: it is neither."""
    if text[:8].lower().startswith(("http://", "https://")):
        raise invalid_item("URLs are not fetched here; send the image itself, as base64")
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise invalid_item("a data URI must be data:<type>;base64,<data>")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_item(f"neither base64 nor a data URI ({error})") from None


def _json(results: Results[Embedded], embedder: Embedder, encoding: Encoding) -> Response:
    def embedding(index: int, embedded: Embedded) -> Embedding:
        vector = embedded.vector
        return {
            "object": "embedding",
            "index": index,
            "embedding": _base64(vector) if encoding == "base64" else vector,
        }

    def no_embedding(index: int, error: ItemError) -> NoEmbedding:
        return {"object": "embedding", "embedding": None, **failed_item(index, error)}

    data: list[Embedding | NoEmbedding] = results.in_order(embedding, no_embedding)
    content: Embeddings = {
        "object": "list",
        "model": embedder.manifest.reference,
        "space": embedder.manifest.space,
        "variant": embedder.variant,
        "data": data,
        "usage": {"prompt_tokens": 0, "total_tokens": 0},
    }
    return Json(content)


def _npy(results: Results[Embedded], embedder: Embedder) -> Response:
    rows = np.full((len(results), embedder.manifest.dim), np.nan, "<f4")
    for index, embedded in results.good.items():
        rows[index] = embedded.vector
    buffer = io.BytesIO()
    np.save(buffer, rows, allow_pickle=False)
    headers = {
        "x-model": embedder.manifest.reference,
        "x-space": embedder.manifest.space,
        "x-variant": embedder.variant,
    }
    if results.errors:
        headers["x-item-errors"] = ",".join(map(str, sorted(results.errors)))
    return Response(buffer.getvalue(), headers=headers, media_type=NPY)


def _base64(vector: Vector) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
