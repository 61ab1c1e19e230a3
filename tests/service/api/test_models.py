"""`/v1/models`, `/livez`, `/readyz`, `/metrics`, and paths that are none."""

from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.service.conftest import Gateway, check_answer, check_problem, parts, photos
from zoo.package import read_package
from zoo.store import BUILTIN


def test_the_built_in_model_is_served(client: httpx.Client) -> None:
    listed = check_answer(client.get("/v1/models"))
    (model,) = listed["data"]
    manifest = read_package(BUILTIN / model["name"] / model["version"]).manifest
    assert model["default"] is True
    assert (model["dim"], model["space"]) == (manifest.dim, manifest.space)
    assert model["input"]["size"] == manifest.input.size
    assert model["variant"] in manifest.parity
    assert model["limits"]["max_batch"] > 0
    for reference in (model["name"], f"{model['name']}@{model['version']}"):
        found = check_answer(client.get(f"/v1/models/{reference}"))
        assert found["id"] == model["id"]


@pytest.mark.parametrize("name", ["no-such", "@1", "simclr-r18-small@99", "a b"])
def test_models_that_are_not_served(client: httpx.Client, name: str) -> None:
    check_problem(client.get(f"/v1/models/{name}"), 404, "is served")


def test_probes(client: httpx.Client) -> None:
    assert check_answer(client.get("/livez")) == {"status": "alive"}
    model = client.get("/v1/models").json()["data"][0]["id"]
    assert check_answer(client.get("/readyz")) == {"status": "ready", "models": [model]}


def test_metrics_count_what_happened(client: httpx.Client) -> None:
    def figures() -> dict[tuple[str, ...], float]:
        text = client.get("/metrics").text
        return {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    model = client.get("/v1/models").json()["data"][0]["id"]
    before = figures()
    files = [*photos("china", 5, seed=70), b"no image"]
    client.post("/v1/embeddings", files=parts(files))
    client.post("/v1/embeddings", files=parts(files[:1]))
    client.get("/v1/models/no-such")
    after = figures()

    def grew(*key: str) -> float:
        return after[key] - before.get(key, 0)

    assert grew("zoo_requests_total", *sorted(["POST", "/v1/embeddings", "200"])) == 2
    assert grew("zoo_requests_total", *sorted(["GET", "/v1/models/{model}", "404"])) == 1
    assert grew("zoo_batch_images_sum", model) == 5
    assert grew("zoo_cache_lookups_total", *sorted([model, "hit"])) == 1
    assert grew("zoo_failed_images_total", *sorted([model, "format"])) == 1
    assert after["zoo_admitted_images", model] == 0
    assert after["zoo_queue_images", model] == 0


def test_paths_and_methods_that_are_none_are_problems(client: httpx.Client) -> None:
    check_problem(client.get("/v1/no-such"), 404, "/docs")
    response = client.post("/readyz")
    check_problem(response, 405, "allow")
    assert response.headers["allow"] == "GET"


def test_every_answer_has_an_id(client: httpx.Client) -> None:
    made = [client.get("/livez").headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    given = client.get("/v1/no-such", headers={"x-request-id": "mine-7"})
    assert given.headers["x-request-id"] == "mine-7"


def test_the_gateway_has_no_torch(gateway: Gateway) -> None:
    with gateway.client() as client:
        labels = ["china", "flower"]
        files = photos("china", 1) + photos("flower", 1)
        client.put("/v1/heads/no-torch", files=parts(files), data={"labels": labels})
        client.delete("/v1/heads/no-torch")
    maps = Path(f"/proc/{gateway.process.pid}/maps")
    try:
        loaded = maps.read_text()
    except FileNotFoundError:
        pytest.skip("there is no /proc here")
    assert "onnxruntime" in loaded
    assert "torch" not in loaded
