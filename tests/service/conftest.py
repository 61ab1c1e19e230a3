"""A real gateway in a process of its own, on loopback, with a home that is thrown away."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from service import openapi
from tests.service.databases import DATABASES, empty_database
from tests.waiting import PATIENCE, wait_for_line

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Gateway:
    """A running gateway."""

    url: str
    process: subprocess.Popen[bytes]
    home: Path
    log: Path

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=240, **options)

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 80


@contextmanager
def run_gateway(home: Path, wait: str = "readyz", **settings: str) -> Iterator[Gateway]:
    """Start `python -m service` with ZOO_* settings; once it has started, `wait` answers with 200.

    It serves the built-in model alone, unless ZOO_MODELS says otherwise ("" for the default).
    It is killed at the end if it still runs.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("ZOO_")}
    settings = {"ZOO_HOME": str(home), "ZOO_MODELS": "simclr-r18-small", **settings}
    environment = {**inherited, "PORT": str(port), **settings}
    home.mkdir(parents=True, exist_ok=True)
    log = home / f"gateway-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], cwd=ROOT, env=environment, stderr=output
        )
    url = f"http://127.0.0.1:{port}"
    try:
        if not wait_for_line(process, log, "Application startup complete."):
            pytest.fail(f"the gateway stopped at once: {log.read_text()}")
        answer = httpx.get(f"{url}/{wait}", timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        yield Gateway(url, process, home, log)
    finally:
        process.kill()
        process.wait()


on_both_databases = pytest.mark.parametrize("database", DATABASES, indirect=True)
"""Marks tests, or a module of them, that are run over PostgreSQL too."""


@pytest.fixture(scope="session", params=["sqlite"])
def database(request: pytest.FixtureRequest) -> str:
    """The kind of database that gateways use; SQLite where a test does not ask for both."""
    return str(request.param)


@pytest.fixture(scope="session")
def gateway(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all tests that do not change its settings or stop it."""
    home = tmp_path_factory.mktemp("gateway")
    with empty_database(database, home) as url, run_gateway(home, ZOO_DATABASE_URL=url) as running:
        yield running


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """A client of the shared gateway."""
    with gateway.client() as connected:
        yield connected


@pytest.fixture
def start_gateway(database: str, tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """Start gateways of one's own: `start_gateway(ZOO_MAX_QUEUE="4")`, all on one database."""
    with ExitStack() as stack:
        url = stack.enter_context(empty_database(database, tmp_path))

        def start(**settings: str) -> Gateway:
            settings = {"ZOO_DATABASE_URL": url, **settings}
            return stack.enter_context(run_gateway(tmp_path / "home", **settings))

        yield start


@pytest.fixture(scope="session")
def dim(gateway: Gateway) -> int:
    """Numbers in an embedding of the default model."""
    with gateway.client() as connected:
        return int(connected.get("/v1/models").json()["data"][0]["dim"])


@pytest.fixture(scope="session")
def space(gateway: Gateway) -> str:
    """Embedding space of the default model."""
    with gateway.client() as connected:
        return str(connected.get("/v1/models").json()["data"][0]["space"])


@pytest.fixture
def make(client: httpx.Client) -> Callable[..., str]:
    """Makes a collection of a name of its own; its URL."""

    def make_one(**body: Any) -> str:
        url = f"/v1/collections/c-{uuid.uuid4().hex[:12]}"
        check_answer(client.put(url, json=body), 201)
        return url

    return make_one


def labels(client: httpx.Client, url: str) -> dict[str, str | None]:
    """id -> label of all items of a collection of at most 1000."""
    page = check_answer(client.get(f"{url}/items", params={"limit": 1000}))
    return {item["id"]: item["label"] for item in page["data"]}


def photos(name: str, count: int, seed: int = 0) -> list[bytes]:
    """Distinct JPEGs, each a part of the sample photo `china` or `flower`."""
    photo = Image.fromarray(load_sample_image(f"{name}.jpg"))
    generator = np.random.default_rng(seed)
    return [jpeg(_crop(photo, generator)) for _ in range(count)]


def _crop(photo: Image.Image, generator: np.random.Generator) -> Image.Image:
    side = int(generator.integers(150, 300))
    left = int(generator.integers(0, photo.width - side))
    top = int(generator.integers(0, photo.height - side))
    return photo.crop((left, top, left + side, top + side))


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """An image as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    """An image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def parts(files: list[bytes], name: str = "images") -> list[tuple[str, tuple[str, bytes, str]]]:
    """Files as httpx wants them for multipart."""
    return [(name, (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(files)]


def check_problem(response: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """The answer is a problem document of this status whose detail has these words."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    kinds = ("ProblemDocument", "BatchProblemDocument")
    _validate(problem, {"anyOf": [{"$ref": f"#/components/schemas/{kind}"} for kind in kinds]})
    assert problem["status"] == status
    assert problem["instance"] == response.request.url.path
    assert problem["type"].startswith("urn:encoder-zoo:problem:")
    for word in words:
        assert word.lower() in problem["detail"].lower(), problem
    return problem


def check_answer(response: httpx.Response, status: int = 200) -> Any:
    """The answer has this status and the shape that the checked-in OpenAPI document gives it."""
    assert response.status_code == status, response.text
    operation = _operation(response.request)
    schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    content = response.json()
    _validate(content, schema)
    return content


def _document() -> Any:
    return json.loads(openapi.PATH.read_text("utf-8"))


def _operation(request: httpx.Request) -> Any:
    for template, operations in _document()["paths"].items():
        pattern = re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, request.url.path) and request.method.lower() in operations:
            return operations[request.method.lower()]
    raise AssertionError(f"{request.method} {request.url.path} is not in the OpenAPI document")


def _validate(content: Any, schema: Any) -> None:
    components = closed(_document()["components"])
    jsonschema.Draft202012Validator({**schema, "components": components}).validate(content)


def closed(schema: Any) -> Any:
    """A schema that demands every key that is documented, and lets no other key pass."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        inner |= {"required": list(schema["properties"]), "additionalProperties": False}
    return inner
