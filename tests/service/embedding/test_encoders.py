"""The gateway on other runtimes, precisions and devices."""

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.service.conftest import check_answer, check_problem, parts, photos, run_gateway

URL = "/v1/embeddings"


@pytest.fixture
def home(variants_home: Path, tmp_path: Path) -> Path:
    """A home of the test's own, with the models of `variants_home`."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "packages").symlink_to(variants_home / "packages")
    return tmp_path / "home"


def logged(log: Path, event: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if event in line["event"]]


def test_a_coarse_precision_is_served_and_not_mixed(home: Path):
    files = parts(photos("china", 3))
    with run_gateway(home, ZOO_MODELS="tiny") as gateway, gateway.client() as client:
        reference = check_answer(client.post(URL, files=files))
        check_answer(client.put("/v1/collections/before", json={}), 201)
        client.post("/v1/collections/before/items", files=parts(photos("china", 2)))
    settings = {"ZOO_MODELS": "tiny", "ZOO_PRECISION": "int8"}
    with run_gateway(home, **settings) as gateway, gateway.client() as client:
        found = check_answer(client.post(URL, files=files))
        assert found["variant"] == "onnxruntime-int8"
        assert found["space"] != reference["space"]
        (model,) = check_answer(client.get("/v1/models"))["data"]
        assert (model["space"], model["variant"]) == (found["space"], found["variant"])
        search = client.post(
            "/v1/collections/before/search", files={"image": photos("china", 1)[0]}
        )
        check_problem(search, 409, "space")
        check_answer(client.put("/v1/collections/after", json={}), 201)
        check_answer(client.post("/v1/collections/after/items", files=files))
        assert logged(gateway.log, "space of its own")
    a, b = (np.array([row["embedding"] for row in d["data"]]) for d in (reference, found))
    assert 0.9 < (a * b).sum(axis=1).min() < 0.9999


def test_a_precision_that_mixes_serves_the_same_space(home: Path):
    settings = {"ZOO_MODELS": "tiny", "ZOO_PRECISION": "fp16"}
    with run_gateway(home, **settings) as gateway, gateway.client() as client:
        found = check_answer(client.post(URL, files=parts(photos("china", 1))))
        assert found["variant"] == "onnxruntime-fp16"
        manifest = json.loads((home / "packages" / "tiny" / "2" / "model.json").read_text())
        assert found["space"] == manifest["space"]


@pytest.mark.parametrize("runtime", ["openvino", "fastest"])
def test_another_runtime_gives_the_same_embeddings(home: Path, runtime: str):
    files = parts(photos("flower", 40))
    answers = []
    for name in ("onnxruntime", runtime):
        settings = {"ZOO_MODELS": "tiny", "ZOO_RUNTIME": name}
        with run_gateway(home, **settings) as gateway, gateway.client() as client:
            answers.append(check_answer(client.post(URL, files=files)))
            if runtime == "fastest" == name:
                (chosen,) = logged(gateway.log, "tiny@2 runs on")
                assert answers[1]["variant"] in chosen["event"]
    assert answers[0]["space"] == answers[1]["space"]
    a, b = (np.array([row["embedding"] for row in answer["data"]]) for answer in answers)
    assert (a * b).sum(axis=1).min() > 0.9999


def test_a_precision_that_is_not_there_is_refused(home: Path):
    settings = {"ZOO_MODELS": "tiny@1", "ZOO_PRECISION": "int8"}
    with (
        pytest.raises(pytest.fail.Exception, match=r"tiny@1 has no int8 variant.*--precision int8"),
        run_gateway(home, **settings),
    ):
        pass


@pytest.mark.skipif(faiss.get_num_gpus() > 0, reason="there is a GPU here")
def test_a_gpu_that_is_missing_is_warned_of(home: Path):
    settings = {"ZOO_MODELS": "tiny", "ZOO_DEVICE": "cuda", "ZOO_SEARCH_DEVICE": "cuda"}
    with run_gateway(home, **settings) as gateway, gateway.client() as client:
        (model,) = check_answer(client.get("/v1/models"))["data"]
        assert model["variant"] == "onnxruntime-fp32"  # a GPU would be named in it
        (warning,) = logged(gateway.log, "cannot run on cuda")
        assert warning["level"] == "warning"
        (warning,) = logged(gateway.log, "search stays on the CPU")
        assert warning["level"] == "warning"
