"""The gateway in front of a real Triton: agreement, batching, death and return of the server."""

import itertools
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import grpc as rpc
import httpx
import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import numpy_helper
from tritonclient import grpc
from tritonclient.grpc import model_config_pb2

from export.triton import Serving, write_repository
from tests.packages import write_package
from tests.service.conftest import (
    Gateway,
    check_answer,
    check_problem,
    parts,
    photos,
    run_gateway,
)
from tests.service.triton import Triton
from tests.waiting import wait_for
from zoo.errors import GoldenMismatchError
from zoo.images import read_square
from zoo.manifest import Cost, File, Parity, Variant
from zoo.package import Package, file_digest, read_package
from zoo.runtimes import Execution, open_onnx, open_runtime, read_golden
from zoo.space import space_of
from zoo.store import builtin_package

URL = "/v1/embeddings"


@pytest.fixture
def make_triton(tmp_path: Path) -> Iterator[Callable[..., Triton]]:
    """Start servers, each over a repository of the built-in package; arguments are options."""
    started: list[Triton] = []

    def make(*options: str) -> Triton:
        work = tmp_path / f"triton-{len(started)}"
        work.mkdir()
        write_repository([builtin_package()], work / "models", Serving("python"))
        server = Triton(work / "models", work, options=options)
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


def scramble(repository: Path) -> None:
    """Let the model of a repository give other embeddings under the same name and space."""
    manifest = builtin_package().manifest
    model = repository / manifest.name / manifest.version / "model.py"
    code = model.read_text()
    scrambled = code.replace(
        "ends = np", "rows = np.ascontiguousarray(rows[:, ::-1])\n        ends = np"
    )
    assert scrambled != code
    model.write_text(scrambled)


class Load:
    """What callers who never pause were answered."""

    def __init__(self) -> None:
        self.images = photos("china", 40)
        self.answered: list[tuple[int, list[float]]] = []
        self.refused: list[httpx.Response] = []

    def wait_for_answers(self) -> None:
        before = len(self.answered)
        wait_for(lambda: len(self.answered) > before + 20, "answers")

    def wait_for_refusals(self) -> None:
        before = len(self.refused)
        wait_for(lambda: len(self.refused) > before + 20, "refusals")

    def check(self) -> None:
        """Every answer is right, or 503 with the time to come back."""
        assert {response.status_code for response in self.refused} <= {503}
        assert all("retry-after" in response.headers for response in self.refused)
        assert self.answered
        assert_right(
            [self.images[which] for which, _ in self.answered], [r for _, r in self.answered]
        )


@contextmanager
def load(gateway: Gateway) -> Iterator[Load]:
    """Four callers at once."""
    found, stop = Load(), threading.Event()

    def ask(worker: int) -> None:
        with gateway.client() as client:
            for number in count(worker, 4):
                if stop.is_set():
                    return
                which = number % len(found.images)
                # What follows the photo makes another file of it, which no cache knows.
                file = found.images[which] + number.to_bytes(4)
                response = client.post(URL, files=parts([file]))
                if response.status_code == 200:
                    found.answered.append((which, response.json()["data"][0]["embedding"]))
                else:
                    found.refused.append(response)

    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(ask, worker) for worker in range(4)]
        try:
            yield found
        finally:
            stop.set()
        for task in work:
            task.result()


def check_right(client: httpx.Client, files: list[bytes]) -> None:
    answer = check_answer(client.post(URL, files=parts(files)))
    assert_right(files, [row["embedding"] for row in answer["data"]])


def assert_right(files: list[bytes], rows: list[list[float]]) -> None:
    package = builtin_package()
    block = package.manifest.input
    distinct = list(dict.fromkeys(files))
    expected = open_onnx(package).embed(np.stack([read_square(f, block) for f in distinct]))
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    order = {file: number for number, file in enumerate(distinct)}
    wanted = expected[[order[file] for file in files]]
    assert (np.array(rows) * wanted).sum(axis=1).min() > 0.9999


