"""`/v1/models`: which encoders are served."""

from typing import Annotated

from fastapi import APIRouter, Depends

from service.api.answers import Json
from service.api.documentation import answer
from service.embedding.embedder import Embedder
from service.state import State, state_of
from service.wire.models import MODEL_ANSWER, MODELS_ANSWER, Model, Models

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get(
    "",
    summary="List the served encoders",
    responses={200: answer(Models, "The default one first", MODELS_ANSWER)},
)
async def list_models(state: Annotated[State, Depends(state_of)]) -> Json:
    """The default model is the first."""
    data = [_wire(embedder, state) for embedder in state.encoders]
    content: Models = {"object": "list", "data": data}
    return Json(content)


@router.get(
    "/{model}",
    summary="One served encoder",
    responses={200: answer(Model, "The encoder", MODEL_ANSWER)},
)
async def get_model(model: str, state: Annotated[State, Depends(state_of)]) -> Json:
    """By name, or by name@version."""
    return Json(_wire(state.encoders.get(model), state))


def _wire(embedder: Embedder, state: State) -> Model:
    manifest, settings = embedder.manifest, state.settings
    return {
        "object": "model",
        "id": manifest.reference,
        "name": manifest.name,
        "version": manifest.version,
        "owned_by": "encoder-zoo",
        "method": manifest.method,
        "dim": manifest.dim,
        "space": manifest.space,
        "variant": embedder.variant,
        "default": embedder is state.encoders.get(),
        "input": dict(manifest.input),  # with the fields that `model.json` leaves out too
        "limits": {
            "max_batch": settings.max_batch,
            "max_body_bytes": settings.max_body_bytes,
            "max_items": settings.max_items,
            "max_pixels": settings.max_pixels,
            "max_queue": settings.max_queue,
        },
        "queue": {"admitted": embedder.admitted, "waiting": embedder.batcher.waiting},
    }
