"""The gateway in front of a real Triton: agreement, batching, death and return of the server."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import pytest
from google.protobuf import text_format
from tritonclient import grpc
from tritonclient.grpc import model_config_pb2

from export.triton import Serving, write_repository
from tests.service.conftest import (
    Gateway,
    check_answer,
    check_problem,
    parts,
    photos,
    run_gateway,
    wait_for,
)
from tests.service.triton import Triton
from zoo.images import read_square
from zoo.package import read_package
from zoo.runtimes import open_onnx, read_golden
from zoo.space import space_of
from zoo.store import builtin_package

URL = "/v1/embeddings"


@pytest.fixture
def make_triton(tmp_path: Path) -> Iterator[Callable[[], Triton]]:
    """Start servers over a repository of the built-in package."""
    started: list[Triton] = []

    def make() -> Triton:
        work = tmp_path / f"triton-{len(started)}"
        work.mkdir()
        write_repository([builtin_package()], work / "models", Serving("python"))
        server = Triton(work / "models", work)
        server.start()
        started.append(server)
        return server

    yield make
    for server in started:
        server.kill()


@pytest.fixture
def triton(make_triton: Callable[[], Triton]) -> Triton:
    return make_triton()


def on(server: Triton) -> dict[str, str]:
    """The settings of a gateway that asks this server."""
    return {"ZOO_RUNTIME": "triton", "ZOO_TRITON_URL": server.grpc}


def test_the_server_takes_the_repository_as_the_manifest_says(triton: Triton):
    package = builtin_package()
    manifest = package.manifest
    metadata = httpx.get(f"{triton.url('http')}/v2/models/{manifest.name}").json()
    size = manifest.input.size
    assert metadata["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, size, size, 3]}
    ]
    assert metadata["outputs"] == [
        {"name": "embedding", "datatype": "FP32", "shape": [-1, manifest.dim]}
    ]
    assert metadata["versions"] == [manifest.version]
    golden = read_golden(package.golden)
    with grpc.InferenceServerClient(triton.grpc) as client:
        tensor = grpc.InferInput("images", list(golden.images.shape), "UINT8")
        tensor.set_data_from_numpy(golden.images)
        found = client.infer(manifest.name, [tensor]).as_numpy("embedding")
    expected = open_onnx(package).embed(golden.images)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_requests_at_once_share_runs_of_the_encoder(triton: Triton):
    name = builtin_package().manifest.name
    image = read_golden(builtin_package().golden).images[:1]
    before = triton.count("nv_inference_exec_count", name)

    def ask(_: int) -> None:
        with grpc.InferenceServerClient(triton.grpc) as client:
            tensor = grpc.InferInput("images", list(image.shape), "UINT8")
            tensor.set_data_from_numpy(image)
            client.infer(name, [tensor])

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(ask, range(128)))
    # Triton publishes its counters every two seconds.
    wait_for(lambda: triton.count("nv_inference_count", name) >= 128, "Triton's counters")
    assert triton.count("nv_inference_exec_count", name) - before < 100


def test_the_gateway_gives_what_it_gives_without_triton(
    triton: Triton, tmp_path: Path, client: httpx.Client
):
    files = parts(photos("china", 5) + photos("flower", 40))  # more than one batch of Triton's
    expected = check_answer(client.post(URL, files=files))
    with run_gateway(tmp_path / "home", **on(triton)) as gateway, gateway.client() as through:
        found = check_answer(through.post(URL, files=files))
        assert found["space"] == expected["space"]
        assert found["variant"] == "triton-python-cpu-fp32"
        a, b = (
            np.array([row["embedding"] for row in answer["data"]]) for answer in (expected, found)
        )
        assert (a * b).sum(axis=1).min() > 0.9999


def test_a_server_that_dies_is_noticed_and_its_return_too(triton: Triton, tmp_path: Path):
    file = parts(photos("china", 1))
    with run_gateway(tmp_path / "home", **on(triton)) as gateway, gateway.client() as client:
        check_answer(client.post(URL, files=file))
        triton.kill()
        died = time.monotonic()
        wait_for(lambda: client.get("/readyz").status_code == 503, "readiness to fail")
        assert time.monotonic() - died < 2
        refused = client.post(URL, files=parts(photos("flower", 1)))
        check_problem(refused, 503, "triton", "does not answer")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/livez").status_code == 200
        triton.start()
        wait_for(lambda: client.get("/readyz").status_code == 200, "readiness to return")
        check_answer(client.post(URL, files=parts(photos("flower", 1, seed=3))))


def test_a_restart_under_load_gives_right_answers_or_503(triton: Triton, tmp_path: Path):
    reference = open_onnx(builtin_package())
    stop = threading.Event()
    answered: list[tuple[int, list[float]]] = []
    refused: list[httpx.Response] = []
    images = photos("china", 40)

    with run_gateway(tmp_path / "home", **on(triton)) as gateway, ThreadPoolExecutor(4) as pool:

        def load(worker: int) -> None:
            with gateway.client() as client:
                for number in count(worker, 4):
                    if stop.is_set():
                        return
                    which = number % len(images)
                    # What follows the photo makes another file of it, which no cache knows.
                    file = images[which] + number.to_bytes(4)
                    response = client.post(URL, files=parts([file]))
                    if response.status_code == 200:
                        answered.append((which, response.json()["data"][0]["embedding"]))
                    else:
                        refused.append(response)

        work = [pool.submit(load, worker) for worker in range(4)]
        try:
            wait_for(lambda: len(answered) > 20, "answers")
            triton.kill()
            wait_for(lambda: refused, "refusals")
            triton.start()
            back = len(answered)
            wait_for(lambda: len(answered) > back + 20, "answers again")
        finally:
            stop.set()
        for task in work:
            task.result()
    assert {response.status_code for response in refused} == {503}
    assert all("retry-after" in response.headers for response in refused)
    block = builtin_package().manifest.input
    squares = np.stack([read_square(images[which], block) for which, _ in answered])
    expected = reference.embed(squares)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = np.array([row for _, row in answered])
    assert (found * expected).sum(axis=1).min() > 0.9999


def test_a_gateway_waits_for_a_server_that_is_not_there_yet(triton: Triton, tmp_path: Path):
    triton.kill()
    home = tmp_path / "home"
    with run_gateway(home, **on(triton), wait="livez") as gateway, gateway.client() as client:
        check_problem(client.get("/readyz"), 503, "triton")
        triton.start()
        wait_for(lambda: client.get("/readyz").status_code == 200, "readiness")


def test_another_space_is_refused_with_the_reason(triton: Triton, tmp_path: Path):
    manifest = builtin_package().manifest
    config = triton.repository / manifest.name / "config.pbtxt"
    content = text_format.Parse(config.read_text(), model_config_pb2.ModelConfig())
    content.parameters[f"space.{manifest.version}"].string_value = "f" * 64
    config.write_text(text_format.MessageToString(content))
    triton.kill()
    triton.start()
    with (
        pytest.raises(pytest.fail.Exception, match=r"serves the space ffff.*export"),
        run_gateway(tmp_path / "home", **on(triton)),
    ):
        pass


def test_a_precision_is_served_in_its_own_space(variants_home: Path, tmp_path: Path):
    package = read_package(variants_home / "packages" / "tiny" / "2")
    write_repository([package], tmp_path / "models", Serving("python", precision="int8"))
    server = Triton(tmp_path / "models", tmp_path)
    server.start()
    home = tmp_path / "home"
    home.mkdir()
    (home / "packages").symlink_to(variants_home / "packages")
    settings = {**on(server), "ZOO_MODELS": "tiny@2", "ZOO_PRECISION": "int8"}
    try:
        with run_gateway(home, **settings) as gateway, gateway.client() as client:
            found = check_answer(client.post(URL, files=parts(photos("china", 3))))
            assert found["variant"] == "triton-python-cpu-int8"
            assert found["space"] == space_of(package.manifest, "int8")
        settings["ZOO_PRECISION"] = "fp32"
        with (
            pytest.raises(pytest.fail.Exception, match=r"not [0-9a-f]{64} of tiny@2 in fp32"),
            run_gateway(home, **settings),
        ):
            pass
    finally:
        server.kill()


def test_ctrl_c_stops_it_cleanly(triton: Triton, start_gateway: Callable[..., Gateway]):
    gateway = start_gateway(**on(triton))
    gateway.process.send_signal(signal.SIGINT)
    assert gateway.process.wait(60) == 0
    assert "Traceback" not in gateway.log.read_text()