@contextmanager
def balanced(*servers: str) -> Iterator[str]:
    """A gRPC proxy that gives each request, but the first two, to a server drawn by chance."""
    channels = [rpc.insecure_channel(server) for server in servers]
    draw = random.Random(0)
    turn = itertools.chain([channels[0]] * 2, iter(lambda: draw.choice(channels), None))

    class Forward(rpc.GenericRpcHandler):  # type: ignore[misc]
        def service(self, call: rpc.HandlerCallDetails) -> rpc.RpcMethodHandler:
            def answer(request: bytes, context: rpc.ServicerContext) -> bytes:
                result: bytes = next(turn).unary_unary(call.method)(request)
                return result

            return rpc.unary_unary_rpc_method_handler(answer)

    proxy = rpc.server(ThreadPoolExecutor(8), handlers=[Forward()])
    port = proxy.add_insecure_port("127.0.0.1:0")
    proxy.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        proxy.stop(None).wait()
        for channel in channels:
            channel.close()


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
        wait_for(lambda: client.get("/readyz").status_code == 503, "readiness to fail")
        refused = client.post(URL, files=parts(photos("flower", 1)))
        check_problem(refused, 503, "triton", "does not answer")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/livez").status_code == 200
        triton.start()
        wait_for(lambda: client.get("/readyz").status_code == 200, "readiness to return")
        check_answer(client.post(URL, files=parts(photos("flower", 1, seed=3))))


def test_a_restart_under_load_gives_right_answers_or_503(triton: Triton, tmp_path: Path):
    with run_gateway(tmp_path / "home", **on(triton)) as gateway, load(gateway) as found:
        found.wait_for_answers()
        triton.kill()
        wait_for(lambda: found.refused, "refusals")
        triton.start()
        found.wait_for_answers()
    found.check()


def test_another_server_on_the_same_address_is_refused(
    triton: Triton, make_triton: Callable[[], Triton], tmp_path: Path
):
    other = make_triton()
    other.kill()
    scramble(other.repository)
    other.ports = triton.ports
    with run_gateway(tmp_path / "home", **on(triton)) as gateway, gateway.client() as client:
        known = check_answer(client.post(URL, files=parts(photos("china", 1))))
        triton.kill()
        other.start()
        for number in range(3):
            refused = client.post(URL, files=parts(photos("flower", 1, seed=number)))
            check_problem(refused, 503, "golden", "not served")
        check_problem(client.get("/readyz"), 503, "golden")
        # What was embedded before is right, and still known.
        assert check_answer(client.post(URL, files=parts(photos("china", 1)))) == known
        other.kill()
        triton.start()
        check_right(client, photos("flower", 3, seed=9))


def test_a_model_that_is_loaded_anew_from_other_files_is_refused(
    make_triton: Callable[..., Triton], tmp_path: Path
):
    """The connection stays; only the answers tell."""
    name = builtin_package().manifest.name
    server = make_triton("--model-control-mode=explicit", f"--load-model={name}")
    model = server.repository / name / builtin_package().manifest.version / "model.py"
    right = model.read_text()
    with (
        run_gateway(tmp_path / "home", **on(server)) as gateway,
        gateway.client() as client,
        grpc.InferenceServerClient(server.grpc) as control,
    ):
        check_right(client, photos("china", 2))
        scramble(server.repository)
        control.load_model(name)
        refused = client.post(URL, files=parts(photos("flower", 1)))
        check_problem(refused, 503, "golden", "not served")
        control.unload_model(name)
        wait_for(lambda: not control.is_model_ready(name), "the model to go")
        refused = client.post(URL, files=parts(photos("flower", 1)))
        check_problem(refused, 503, "does not answer")
        model.write_text(right)
        control.load_model(name)
        check_right(client, photos("flower", 2))


