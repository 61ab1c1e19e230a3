"""More work than the gateway admits, and callers who leave before they have their answer."""

import io
import json
import re
import signal
import socket
import threading
from collections.abc import Callable

import httpx
from PIL import Image

from tests.service.conftest import Gateway, check_answer, check_problem, parts, photos
from tests.waiting import wait_for

URL = "/v1/embeddings"
SLOW = 60  # images that take long to decode


def slow_images() -> list[bytes]:
    """PNGs of many pixels, distinct so that the cache is no help."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((4000, 4000)).convert("RGB").save(buffer, "PNG")
    return [buffer.getvalue() + bytes([number]) for number in range(SLOW)]


def admitted(client: httpx.Client) -> int:
    return int(client.get("/v1/models").json()["data"][0]["queue"]["admitted"])


def decoded(client: httpx.Client) -> float:
    found = re.search(r"^zoo_decode_seconds_count\{.*\} (.+)$", client.get("/metrics").text, re.M)
    return float(found[1]) if found else 0


def test_beyond_the_queue_callers_are_told_when_to_come_back(
    start_gateway: Callable[..., Gateway],
) -> None:
    gateway = start_gateway(ZOO_MAX_QUEUE="8")
    answers: list[httpx.Response] = []
    slow, few = slow_images(), photos("china", 9)

    def large() -> None:
        with gateway.client() as own:
            answers.append(own.post(URL, files=parts(slow)))

    with gateway.client() as client:
        thread = threading.Thread(target=large)
        thread.start()
        wait_for(lambda: admitted(client) > 0, "the large request to be admitted")
        refused = client.post(URL, files=parts(few[:1]))
        check_problem(refused, 429, "again later")
        assert int(refused.headers["retry-after"]) >= 1
        # A request that counts as one must not slip many images past the limit.
        check_problem(client.post(URL, files=parts(few)), 429)
        assert client.get("/livez").status_code == 200
        wait_for(lambda: client.get("/readyz").status_code == 200, "readiness under load")
        thread.join()
        # Larger than the queue, but nothing else was there: it is served, not refused for ever.
        assert len(check_answer(answers[0])["data"]) == SLOW
        assert admitted(client) == 0
        check_answer(client.post(URL, files=parts(few[:8])))


def test_the_work_of_callers_who_left_is_dropped(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway()
    with gateway.client() as client:
        request = client.build_request("POST", URL, files=parts(slow_images()))
        body = request.read()
        with socket.create_connection(gateway.address) as caller:
            head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            head += f"Content-Type: {request.headers['content-type']}\r\n\r\n"
            caller.sendall(head.encode() + body)
            wait_for(lambda: admitted(client) > 0, "the request to be admitted")
        wait_for(lambda: admitted(client) == 0, "the work to be dropped")
        assert decoded(client) < SLOW
        check_answer(client.post(URL, files=parts(photos("china", 2))))


def test_ctrl_c_stops_it_cleanly(start_gateway: Callable[..., Gateway]) -> None:
    gateway = start_gateway()
    gateway.process.send_signal(signal.SIGINT)
    assert gateway.process.wait(240) == 0
    log = gateway.log.read_text()
    assert "Traceback" not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert all(line["level"] == "info" for line in lines)


def test_heads_survive_a_kill(start_gateway: Callable[..., Gateway]) -> None:
    first = start_gateway()
    files = photos("china", 2) + photos("flower", 2)
    labels = ["china"] * 2 + ["flower"] * 2
    with first.client() as client:
        before = check_answer(
            client.put("/v1/heads/kept", files=parts(files), data={"labels": labels}), 201
        )
    first.process.kill()
    first.process.wait()
    with start_gateway().client() as client:
        after = check_answer(client.get("/v1/heads/kept/versions/1"))
        assert after["report"] == before["report"]
        answer = check_answer(client.post("/v1/heads/kept/classify", files=parts(files)))
        assert [item["label"] for item in answer["data"]] == labels
