"""The checked-in OpenAPI document."""

import json
import subprocess
import sys
from typing import Any

from service import openapi


def test_it_is_the_applications() -> None:
    assert openapi.PATH.read_text("utf-8") == openapi.current(), (
        "the API has changed; if it should have, run python -m service.openapi"
    )


def operations() -> list[tuple[str, str, Any]]:
    document = json.loads(openapi.PATH.read_text("utf-8"))
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_under_v1_is_described_with_examples() -> None:
    for method, path, operation in operations():
        assert operation["summary"], path
        assert operation["description"], path
        assert operation["responses"]["default"]["$ref"] == "#/components/responses/Problem"
        if not path.startswith("/v1/") or method == "delete":
            continue
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or body.get("examples"), f"{method} {path} has no example of a request"
        for answer in operation["responses"].values():
            content = answer.get("content", {}).get("application/json")
            assert content is None or _has_example(content), f"{method} {path}: no answer's example"


def test_every_reference_leads_somewhere() -> None:
    text = openapi.PATH.read_text("utf-8")
    document = json.loads(text)

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [one for value in node.values() for one in references(value)]
        return (
            [one for value in node for one in references(value)] if isinstance(node, list) else []
        )

    for reference in references(document):
        target = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]


def test_the_application_is_made_without_torch() -> None:
    code = "import sys, service.server, heads; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _has_example(content: dict[str, Any]) -> bool:
    if content.get("examples") or content.get("example"):
        return True
    document = json.loads(openapi.PATH.read_text("utf-8"))
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    schema = document["components"]["schemas"].get(name, {})
    return "example" in schema