def test_of_two_servers_behind_one_address_only_the_right_one_answers(
    triton: Triton, make_triton: Callable[[], Triton], tmp_path: Path
):
    other = make_triton()
    other.kill()
    scramble(other.repository)
    other.start()
    with balanced(triton.grpc, other.grpc) as address:
        settings = {"ZOO_RUNTIME": "triton", "ZOO_TRITON_URL": address}
        home = tmp_path / "home"
        with run_gateway(home, wait="livez", **settings) as gateway, load(gateway) as found:
            wait_for(lambda: len(found.refused) > 10, "refusals")
    found.check()


def test_no_answer_is_wrong_while_servers_are_swapped_under_load(
    triton: Triton, make_triton: Callable[[], Triton], tmp_path: Path
):
    other = make_triton()
    other.kill()
    scramble(other.repository)
    other.ports = triton.ports
    with run_gateway(tmp_path / "home", **on(triton)) as gateway, load(gateway) as found:
        for _ in range(2):
            found.wait_for_answers()
            triton.kill()
            other.start()
            found.wait_for_refusals()
            other.kill()
            triton.start()
        found.wait_for_answers()
    found.check()


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


@pytest.fixture
def coarse(tmp_path: Path) -> Package:
    """A package whose int8, a projection that is rounded to a quarter, has a space of its own."""
    folder = tmp_path / "tiny" / "1"
    folder.mkdir(parents=True)
    write_package(folder, "tiny", "1")
    whole = onnx.load(folder / "encoder.onnx")
    for tensor in whole.graph.initializer:
        if tensor.name == "projection":
            rounded = np.round(numpy_helper.to_array(tensor) * 4) / 4
            tensor.CopyFrom(numpy_helper.from_array(rounded, "projection"))
    onnx.save(whole, folder / "encoder.int8.onnx")
    path = folder / "encoder.int8.onnx"
    manifest = read_package(folder).manifest
    cost = Cost(
        data=("noise",), images=1, cosine_min=0.99, cosine_mean=0.99, recall_at_10=1,
        few_label=1, few_label_lead=0, low=0, high=0,
    )  # fmt: skip
    near = Parity(cosine_min=0.99, cosine_mean=0.995, max_relative_error=0.1)
    update = {
        "variants": {"int8": Variant(cost=cost)},
        "parity": manifest.parity | {"onnxruntime-int8": near},
        "files": manifest.files
        | {path.name: File(sha256=file_digest(path), bytes=path.stat().st_size)},
    }
    (folder / "model.json").write_text(manifest.model_copy(update=update).model_dump_json())
    return read_package(folder)


def test_a_coarse_model_is_told_from_the_reference_under_its_name(coarse: Package, tmp_path: Path):
    """Both pass the golden images of a coarse precision; the witness must match what was proven."""
    write_repository([coarse], tmp_path / "models", Serving("python", precision="int8"))
    server = Triton(
        tmp_path / "models",
        tmp_path,
        options=("--model-control-mode=explicit", "--load-model=tiny"),
    )
    served = tmp_path / "models" / "tiny" / "1"
    server.start()
    try:
        runtime = open_runtime(coarse, Execution("triton", "int8", url=server.grpc))
        golden = read_golden(coarse.golden)
        expected = open_onnx(coarse, Execution(precision="int8")).embed(golden.images)
        assert runtime.space == space_of(coarse.manifest, "int8") != coarse.manifest.space
        np.testing.assert_allclose(runtime.embed(golden.images), expected, rtol=1e-4)
        (graph,) = served.glob("*.onnx")
        graph.write_bytes(coarse.graph.read_bytes())
        (served / coarse.weights.name).write_bytes(coarse.weights.read_bytes())
        with grpc.InferenceServerClient(server.grpc) as control:
            control.load_model("tiny")
        for _ in range(2):  # the proof that follows does not adopt it
            with pytest.raises(GoldenMismatchError, match="int8 than when the gateway started"):
                runtime.embed(golden.images)
    finally:
        server.kill()


def test_ctrl_c_stops_it_cleanly(triton: Triton, start_gateway: Callable[..., Gateway]):
    gateway = start_gateway(**on(triton))
    gateway.process.send_signal(signal.SIGINT)
    assert gateway.process.wait(60) == 0
    assert "Traceback" not in gateway.log.read_text()
