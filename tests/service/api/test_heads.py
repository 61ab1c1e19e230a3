"""`/v1/heads`, over HTTP."""

import io
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from tests.service.conftest import (
    check_answer,
    check_problem,
    on_both_databases,
    parts,
    photos,
)

pytestmark = on_both_databases


@pytest.fixture
def head(client: httpx.Client) -> Iterator[str]:
    """The address of a head that is not there yet, and is gone after the test."""
    url = f"/v1/heads/head-{uuid.uuid4().hex}"
    yield url
    client.delete(url)


def clusters(dim: int, per_class: int, classes: str = "ab", seed: int = 0) -> list[dict[str, Any]]:
    """Labelled vectors, each class about a direction of its own."""
    generator = np.random.default_rng(seed)
    centres = 3 * generator.normal(size=(len(classes), dim))
    return [
        {
            "id": f"{name}{i}",
            "label": name,
            "vector": (centre + generator.normal(size=dim)).tolist(),
        }
        for name, centre in zip(classes, centres, strict=True)
        for i in range(per_class)
    ]


def zipped(files: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return [("archive", ("labelled.zip", buffer.getvalue(), "application/zip"))]


def classified(client: httpx.Client, head: str, **request: Any) -> list[str | None]:
    answer = check_answer(client.post(f"{head}/classify", **request))
    return [item.get("label") for item in answer["data"]]


def test_a_head_from_images_classifies_others(client: httpx.Client, head: str, space: str) -> None:
    files = photos("china", 5) + photos("flower", 5)
    labels = ["china"] * 5 + ["flower"] * 5
    answer = check_answer(client.put(head, files=parts(files), data={"labels": labels}), 201)
    assert (answer["version"], answer["live"], answer["space"]) == (1, 1, space)
    assert answer["head"] == head.rpartition("/")[2]
    assert answer["classes"] == [{"name": "china", "count": 5}, {"name": "flower", "count": 5}]
    assert [item["index"] for item in answer["items"]] == list(range(10))
    assert len({item["id"] for item in answer["items"]}) == 10
    accuracy = answer["report"]["accuracy"]
    assert 0 <= accuracy["low"] <= accuracy["mean"] <= accuracy["high"] <= 1

    others = photos("china", 6, seed=50) + photos("flower", 6, seed=50)
    response = client.post(f"{head}/classify", files=parts([*others, b""]), data={"top": "1"})
    answer = check_answer(response)
    assert answer["version"] == 1
    *good, bad = answer["data"]
    right = [i["label"] == w for i, w in zip(good, ["china"] * 6 + ["flower"] * 6, strict=True)]
    assert sum(right) >= 10
    for item in good:
        assert item["unknown"] is False
        assert item["top"] == [{"label": item["label"], "probability": item["probability"]}]
        assert 0.5 <= item["probability"] <= 1
    assert bad["index"] == 12
    assert "empty" in bad["error"]["detail"]


def test_putting_again_replaces_the_labels_and_adds_a_version(
    client: httpx.Client, head: str, dim: int
) -> None:
    check_answer(client.put(head, json={"items": clusters(dim, 3, "ab")}), 201)
    answer = check_answer(client.put(head, json={"items": clusters(dim, 2, "xyz")}), 200)
    assert (answer["version"], answer["live"]) == (2, 2)
    assert [c["name"] for c in answer["classes"]] == ["x", "y", "z"]
    found = check_answer(client.get(head))
    assert (found["live"], found["last"], found["labels"]) == (2, 2, 6)
    assert found in check_answer(client.get("/v1/heads"))["data"]


def test_bad_items_are_left_out_and_the_rest_is_fitted(
    client: httpx.Client, head: str, dim: int
) -> None:
    good = clusters(dim, 3)
    bad: list[Any] = [
        {"vector": [1.0] * (dim - 1), "label": "a"},
        {"vector": [0.0] * dim, "label": "a"},
        {"vector": [1.0] * dim, "label": " "},
        {"vector": [1.0] * dim},
        {"vector": "text", "label": "a"},
        "text",
        {"id": good[0]["id"], "vector": [1.0] * dim, "label": "b"},
        {"id": "x" * 257, "vector": [1.0] * dim, "label": "b"},
    ]
    answer = check_answer(client.put(head, json={"items": [*good, *bad]}), 201)
    assert [item["id"] for item in answer["items"][:6]] == [item["id"] for item in good]
    words = ["numbers", "zeros", "label", "label", "vector", "", "twice", "id"]
    for item, word in zip(answer["items"][6:], words, strict=True):
        assert word in item["error"]["detail"]
        assert item["error"]["status"] == 422
    assert [c["count"] for c in answer["classes"]] == [3, 3]


def test_one_class_left_is_a_problem_that_says_so(
    client: httpx.Client, head: str, dim: int
) -> None:
    items = [*clusters(dim, 2, "a"), {"vector": [0.0] * dim, "label": "b"}]
    problem = check_problem(client.put(head, json={"items": items}), 422, "two classes", "'a'")
    assert [error["index"] for error in problem["errors"]] == [2]
    check_problem(client.get(head), 404, "no head")
    files = parts([*photos("china", 2), b"no image"])
    response = client.put(head, files=files, data={"labels": ["a", "a", "b"]})
    problem = check_problem(response, 422, "two classes")
    assert [error["index"] for error in problem["errors"]] == [2]


def test_labels_after_images_and_ids(client: httpx.Client, head: str) -> None:
    files = photos("china", 2) + photos("flower", 2)
    # As httpx sends them: text fields after the files, when they are given as files too.
    ordered: list[tuple[str, Any]] = [*parts(files)]
    ordered += [("labels", (None, label)) for label in ("c", "c", "f", "f")]
    ordered += [("ids", (None, one)) for one in ("1", "2", "3", "4")]
    answer = check_answer(client.put(head, files=ordered), 201)
    assert [item["id"] for item in answer["items"]] == ["1", "2", "3", "4"]
    assert answer["classes"] == [{"name": "c", "count": 2}, {"name": "f", "count": 2}]


def test_an_archive_with_a_folder_a_class(client: httpx.Client, head: str) -> None:
    files = {f"all/china/{i}.jpg": data for i, data in enumerate(photos("china", 3))}
    files |= {f"all/flower/{i}.jpg": data for i, data in enumerate(photos("flower", 3))}
    files |= {"all/flower/notes.txt": b"text", "__MACOSX/all/china/._0.jpg": b"x"}
    answer = check_answer(client.put(head, files=zipped(files)), 201)
    assert answer["classes"] == [{"name": "china", "count": 3}, {"name": "flower", "count": 3}]
    ids = [path.replace("/", ":") for path in files][:6]
    assert [item.get("id") for item in answer["items"]] == [*ids, None]
    assert "not an image" in answer["items"][6]["error"]["detail"]


def test_an_archive_with_labels_csv(client: httpx.Client, head: str) -> None:
    table = "path,label,split\nimages/1.jpg,china,train\nimages/2.jpg,flower,train\n"
    files = {
        "set/labels.csv": table.encode(),
        "set/images/1.jpg": photos("china", 1)[0],
        "set/images/2.jpg": photos("flower", 1)[0],
        "set/images/not-listed.jpg": photos("flower", 1, seed=9)[0],
    }
    answer = check_answer(client.put(head, files=zipped(files)), 201)
    assert answer["classes"] == [{"name": "china", "count": 1}, {"name": "flower", "count": 1}]
    assert answer["report"]["warnings"]


def test_a_head_from_a_collection(client: httpx.Client, head: str, dim: int) -> None:
    collection = f"c-{uuid.uuid4().hex}"
    url = f"/v1/collections/{collection}"
    assert client.put(url, json={}).status_code == 201
    try:
        items = [*clusters(dim, 4), {"id": "plain", "vector": clusters(dim, 1)[0]["vector"]}]
        assert client.post(f"{url}/items", json={"items": items}).status_code == 200
        answer = check_answer(client.put(head, json={"collection": collection}), 201)
        assert [item["id"] for item in answer["items"]] == [item["id"] for item in items[:8]]

        asked = {"collection": collection, "ids": ["plain", "no-such", "b1"]}
        data = check_answer(client.post(f"{head}/classify", json=asked))["data"]
        assert [item.get("label") for item in data] == ["a", None, "b"]
        assert [item["id"] for item in data] == asked["ids"]
        assert data[1]["error"]["status"] == 404

        change = {"collection": collection, "items": [{"id": "plain", "label": "c"}]}
        answer = check_answer(client.post(f"{head}/labels", json=change))
        assert (answer["labels"], answer["data"][0]["status"]) == (9, "created")
        # An item that goes takes its labels along.
        assert client.delete(f"{url}/items/plain").status_code in (200, 204)
        assert check_answer(client.get(head))["labels"] == 8
    finally:
        client.delete(url)
    check_problem(client.put(head, json={"collection": collection}), 404, collection)


def test_labels_are_added_changed_and_removed_and_count_at_the_next_fit(
    client: httpx.Client, head: str, dim: int
) -> None:
    items = clusters(dim, 3, "abc")
    check_answer(client.put(head, json={"items": items[:6]}), 201)
    change = {
        "items": [
            *items[6:],
            {"id": "a0", "label": "b"},
            {"id": "no-such", "label": "b"},
            {"label": "b"},
            {"id": "b0", "label": "b", "vector": items[3]["vector"]},
        ],
        "remove": ["a1", "never-there"],
    }
    answer = check_answer(client.post(f"{head}/labels", json=change))
    statuses = [item.get("status") for item in answer["data"]]
    assert statuses == ["created", "created", "created", "updated", None, None, "updated"]
    assert answer["data"][4]["error"]["status"] == 404
    assert answer["labels"] == 8
    assert check_answer(client.get(head))["live"] == 1  # nothing was fitted
    answer = check_answer(client.post(f"{head}/fit"))
    assert (answer["version"], answer["live"]) == (2, 2)
    counts = {c["name"]: c["count"] for c in answer["classes"]}
    assert counts == {"a": 1, "b": 4, "c": 3}

    check_answer(client.post(f"{head}/labels", json={"remove": ["a0", "a2"]}))
    files = parts(photos("china", 1))
    answer = check_answer(client.post(f"{head}/labels", files=files, data={"labels": "china"}))
    assert answer["data"][0]["status"] == "created"
    counts = {c["name"]: c["count"] for c in check_answer(client.post(f"{head}/fit"))["classes"]}
    assert counts == {"b": 3, "c": 3, "china": 1}


def test_a_fit_needs_two_classes_still(client: httpx.Client, head: str, dim: int) -> None:
    check_answer(client.put(head, json={"items": clusters(dim, 1)}), 201)
    check_answer(client.post(f"{head}/labels", json={"remove": ["a0"]}))
    check_problem(client.post(f"{head}/fit"), 422, "two classes")
    assert classified(client, head, json={"vectors": [clusters(dim, 1)[0]["vector"]]}) == ["a"]


def test_versions_and_rolling_back(client: httpx.Client, head: str, dim: int) -> None:
    items = clusters(dim, 4)
    first = check_answer(client.put(head, json={"items": items}), 201)
    swapped = [{**item, "label": {"a": "b", "b": "a"}[item["label"]]} for item in items]
    check_answer(client.put(head, json={"items": swapped}))
    probe = {"vectors": [items[0]["vector"], items[4]["vector"]]}
    assert classified(client, head, json=probe) == ["b", "a"]
    assert classified(client, head, json={**probe, "version": 1}) == ["a", "b"]

    assert check_answer(client.put(f"{head}/live", json={"version": 1}))["live"] == 1
    assert classified(client, head, json=probe) == ["a", "b"]
    versions = check_answer(client.get(f"{head}/versions"))
    assert [v["version"] for v in versions["data"]] == [1, 2]
    assert versions["live"] == 1
    one = check_answer(client.get(f"{head}/versions/1"))
    assert one["report"] == first["report"]
    assert check_answer(client.post(f"{head}/fit"))["live"] == 3

    check_problem(client.get(f"{head}/versions/9"), 404, "version 9")
    check_problem(client.put(f"{head}/live", json={"version": 9}), 404, "version 9")
    check_problem(client.put(f"{head}/live", json={"version": "one"}), 422, "version")
    response = client.post(f"{head}/classify", json={**probe, "version": 9})
    check_problem(response, 404, "version 9")


def test_classify_lists_the_likeliest_first(client: httpx.Client, head: str, dim: int) -> None:
    check_answer(client.put(head, json={"items": clusters(dim, 3, "abcde")}), 201)
    vector = clusters(dim, 3, "abcde")[4]["vector"]
    for top, expected in ((None, 3), (2, 2), (50, 5)):
        asked = {"vectors": [vector], **({"top": top} if top else {})}
        (item,) = check_answer(client.post(f"{head}/classify", json=asked))["data"]
        probabilities = [one["probability"] for one in item["top"]]
        assert len(probabilities) == expected
        assert probabilities == sorted(probabilities, reverse=True)
        assert item["label"] == item["top"][0]["label"] == "b"
    assert sum(probabilities) == pytest.approx(1)


def test_vectors_of_another_space_are_a_conflict(
    client: httpx.Client, head: str, dim: int, space: str
) -> None:
    items, other = clusters(dim, 2), "0" * 64
    check_problem(client.put(head, json={"items": items, "space": other}), 409, "space")
    check_answer(client.put(head, json={"items": items, "space": space}), 201)
    check_problem(client.put(head, json={"items": items, "space": other}), 409, "space")
    probe = {"vectors": [items[0]["vector"]], "space": other}
    check_problem(client.post(f"{head}/classify", json=probe), 409, "space")
    check_problem(client.post(f"{head}/labels", json={"items": items, "space": other}), 409)


def test_deleting(client: httpx.Client, head: str, dim: int) -> None:
    check_answer(client.put(head, json={"items": clusters(dim, 1)}), 201)
    assert client.delete(head).status_code == 204
    for response in (
        client.delete(head),
        client.get(head),
        client.get(f"{head}/versions"),
        client.post(f"{head}/fit"),
        client.post(f"{head}/classify", json={"vectors": [[1.0] * dim]}),
        client.post(f"{head}/labels", json={"remove": ["a"]}),
        client.put(f"{head}/live", json={"version": 1}),
    ):
        check_problem(response, 404, "no head")
    assert check_answer(client.put(head, json={"items": clusters(dim, 1)}), 201)["version"] == 1


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"json": {}}, 422, ["collection or items"]),
        ({"json": {"collection": "c", "items": []}}, 422, ["collection or items"]),
        ({"json": {"items": []}}, 422, ["two classes"]),
        ({"json": {"items": [], "model": "no-such"}}, 404, ["no-such"]),
        ({"json": {"collection": "no-such"}}, 404, ["no-such"]),
        ({"content": b"{]", "headers": {"content-type": "application/json"}}, 400, ["not JSON"]),
        ({"content": b"x", "headers": {"content-type": "text/csv"}}, 415, ["multipart"]),
        ({"files": {"images": b"x"}}, 422, ["no labels"]),
        (
            {"files": {"images": b"x"}, "data": {"labels": ["a", "b"]}},
            422,
            ["2 labels", "1 images"],
        ),
        ({"files": {"photos": b"x"}, "data": {"labels": "a"}}, 422, ["photos", "images"]),
        ({"files": {"labels": (None, "a")}}, 422, ["no images"]),
        ({"files": {"archive": b"no zip"}}, 422, ["zip"]),
        ({"files": {"archive": b"x", "images": b"x"}}, 422, ["one archive"]),
    ],
)
def test_wrong_label_sets_are_problems(
    client: httpx.Client, head: str, request_: dict[str, Any], status: int, words: list[str]
) -> None:
    check_problem(client.put(head, **request_), status, *words)
    check_problem(client.get(head), 404)


