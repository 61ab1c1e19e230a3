"""What was answered 2xx is there after the process was killed."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import numpy as np

from tests.service.conftest import Gateway, check_answer, on_both_databases
from tests.waiting import wait_for

URL = "/v1/collections/c"
CLIENTS = 4
BEFORE_THE_KILL = 60


@on_both_databases
def test_a_killed_gateway_loses_nothing_it_answered_for(
    start_gateway: Callable[..., Gateway],
) -> None:
    gateway = start_gateway()
    with gateway.client() as client:
        dim = check_answer(client.put(URL, json={}), 201)["dim"]
    answered: dict[str, list[float]] = {}
    removed: set[str] = set()
    doubtful: set[str] = set()  # deletes that were sent and not answered
    stopped = Event()

    def write(writer: int) -> None:
        """Adds three items at a time and removes the first of them, until the gateway is gone."""
        generator = np.random.default_rng(writer)
        with gateway.client() as client:
            for turn in range(100_000):
                if stopped.is_set():
                    return
                new = [
                    {"id": f"{writer}-{turn}-{i}", "vector": generator.normal(size=dim).tolist()}
                    for i in range(3)
                ]
                try:
                    posted = client.post(f"{URL}/items", json={"items": new})
                    assert posted.status_code == 200, posted.text
                    answered.update({item["id"]: item["vector"] for item in new})
                    doubtful.add(new[0]["id"])
                    gone = client.delete(f"{URL}/items/{new[0]['id']}")
                    assert gone.status_code == 204, gone.text
                    doubtful.discard(new[0]["id"])
                    removed.add(new[0]["id"])
                except httpx.TransportError:
                    return

    with ThreadPoolExecutor(CLIENTS) as pool:
        writers = [pool.submit(write, writer) for writer in range(CLIENTS)]
        try:
            wait_for(lambda: len(removed) >= BEFORE_THE_KILL, "the writers")
            gateway.process.kill()
            gateway.process.wait()
        finally:
            stopped.set()
        for writer in writers:
            writer.result()

    kept = set(answered) - removed - doubtful
    assert len(kept) >= 2 * BEFORE_THE_KILL
    with start_gateway().client() as client:
        found: set[str] = set()
        cursor: dict[str, str] = {}
        while True:
            page = check_answer(client.get(f"{URL}/items", params={"limit": 1000, **cursor}))
            found |= {item["id"] for item in page["data"]}
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert kept <= found
        assert not removed & found
        for item_id in sorted(kept)[::7]:
            body = {"vector": answered[item_id], "k": 1}
            (best,) = check_answer(client.post(f"{URL}/search", json=body))["matches"]
            assert best["id"] == item_id
            assert best["score"] > 0.9999
