"""Answers have the documented shape, and nothing besides."""

import copy
import json
from typing import Any

import jsonschema
import pytest

from service import openapi
from tests.service.conftest import closed

DOCUMENT = json.loads(openapi.PATH.read_text("utf-8"))
ANSWERS = [
    pytest.param(media["schema"], example["value"], id=f"{method} {path} {status}: {name}")
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    for status, answer in operation["responses"].items()
    for media in [answer.get("content", {}).get("application/json", {})]
    for name, example in media.get("examples", {}).items()
]


def valid(content: Any, schema: Any) -> bool:
    whole = {**schema, "components": closed(DOCUMENT["components"])}
    return bool(jsonschema.Draft202012Validator(whole).is_valid(content))


@pytest.mark.parametrize(("schema", "example"), ANSWERS)
def test_the_examples_are_what_is_documented(schema: Any, example: Any) -> None:
    assert valid(example, schema)


@pytest.mark.parametrize(("schema", "example"), ANSWERS)
def test_a_further_key_or_a_missing_one_is_noticed_at_any_depth(schema: Any, example: Any) -> None:
    changed = 0
    for path in _documented_objects(example):
        extra, poorer = copy.deepcopy(example), copy.deepcopy(example)
        _at(extra, path)["secret"] = 1
        assert not valid(extra, schema), path
        del _at(poorer, path)[next(iter(_at(poorer, path)))]
        assert not valid(poorer, schema), path
        changed += 1
    assert changed


def _documented_objects(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where there is an object whose keys are documented: all but a caller's own metadata."""
    if isinstance(content, list):
        return [p for i, one in enumerate(content) for p in _documented_objects(one, (*path, i))]
    if not isinstance(content, dict) or path[-1:] in (("metadata",), ("metadata_schema",)):
        return []
    inner = [p for k, one in content.items() for p in _documented_objects(one, (*path, k))]
    return [path, *inner]


def _at(content: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        content = content[step]
    return content
