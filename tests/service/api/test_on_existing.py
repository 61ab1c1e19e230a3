"""What becomes of items that are there when they are sent again, over HTTP."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.service.conftest import (
    check_answer,
    check_problem,
    labels,
    on_both_databases,
    parts,
    photos,
)

pytestmark = on_both_databases


@pytest.fixture
def url(client: httpx.Client, make: Callable[..., str]) -> str:
    """A collection with an image `a`, labelled and described."""
    made = make(keep="thumbnail", metadata_schema={"year": "integer"})
    fields = {"ids": "a", "labels": "cat", "metadata": '{"year": 2020, "o": {"x": 1, "y": 2}}'}
    assert send(client, made, fields) == ["created"]
    return made


def send(client: httpx.Client, url: str, fields: Any, seed: int = 0) -> list[str]:
    """Statuses of the image of a seed sent with these fields."""
    answer = client.post(f"{url}/items", data=fields, files=parts(photos("china", 1, seed)))
    return [item.get("status") or item["error"]["detail"] for item in check_answer(answer)["data"]]


def read(client: httpx.Client, url: str, item_id: str = "a") -> tuple[Any, Any]:
    item = check_answer(client.get(f"{url}/items/{item_id}"))
    return item["label"], item["metadata"]


def test_a_folder_that_is_sent_again_loses_nothing(client: httpx.Client, url: str) -> None:
    before = client.get(f"{url}/items/a").json()
    assert send(client, url, {"ids": "a"}) == ["unchanged"]
    assert client.get(f"{url}/items/a").json() == before
    assert client.get(f"{url}/items/a/thumbnail").status_code == 200
    assert send(client, url, {"ids": "a", "metadata": '{"year": null, "o": {"x": 3}}'}) == [
        "updated"
    ]
    assert read(client, url) == ("cat", {"o": {"x": 3, "y": 2}})
    assert send(client, url, {"ids": "a", "labels": "dog", "metadata": ""}) == ["updated"]
    assert read(client, url) == ("dog", {"o": {"x": 3, "y": 2}})
    assert send(client, url, {"ids": "a", "labels": ""}) == ["updated"]
    assert read(client, url) == (None, {"o": {"x": 3, "y": 2}})
    assert send(client, url, {"ids": "a", "metadata": "null"}) == ["updated"]
    assert read(client, url) == (None, {})
    assert client.get(f"{url}/items/a/thumbnail").status_code == 200


def test_numbers_and_booleans_are_not_taken_for_each_other(client: httpx.Client, url: str) -> None:
    for metadata, status in [
        ('{"v": 1}', "updated"),
        ('{"v": 1}', "unchanged"),
        ('{"v": 1.0}', "updated"),
        ('{"v": true}', "updated"),
        ('{"v": true}', "unchanged"),
    ]:
        assert send(client, url, {"ids": "a", "metadata": metadata}) == [status]


def test_another_image_takes_the_place_of_the_picture_alone(client: httpx.Client, url: str) -> None:
    before = client.get(f"{url}/items/a/thumbnail").content
    assert send(client, url, {"ids": "a"}, seed=1) == ["updated"]
    assert read(client, url) == ("cat", {"year": 2020, "o": {"x": 1, "y": 2}})
    assert client.get(f"{url}/items/a/thumbnail").content not in (before, b"")


def test_a_vector_keeps_the_picture_that_it_is_of(client: httpx.Client, url: str) -> None:
    def post(item: Any) -> str:
        body = {"items": [{"id": "a", **item}]}
        answer = check_answer(client.post(f"{url}/items", json=body))
        return str(answer["data"][0]["status"])

    vector = client.get(f"{url}/items/a").json()["vector"]
    assert post({"vector": vector}) == "unchanged"
    assert post({"vector": [2 * value for value in vector], "label": "dog"}) == "updated"
    assert client.get(f"{url}/items/a/thumbnail").status_code == 200
    assert post({"vector": vector, "label": None, "metadata": {"year": None}}) == "updated"
    assert read(client, url) == (None, {"o": {"x": 1, "y": 2}})
    assert post({"vector": vector, "metadata": None}) == "updated"
    assert read(client, url) == (None, {})
    other = [-value for value in vector]
    assert post({"vector": other}) == "updated"
    check_problem(client.get(f"{url}/items/a/thumbnail"), 404, "no thumbnail")
    found = check_answer(client.post(f"{url}/search", json={"vector": other, "k": 1}))["matches"]
    assert found[0]["score"] == pytest.approx(1, abs=1e-5)


def test_replace_keeps_nothing(client: httpx.Client, url: str) -> None:
    assert send(client, url, {"ids": "a", "on_existing": "replace"}) == ["updated"]
    assert read(client, url) == (None, {})
    assert send(client, url, {"ids": "a", "on_existing": "replace"}) == ["unchanged"]
    assert client.get(f"{url}/items/a/thumbnail").status_code == 200
    vector = client.get(f"{url}/items/a").json()["vector"]
    body = {"on_existing": "replace", "items": [{"id": "a", "vector": vector, "label": "x"}]}
    assert check_answer(client.post(f"{url}/items", json=body))["data"][0]["status"] == "updated"
    check_problem(client.get(f"{url}/items/a/thumbnail"), 404, "no thumbnail")


def test_skip_changes_nothing_and_embeds_nothing(client: httpx.Client, url: str) -> None:
    def looked_up() -> float:
        lines = client.get("/metrics").text.splitlines()
        counts = [line for line in lines if line.startswith("zoo_cache_lookups_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in counts)

    before, count = client.get(f"{url}/items/a").json(), looked_up()
    fields = {"ids": "a", "labels": "dog", "on_existing": "skip"}
    assert send(client, url, fields, seed=2) == ["skipped"]
    assert looked_up() == count
    two = {"ids": ["b", "a"], "labels": ["x", "y"], "on_existing": "skip"}
    answer = client.post(f"{url}/items", data=two, files=parts(photos("china", 2, 3)))
    assert [item["status"] for item in check_answer(answer)["data"]] == ["created", "skipped"]
    assert looked_up() == count + 1
    body = {
        "on_existing": "skip",
        "items": [{"id": i, "vector": before["vector"], "label": "z"} for i in "ac"],
    }
    data = check_answer(client.post(f"{url}/items", json=body))["data"]
    assert [item["status"] for item in data] == ["skipped", "created"]
    assert client.get(f"{url}/items/a").json() == before


def test_an_archive_names_the_labels(client: httpx.Client, make: Callable[..., str]) -> None:
    url = make()
    files = photos("china", 2)

    def post(labelled: dict[str, bytes], **fields: str) -> list[str]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for path, content in labelled.items():
                archive.writestr(path, content)
        answer = client.post(
            f"{url}/items", data=fields, files=parts([buffer.getvalue()], "archive")
        )
        return [item["status"] for item in check_answer(answer)["data"]]

    assert post({"cat/1.jpg": files[0], "dog/2.jpg": files[1]}) == ["created", "created"]
    check_answer(client.patch(f"{url}/items/cat:1.jpg", json={"metadata": {"n": 1}}))
    check_answer(client.patch(f"{url}/items/dog:2.jpg", json={"label": "wolf"}))
    assert post({"cat/1.jpg": files[0], "dog/2.jpg": files[1]}, on_existing="skip") == [
        "skipped",
        "skipped",
    ]
    assert post({"cat/1.jpg": files[0], "dog/2.jpg": files[1]}) == ["unchanged", "updated"]
    assert labels(client, url) == {"cat:1.jpg": "cat", "dog:2.jpg": "dog"}
    table = b"path,label\ncat/1.jpg,\n"
    assert post({"labels.csv": table, "cat/1.jpg": files[0]}) == ["updated"]
    assert read(client, url, "cat:1.jpg") == (None, {"n": 1})


def test_what_a_patch_would_make_too_large_is_the_error_of_its_item(
    client: httpx.Client, url: str
) -> None:
    half = {"text": "x" * 40_000}
    assert send(client, url, {"ids": "a", "metadata": json.dumps({"one": half})}) == ["updated"]
    before = client.get(f"{url}/items/a").json()
    fields = {"ids": ["a", "b"], "metadata": [json.dumps({"two": half})] * 2}
    answer = client.post(f"{url}/items", data=fields, files=parts(photos("china", 2)))
    first, second = check_answer(answer)["data"]
    assert "'a'" in first["error"]["detail"]
    assert "65,536" in first["error"]["detail"]
    assert second["status"] == "created"
    assert client.get(f"{url}/items/a").json() == before


def test_another_word_is_refused(client: httpx.Client, url: str) -> None:
    files = parts(photos("china", 1))
    answer = client.post(f"{url}/items", data={"on_existing": "keep"}, files=files)
    check_problem(answer, 422, "merge, replace or skip")
    body = {"on_existing": "keep", "items": []}
    check_problem(client.post(f"{url}/items", json=body), 422, "on_existing")
