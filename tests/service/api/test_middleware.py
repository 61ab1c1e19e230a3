"""Keys and the body limit, both ahead of anything that reads a body."""

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.service.conftest import Gateway, check_answer, check_problem, parts, photos, run_gateway

LIMIT = 100_000
KEYS = ("first-key", "second-key")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with keys and a small body limit."""
    settings = {"ZOO_API_KEYS": ", ".join(KEYS), "ZOO_MAX_BODY_BYTES": str(LIMIT)}
    with run_gateway(tmp_path_factory.mktemp("locked"), **settings) as gateway:
        yield gateway


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("key", KEYS)
def test_each_key_opens(locked: Gateway, key: str) -> None:
    with locked.client(headers=bearer(key)) as client:
        check_answer(client.get("/v1/models"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        bearer("first"),
        bearer("first-key, second-key"),
        {"Authorization": "first-key"},
        {"Authorization": "Basic first-key"},
        {"Authorization": b"Bearer \xff\xfe"},
    ],
)
def test_without_a_key_nothing_is_told(locked: Gateway, headers: dict[str, str]) -> None:
    with locked.client(headers=headers) as client:
        for path in ("/v1/models", "/v1/heads", "/v1/no-such"):
            response = client.get(path)
            check_problem(response, 401, "Authorization: Bearer")
            assert response.headers["www-authenticate"] == "Bearer"


def test_probes_and_documentation_are_open(locked: Gateway) -> None:
    with locked.client() as client:
        for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert client.get(path).status_code == 200


def test_keys_are_not_in_the_log(locked: Gateway) -> None:
    with locked.client(headers=bearer(KEYS[0])) as client:
        client.get("/v1/models")
    log = locked.log.read_text()
    assert "/v1/models" in log
    assert not any(key in log for key in KEYS)


def answer_before_the_body(gateway: Gateway, headers: dict[str, str]) -> tuple[int, Any]:
    """Announce a body and send none of it: whoever answers has not read it."""
    connection = http.client.HTTPConnection(*gateway.address, timeout=240)
    connection.putrequest("POST", "/v1/embeddings")
    for name, value in {"Content-Type": "application/json", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


def test_the_key_is_asked_for_before_the_body_is_read(locked: Gateway) -> None:
    status, problem = answer_before_the_body(locked, {"Content-Length": "50000"})
    assert (status, problem["status"]) == (401, 401)


def test_a_declared_length_is_refused_before_the_body_is_read(locked: Gateway) -> None:
    headers = {"Content-Length": str(LIMIT + 1), **bearer(KEYS[0])}
    status, problem = answer_before_the_body(locked, headers)
    assert (status, problem["status"]) == (413, 413)
    assert f"{LIMIT:,} bytes" in problem["detail"]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
def test_a_body_without_a_length_is_refused_as_it_arrives(
    locked: Gateway, content_type: str
) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(11):
            yield bytes(10_000)

    with locked.client(headers={**bearer(KEYS[0]), "Content-Type": content_type}) as client:
        check_problem(client.post("/v1/embeddings", content=body()), 413, f"{LIMIT:,} bytes")


def test_a_body_within_the_limit_passes(locked: Gateway) -> None:
    (photo,) = photos("china", 1)
    assert len(photo) < LIMIT - 1000
    with locked.client(headers=bearer(KEYS[1])) as client:
        check_answer(client.post("/v1/embeddings", files=parts([photo])))


def test_too_many_items(start_gateway: Callable[..., Gateway]) -> None:
    with start_gateway(ZOO_MAX_ITEMS="3").client() as client:
        check_problem(client.post("/v1/embeddings", files=parts([b"x"] * 4)), 413, "Too many")
        check_problem(client.post("/v1/embeddings", json={"input": ["x"] * 4}), 413, "at most 3")
        ask = {"items": [{"vector": [1.0], "label": "a"}] * 4}
        check_problem(client.put("/v1/heads/h", json=ask), 413, "at most 3")


def test_a_model_that_is_not_there_stops_the_start_with_its_reason(
    start_gateway: Callable[..., Gateway],
) -> None:
    with pytest.raises(pytest.fail.Exception, match="no model 'no-such' is installed") as caught:
        start_gateway(ZOO_MODELS="no-such")
    assert "Traceback" not in str(caught.value)
