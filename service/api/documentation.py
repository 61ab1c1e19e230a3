"""What FastAPI cannot read off the routes: bodies of several content types, and problems."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from service.wire.problems import BatchProblemDocument, ProblemDocument

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FILES: Schema = {"type": "array", "items": {"type": "string", "format": "binary"}}
TEXTS: Schema = {"type": "array", "items": TEXT}

_REFERENCE = "#/components/schemas/{model}"
_components: dict[str, Schema] = {}


def request_body(
    *,
    json: type[BaseModel] | None = None,
    examples: dict[str, Any] | None = None,
    form: dict[str, Schema] | None = None,
) -> Schema:
    """`openapi_extra` of a route that reads its body itself, as JSON, as multipart, or as either.

    Args:
        json: shape of the JSON form.
        examples: bodies of the JSON form, by what they show.
        form: schema of each field of the multipart form, text fields first.
    """
    content: Schema = {}
    if json is not None:
        content["application/json"] = {
            "schema": _register(json),
            "examples": {name: {"value": value} for name, value in (examples or {}).items()},
        }
    if form is not None:
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": form}}
    return {"requestBody": {"required": True, "content": content}}


def answer(model: Any, description: str, examples: dict[str, Any]) -> Schema:
    """The `responses` entry of one status, with example answers by what they show.

    Args:
        model: a TypedDict of `service.wire`.
    """
    values = {name: {"value": value} for name, value in examples.items()}
    return {
        "model": model,
        "description": description,
        "content": {"application/json": {"examples": values}},
    }


def install(app: FastAPI, routers: Sequence[APIRouter]) -> None:
    """Make `/openapi.json` tell what the routes read and what errors look like."""

    def openapi() -> Schema:
        if not app.openapi_schema:
            app.openapi_schema = _document(app, routers)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, routers: Sequence[APIRouter]) -> Schema:
    document = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    _restore_nulls(document, routers)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    # FastAPI describes its own form of validation errors, which is never sent.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    problem = {"anyOf": [_register(ProblemDocument), _register(BatchProblemDocument)]}
    schemas.update(_components)
    components["schemas"] = dict(sorted(schemas.items()))
    components["responses"] = {
        "Problem": {
            "description": "Any error: a problem document",
            "content": {"application/problem+json": {"schema": problem}},
        }
    }
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
            if path.startswith("/v1/"):
                # A gateway without keys lets everyone in: the second, empty, alternative.
                operation["security"] = [{"key": []}, {}]
    return document


def _restore_nulls(document: Schema, routers: Sequence[APIRouter]) -> None:
    """FastAPI drops nulls from example answers: put the examples there as they were given."""
    for route in (route for router in routers for route in router.routes):
        if not isinstance(route, APIRoute):
            continue
        for status, given in route.responses.items():
            media = given.get("content", {}).get("application/json", {})
            for method in (route.methods or ()) if "examples" in media else ():
                operation = document["paths"][route.path_format][method.lower()]
                content = operation["responses"][str(status)]["content"]["application/json"]
                content["examples"] = media["examples"]


def _register(model: Any) -> Schema:
    """Put a model and what it consists of among the components; a reference to it."""
    schema = TypeAdapter(model).json_schema(ref_template=_REFERENCE)
    _components.update(schema.pop("$defs", {}))
    _components[model.__name__] = schema
    return {"$ref": _REFERENCE.format(model=model.__name__)}