@pytest.mark.parametrize("name", ["-a", ".a", "a b", "a" * 65, "ä"])
def test_names_that_are_none(client: httpx.Client, dim: int, name: str) -> None:
    response = client.put(f"/v1/heads/{name}", json={"items": clusters(dim, 1)})
    check_problem(response, 422, "head")


def test_wrong_questions_are_problems(client: httpx.Client, head: str, dim: int) -> None:
    check_answer(client.put(head, json={"items": clusters(dim, 1)}), 201)
    ask = f"{head}/classify"
    vector = [1.0] * dim
    for wrong, words in (
        ({}, ["ids", "vectors"]),
        ({"vectors": []}, ["nothing"]),
        ({"ids": ["a"]}, ["collection"]),
        ({"ids": ["a"], "vectors": [vector]}, ["either"]),
        ({"vectors": [vector], "top": 0}, ["top"]),
        ({"vectors": [vector], "k": 1}, ["k"]),
    ):
        check_problem(client.post(ask, json=wrong), 422, *words)
    check_problem(client.post(ask, json={"ids": ["a"], "collection": "no-such"}), 404, "no-such")
    check_problem(client.post(ask, files=parts([b"x"]), data={"top": "0"}), 422, "top")
    check_problem(client.post(ask, files=parts([b"x"]), data={"top": "many"}), 422, "top")
    check_problem(client.post(ask, files={"top": (None, "1")}), 422, "no images")
    problem = check_problem(client.post(ask, json={"vectors": [[1.0]]}), 422, "no item")
    assert [error["index"] for error in problem["errors"]] == [0]
    check_problem(client.post(f"{head}/labels", json={}), 422, "items", "remove")
    both = {"items": [{"id": "a0", "label": "b"}], "remove": ["a0"]}
    check_problem(client.post(f"{head}/labels", json=both), 422, "a0")
    check_problem(client.post(f"{head}/labels", json={"items": [{"id": "z", "label": "b"}]}), 422)


def test_what_no_head_can_have_is_not_found(client: httpx.Client, head: str, dim: int) -> None:
    check_answer(client.put(head, json={"items": clusters(dim, 2)}), 201)
    for version in (0, -1, 2, 2**31, 2**70):
        check_problem(client.get(f"{head}/versions/{version}"), 404, "it has 1 to 1")
    huge = {"vectors": [[1.0] * dim], "version": 2**62}
    check_problem(client.post(f"{head}/classify", json=huge), 404, "it has 1 to 1")
    removed = client.post(f"{head}/labels", json={"remove": ["\0", "a0"]})
    assert check_answer(removed)["labels"] == 3
