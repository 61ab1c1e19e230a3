"""`/v1/collections`, over HTTP."""

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import text

from tests.service.conftest import (
    Gateway,
    check_answer,
    check_problem,
    jpeg,
    labels,
    on_both_databases,
    parts,
    photos,
    png,
)
from tests.service.databases import postgres_server

ROOT = "/v1/collections"

pytestmark = on_both_databases


def vectors(dim: int, ids: str, **more: Any) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(len(ids), dim)).round(4)
    return {
        "items": [{"id": i, "vector": v.tolist(), **more} for i, v in zip(ids, rows, strict=True)]
    }


def test_a_collection_is_made_found_listed_and_removed(
    client: httpx.Client, dim: int, space: str
) -> None:
    url = f"{ROOT}/shelf-1.a_B"
    made = check_answer(client.put(url), 201)
    assert (made["dim"], made["space"], made["keep"], made["count"]) == (dim, space, "nothing", 0)
    assert check_answer(client.put(url, json={"keep": "nothing"})) == made
    assert check_answer(client.get(url)) == made
    assert made in check_answer(client.get(ROOT))["data"]
    check_problem(client.put(url, json={"keep": "original"}), 409, "another keep")
    assert client.delete(url).status_code == 204
    check_problem(client.get(url), 404, "shelf-1.a_B", "PUT")
    check_problem(client.delete(url), 404)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "no-such-model"}, 404, "no-such-model"),
        ({"keep": "everything"}, 422, "keep"),
        ({"metadata_schema": {"year": "date"}}, 422, "metadata_schema.year"),
        ({"metadata_schema": {"": "string"}}, 422, "metadata_schema"),
        ({"colour": "red"}, 422, "colour"),
        ([], 422, "JSON object"),
    ],
)
def test_what_cannot_be_a_collection_is_refused(
    client: httpx.Client, body: Any, status: int, words: str
) -> None:
    check_problem(client.put(f"{ROOT}/refused", json=body), status, words)
    check_problem(client.get(f"{ROOT}/refused"), 404)


def test_wrong_names_and_bodies_are_refused(client: httpx.Client) -> None:
    check_problem(client.put(f"{ROOT}/.hidden", json={}), 422, "collection")
    check_problem(client.put(f"{ROOT}/{'x' * 65}", json={}), 422, "collection")
    headers = {"content-type": "application/json"}
    check_problem(client.put(f"{ROOT}/x", content=b"{", headers=headers), 400, "not JSON")
    check_problem(client.put(f"{ROOT}/x", content=b"keep=original"), 415, "application/json")
    check_problem(client.post(f"{ROOT}/none/items", json={"items": []}), 404, "none")
    check_problem(client.post(f"{ROOT}/none/search", json={"id": "a"}), 404, "none")


def test_images_are_stored_with_ids_labels_and_metadata(
    client: httpx.Client, make: Callable[..., str]
) -> None:
    url = make(keep="thumbnail")
    files = photos("china", 2)
    fields = {"ids": ["a", ""], "labels": ["cat", ""], "metadata": ['{"n": 1}', ""]}
    answer = check_answer(client.post(f"{url}/items", data=fields, files=parts(files)))
    first, second = answer["data"]
    assert first == {"index": 0, "id": "a", "status": "created"}
    assert len(second["id"]) == 32
    item = check_answer(client.get(f"{url}/items/a"))
    assert (item["label"], item["metadata"]) == ("cat", {"n": 1})
    assert np.linalg.norm(item["vector"]) == pytest.approx(1, abs=1e-5)
    again = client.post(f"{url}/items", data={"ids": "a"}, files=parts(files[:1]))
    assert check_answer(again)["data"] == [{"index": 0, "id": "a", "status": "unchanged"}]
    assert labels(client, url) == {"a": "cat", second["id"]: None}


def test_one_bad_image_fails_alone(client: httpx.Client, make: Callable[..., str]) -> None:
    url = make()
    files = [*photos("china", 1), b"", b"text, whatever its name", photos("china", 1)[0][:3000]]
    fields = {"ids": list("abcd"), "labels": ["x"] * 4}
    data = check_answer(client.post(f"{url}/items", data=fields, files=parts(files)))["data"]
    assert [item["index"] for item in data] == [0, 1, 2, 3]
    assert ["error" in item for item in data] == [False, True, True, True]
    assert labels(client, url) == {"a": "x"}
    problem = check_problem(client.post(f"{url}/items", files=parts(files[1:])), 422, "no item")
    assert [error["index"] for error in problem["errors"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"vector": [1.0, 2.0]}, "2 numbers"),
        ({"vector": "zeros"}, "zeros"),
        ({"vector": "good", "id": "a/b"}, "without '/'"),
        ({"vector": "good", "id": ".."}, "'..'"),
        ({"vector": "good", "id": "x" * 257}, "256"),
        ({"vector": "good", "label": "x\ny"}, "label"),
        ({"vector": "good", "metadata": {"year": "new"}}, "metadata.year"),
        ({"vector": "good", "metadata": {"year": 2020.5}}, "metadata.year"),
        ({"vector": "good", "metadata": {"year": {"a": 1}}}, "metadata.year"),
        ({"vector": "good", "metadata": {"n": "\0"}}, "NUL"),
        ({"vector": "good", "metadata": {"n": [[1]]}}, "list"),
        ({"vector": "good", "metadata": {"n": "x" * 70_000}}, "65,536"),
        ({"vector": "good", "id": "fine"}, "twice"),
        ({"vector": "good", "colour": "red"}, "colour"),
        ({"id": "z"}, "vector"),
        ("text", "JSON object"),
    ],
)
def test_one_bad_vector_fails_alone(
    client: httpx.Client, make: Callable[..., str], dim: int, item: Any, words: str
) -> None:
    url = make(metadata_schema={"year": "integer"})
    known = {"good": [1.0] * dim, "zeros": [0.0] * dim}
    if isinstance(item, dict) and isinstance(item.get("vector"), str):
        item = {**item, "vector": known[item["vector"]]}
    fine = {"id": "fine", "vector": known["good"], "metadata": {"year": 2020}}
    answer = check_answer(client.post(f"{url}/items", json={"items": [fine, item]}))
    good, bad = answer["data"]
    assert good == {"index": 0, "id": "fine", "status": "created"}
    assert words.lower() in bad["error"]["detail"].lower()
    assert set(labels(client, url)) == {"fine"}


def test_wrong_uploads_are_refused_whole(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = f"{make()}/items"
    image = parts(photos("china", 1))
    check_problem(
        client.post(url, data={"labels": ["a", "b"]}, files=image), 422, "2 labels", "1 images"
    )
    check_problem(client.post(url, data={"colour": "red"}, files=image), 422, "colour")
    check_problem(client.post(url, json={"items": []}), 422, "at least one")
    check_problem(client.post(url, json={"items": "none"}), 422, "items")
    body = {**vectors(dim, "a"), "space": "0" * 64}
    assert check_problem(client.post(url, json=body), 409)["type"].endswith("space-mismatch")
    check_problem(client.post(url, content=b"x", headers={"content-type": "text/plain"}), 415)
    nan = json.dumps({"items": [{"vector": [float("nan")]}]})
    headers = {"content-type": "application/json"}
    check_problem(client.post(url, content=nan, headers=headers), 400, "JSON")


@pytest.mark.parametrize("keep", ["nothing", "thumbnail", "original"])
def test_thumbnails_are_kept_as_the_collection_says(
    client: httpx.Client, make: Callable[..., str], keep: str, dim: int
) -> None:
    url = make(keep=keep)
    photo = jpeg(Image.open(io.BytesIO(photos("china", 1)[0])).resize((600, 300)))
    check_answer(client.post(f"{url}/items", data={"ids": "a"}, files=parts([photo])))
    answer = client.get(f"{url}/items/a/thumbnail")
    if keep == "nothing":
        check_problem(answer, 404, "keeps nothing")
        return
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (256, 128)
    # A vector in the place of an image leaves no picture of what is no longer there.
    check_answer(client.post(f"{url}/items", json=vectors(dim, "a")))
    check_problem(client.get(f"{url}/items/a/thumbnail"), 404, "no thumbnail")
    check_problem(client.get(f"{url}/items/b/thumbnail"), 404, "no item")


def test_items_are_read_page_by_page(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = f"{make()}/items"
    check_answer(client.post(url, json=vectors(dim, "abcdefg")))
    seen: list[str] = []
    cursor = None
    while cursor or not seen:
        page = check_answer(
            client.get(url, params={"limit": 3, "cursor": cursor} if cursor else {"limit": 3})
        )
        seen += [item["id"] for item in page["data"]]
        cursor = page["next_cursor"]
    assert seen == list("abcdefg")
    found = check_answer(client.get(url, params={"filter": '{"id": "c"}', "vectors": "true"}))[
        "data"
    ]
    assert [(item["id"], len(item["vector"])) for item in found] == [("c", dim)]
    for params in (
        {"limit": "0"},
        {"limit": "1001"},
        {"cursor": "x"},
        {"filter": "{"},
        {"filter": "[]"},
    ):
        check_problem(client.get(url, params=params), 422, next(iter(params)))


def test_an_item_is_changed_in_part(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make(metadata_schema={"year": "integer"})
    body = vectors(dim, "a", label="cat", metadata={"year": 1, "site": "n", "o": {"x": 1, "y": 2}})
    check_answer(client.post(f"{url}/items", json=body))
    url = f"{url}/items/a"
    before = check_answer(client.get(url))
    changed = check_answer(client.patch(url, json={"metadata": {"site": None, "o": {"x": 3}}}))
    assert changed["metadata"] == {"year": 1, "o": {"x": 3, "y": 2}}
    assert (changed["label"], changed["vector"]) == ("cat", before["vector"])
    assert check_answer(client.patch(url, json={"label": None}))["label"] is None
    check_problem(client.patch(url, json={"metadata": {"year": "new"}}), 422, "metadata.year")
    check_problem(client.patch(url, json={"vector": [1]}), 422, "vector")
    check_problem(client.patch(f"{url}x", json={"label": "x"}), 404, "'ax'")
    assert check_answer(client.get(url))["metadata"] == {"year": 1, "o": {"x": 3, "y": 2}}


def test_items_are_deleted_by_id_and_by_filter(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    check_answer(client.post(f"{url}/items", json=vectors(dim, "abc", label="cat")))
    check_answer(client.post(f"{url}/items", json=vectors(dim, "xyz", label="dog")))
    delete = f"{url}/items:delete"
    assert check_answer(client.post(delete, json={"ids": ["a", "a", "none"]}))["deleted"] == 1
    assert check_answer(client.post(delete, json={"filter": {"label": "dog"}}))["deleted"] == 3
    assert set(labels(client, url)) == {"b", "c"}
    refused: list[dict[str, Any]] = [
        {},
        {"ids": ["b"], "filter": {"label": "cat"}},
        {"filter": {}},
        {"filter": {"x": 1}},
    ]
    for body in refused:
        check_problem(client.post(delete, json=body), 422)
    assert client.delete(f"{url}/items/b").status_code == 204
    check_problem(client.delete(f"{url}/items/b"), 404, "'b'")
    assert set(labels(client, url)) == {"c"}


def test_ids_of_any_script_work_in_urls(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    odd = ["Zürich 1?x=2", "100%", "a#b", "猫", "x:delete"]
    rows = vectors(dim, "abcde")["items"]
    new = [{**row, "id": item_id} for row, item_id in zip(rows, odd, strict=True)]
    check_answer(client.post(f"{url}/items", json={"items": new}))
    for item_id in odd:
        quoted = quote(item_id, safe="")
        item = client.get(f"{url}/items/{quoted}")
        assert item.status_code == 200, item.text
        assert item.json()["id"] == item_id


def test_search_by_image_vector_item_and_examples(
    client: httpx.Client, make: Callable[..., str]
) -> None:
    url = make()
    files = photos("china", 6) + photos("flower", 6)
    fields = {
        "ids": [f"p{i}" for i in range(12)],
        "labels": ["china"] * 6 + ["flower"] * 6,
        "metadata": [json.dumps({"n": i}) for i in range(12)],
    }
    check_answer(client.post(f"{url}/items", data=fields, files=parts(files)))
    asked = f"{url}/search"
    by_image = check_answer(client.post(asked, data={"k": "12"}, files=parts(files[3:4], "image")))
    assert by_image["matches"][0]["id"] == "p3"
    assert by_image["matches"][0]["score"] == pytest.approx(1, abs=1e-4)
    assert by_image["matches"][0]["metadata"] == {"n": 3}
    scores = [match["score"] for match in by_image["matches"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 12
    vector = check_answer(client.get(f"{url}/items/p3"))["vector"]
    by_vector = check_answer(client.post(asked, json={"vector": vector, "k": 12}))
    assert [m["id"] for m in by_vector["matches"]] == [m["id"] for m in by_image["matches"]]
    by_id = check_answer(client.post(asked, json={"id": "p3", "k": 12}))
    assert [m["id"] for m in by_id["matches"]] == [m["id"] for m in by_image["matches"][1:]]
    body = {"positive": ["p0", "p1"], "negative": ["p7"], "k": 3, "filter": {"label": "china"}}
    matches = check_answer(client.post(asked, json=body))["matches"]
    assert len(matches) == 3
    assert {m["label"] for m in matches} == {"china"}
    assert not {"p0", "p1", "p7"} & {m["id"] for m in matches}
    form = {"filter": '{"metadata.n": {"gte": 10}}'}
    filtered = check_answer(client.post(asked, data=form, files=parts(files[:1], "image")))
    assert {m["id"] for m in filtered["matches"]} == {"p10", "p11"}


def test_wrong_searches_are_refused(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    check_answer(client.post(f"{url}/items", json=vectors(dim, "ab")))
    url = f"{url}/search"
    for body, words in [
        ({"id": "a", "k": 0}, "k must be"),
        ({"id": "a", "k": 1001}, "k must be"),
        ({"id": "a", "k": "many"}, "k"),
        ({}, "exactly one"),
        ({"id": "a", "vector": [1.0]}, "exactly one"),
        ({"negative": ["a"]}, "exactly one"),
        ({"id": "a", "negative": ["b"]}, "positive"),
        ({"vector": [1.0]}, "1 numbers"),
        ({"id": "a", "filter": {"colour": "red"}}, "colour"),
    ]:
        check_problem(client.post(url, json=body), 422, words)
    check_problem(client.post(url, json={"id": "none"}), 404, "'none'")
    wrong = {"vector": [1.0] * dim, "space": "0" * 64}
    check_problem(client.post(url, json=wrong), 409, "space")
    image = parts(photos("china", 1), "image")
    check_problem(client.post(url, data={"k": "0"}, files=image), 422, "k must be")
    check_problem(client.post(url, data={"filter": "{"}, files=image), 422, "filter")
    check_problem(client.post(url, files=parts([b"text"], "image")), 422, "image")
    check_problem(client.post(url, files=[*image, *image]), 422, "exactly one")
    assert (
        check_answer(client.post(url, json={"id": "a", "filter": {"label": "x"}}))["matches"] == []
    )


@pytest.mark.parametrize(
    ("filter", "ids"),
    [
        ({"label": "cat"}, "ad"),
        ({"label": {"gte": "cat", "lt": "dog"}}, "ad"),
        ({"label": {"exists": True}}, "abd"),
        ({"id": {"in": ["a", "c", "nobody"]}}, "ac"),
        ({"metadata.site": "north"}, "ac"),
        ({"metadata.site": {"in": ["south", "Zürich"]}}, "bd"),
        ({"metadata.year": {"gte": 2021}}, "bd"),
        ({"metadata.year": {"gt": 2020, "lte": 2022}}, "b"),
        ({"metadata.sold": True}, "b"),
        ({"metadata.place.city": "Bern"}, "d"),
        ({"not": {"metadata.site": "north"}}, "bd"),
        ({"and": [{"label": "cat"}, {"metadata.year": {"gte": 2021}}]}, "d"),
        ({"or": [{"label": "dog"}, {"metadata.year": 2020}]}, "ab"),
        ({"metadata.nobody": {"exists": True}}, ""),
    ],
)
def test_a_search_finds_only_what_the_filter_holds_for(
    client: httpx.Client, filtered: str, dim: int, filter: Any, ids: str
) -> None:
    body = {"vector": [1.0] * dim, "k": 10, "filter": filter}
    found = check_answer(client.post(f"{filtered}/search", json=body))["matches"]
    assert {match["id"] for match in found} == set(ids)


@pytest.fixture(scope="module")
def filtered(gateway: Gateway, dim: int) -> str:
    """A collection of four items that filters tell apart."""
    url = f"{ROOT}/filtered"
    about: list[tuple[str | None, dict[str, Any]]] = [
        ("cat", {"site": "north", "year": 2020}),
        ("dog", {"site": "south", "year": 2021.5, "sold": True}),
        (None, {"site": ["north", "east"], "year": "2020"}),
        ("cat", {"site": "Zürich", "year": 2023, "place": {"city": "Bern"}}),
    ]
    rows = vectors(dim, "abcd")["items"]
    new = [
        {**row, "label": label, "metadata": metadata}
        for row, (label, metadata) in zip(rows, about, strict=True)
    ]
    with gateway.client() as client:
        check_answer(client.put(url, json={}), 201)
        check_answer(client.post(f"{url}/items", json={"items": new}))
    return url


def test_ids_that_no_item_can_have_are_not_found(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    check_answer(client.post(f"{url}/items", json=vectors(dim, "a")))
    for item_id in ("\0", "x" * 10_000):
        check_problem(client.get(f"{url}/items/{quote(item_id)}"), 404, "no item")
        check_problem(client.delete(f"{url}/items/{quote(item_id)}"), 404, "no item")
        check_problem(client.patch(f"{url}/items/{quote(item_id)}", json={"label": "x"}), 404)
        check_problem(client.get(f"{url}/items/{quote(item_id)}/thumbnail"), 404)
        check_problem(client.post(f"{url}/search", json={"id": item_id}), 404)
        deleted = client.post(f"{url}/items:delete", json={"ids": [item_id]})
        assert check_answer(deleted)["deleted"] == 0
    check_problem(client.post(f"{url}/search", json={"id": "a", "filter": {"id": "\0"}}), 422)


def test_connections_that_the_server_ended_are_made_anew(
    client: httpx.Client, make: Callable[..., str], dim: int, database: str
) -> None:
    url = make()
    check_answer(client.post(f"{url}/items", json=vectors(dim, "ab")))
    if database == "postgresql":
        admin = postgres_server()
        with admin.connect() as connection:
            ended = connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND datname LIKE 'zoo%'"
                )
            ).all()
        admin.dispose()
        assert ended
    found = check_answer(client.post(f"{url}/search", json={"id": "a"}))["matches"]
    assert [match["id"] for match in found] == ["b"]
    check_answer(client.post(f"{url}/items", json=vectors(dim, "c")))


def test_two_gateways_on_one_database_see_each_others_writes(
    start_gateway: Callable[..., Gateway],
) -> None:
    first, second = start_gateway(), start_gateway()
    url = f"{ROOT}/shared"
    with first.client() as one, second.client() as two:
        dim = check_answer(one.put(url, json={}), 201)["dim"]
        for turn, ids in enumerate(["a", "bc", "def"]):
            writer, reader = (one, two) if turn % 2 else (two, one)
            check_answer(writer.post(f"{url}/items", json=vectors(dim, ids)))
            for client in (reader, writer):
                body = {"vector": [1.0] * dim, "k": 100}
                found = check_answer(client.post(f"{url}/search", json=body))["matches"]
                assert {m["id"] for m in found} == set("abcdef"[: (turn + 1) * (turn + 2) // 2])
        one.delete(f"{url}/items/a")
        found = check_answer(two.post(f"{url}/search", json={"id": "b", "k": 9}))["matches"]
        assert {m["id"] for m in found} == set("cdef")
        assert two.delete(url).status_code == 204
        check_problem(one.post(f"{url}/search", json={"id": "b"}), 404)


def test_an_image_of_any_shape_is_stored_beside_the_others(
    client: httpx.Client, make: Callable[..., str]
) -> None:
    url = make(keep="original")
    sizes = [(513, 1), (1, 513), (1, 5000), (5000, 1), (60_000, 1), (1, 1), (300, 2)]
    files = [*photos("china", 1), *(png(Image.new("RGB", size, "red")) for size in sizes)]
    fields = {"ids": [str(i) for i in range(len(files))]}
    data = check_answer(client.post(f"{url}/items", data=fields, files=parts(files)))["data"]
    assert [item["status"] for item in data] == ["created"] * len(files)
    for i, (width, height) in enumerate(sizes, 1):
        small = Image.open(io.BytesIO(client.get(f"{url}/items/{i}/thumbnail").content))
        share = min(1, 256 / max(width, height))
        assert small.size == (max(1, round(width * share)), max(1, round(height * share)))


DEEP: list[Any] = [
    '{"a":' * depth + "1" + "}" * depth for depth in (9, 254, 255, 256, 900, 1000)
] + ['{"a":[' * depth + "1" + "]}" * depth for depth in (9, 200, 450)]
WHOLE = [2**63, -(2**63) - 1, 2**64, 10**30, 10**300]


@pytest.mark.parametrize(
    ("metadata", "words"),
    [(text, "nested deeper than 8") for text in DEEP]
    + [(f'{{"n": {number}}}', "64 bits") for number in WHOLE],
)
def test_metadata_that_cannot_be_kept_is_the_error_of_its_item(
    client: httpx.Client, make: Callable[..., str], dim: int, metadata: str, words: str
) -> None:
    url = make()
    vector = json.dumps([1.0] * dim)
    for item_id in "ab":
        good = f'{{"id": "{item_id}", "vector": {vector}}}'
        bad = f'{{"id": "x", "vector": {vector}, "metadata": {metadata}}}'
        body = f'{{"items": [{good}, {bad}]}}'
        headers = {"content-type": "application/json"}
        answer = check_answer(client.post(f"{url}/items", content=body, headers=headers))
        first, second = answer["data"]
        assert first["id"] == item_id
        assert words in second["error"]["detail"]
    fields = {"ids": ["c", "x"], "metadata": ["", metadata]}
    answer = check_answer(client.post(f"{url}/items", data=fields, files=parts(photos("china", 2))))
    assert words in answer["data"][1]["error"]["detail"]
    assert set(labels(client, url)) == {"a", "b", "c"}
    patch = client.patch(f"{url}/items/a", content=f'{{"metadata": {metadata}}}', headers=headers)
    check_problem(patch, 422, words)
    deleted = client.post(
        f"{url}/items:delete",
        content=f'{{"filter": {{"metadata.n": {metadata}}}}}',
        headers=headers,
    )
    assert deleted.status_code in (400, 422), deleted.text  # 400 where it cannot even be parsed


def test_numbers_come_back_as_they_were_sent(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    numbers = "[9223372036854775807,-9223372036854775808,9007199254740993,0.1,1e300,5e-324,1.0,1]"
    body = f'{{"items":[{{"id":"a","vector":{[1.0] * dim},"metadata":{{"n":{numbers}}}}}]}}'
    headers = {"content-type": "application/json"}
    check_answer(client.post(f"{url}/items", content=body, headers=headers))
    text = client.get(f"{url}/items/a").text
    assert repr(json.loads(text)["metadata"]["n"]) == repr(json.loads(numbers))


def test_only_the_owner_that_is_named_is_deleted(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    rows = vectors(dim, "abc")["items"]
    for row, owner in zip(rows, range(1234567890123456788, 1234567890123456791), strict=True):
        row["metadata"] = {"owner": owner}
    check_answer(client.post(f"{url}/items", json={"items": rows}))
    body = {"filter": {"metadata.owner": 1234567890123456789}}
    assert check_answer(client.post(f"{url}/items:delete", json=body))["deleted"] == 1
    assert set(labels(client, url)) == {"a", "c"}


def test_what_is_long_or_empty_is_there(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url = make()
    rows = vectors(dim, "abcdef")["items"]
    values: list[Any] = ["https://example.org/" + "x" * 600, {}, [], {"by": "phone"}, None]
    for row, value in zip(rows[:5], values, strict=True):
        row["metadata"] = {"consent": value}
    check_answer(client.post(f"{url}/items", json={"items": rows}))
    body = {"filter": {"not": {"metadata.consent": {"exists": True}}}}
    assert check_answer(client.post(f"{url}/items:delete", json=body))["deleted"] == 2
    assert set(labels(client, url)) == set("abcd")


@pytest.mark.parametrize(
    ("filter", "status", "words"),
    [
        ("{}", 422, "every item"),
        ('{"and": [{}]}', 422, "{} inside"),
        ('{"or": [{"label": "dog"}, {}]}', 422, "{} inside"),
        ('{"not": {}}', 422, "{} inside"),
        ('{"not": {"not": {}}}', 422, "{} inside"),
        ('{"and": [{"or": [{"and": [{}]}]}]}', 422, "{} inside"),
        ('{"and": []}', 422, "list"),
        ('{"metadata.x": {}}', 422, "no condition"),
        ('{"not": {"label": "cat"}, "not": {"label": "dog"}}', 400, "'not' twice"),
    ],
)
def test_an_empty_condition_is_refused_wherever_a_filter_is_taken(
    client: httpx.Client, make: Callable[..., str], dim: int, filter: str, status: int, words: str
) -> None:
    url = make()
    check_answer(client.post(f"{url}/items", json=vectors(dim, "ab", label="cat")))
    headers = {"content-type": "application/json"}
    body = f'{{"filter": {filter}}}'
    check_problem(client.post(f"{url}/items:delete", content=body, headers=headers), status, words)
    search = f'{{"id": "a", "filter": {filter}}}'
    found = client.post(f"{url}/search", content=search, headers=headers)
    image = parts(photos("china", 1), "image")
    by_image = client.post(f"{url}/search", data={"filter": filter}, files=image)
    page = client.get(f"{url}/items", params={"filter": filter})
    if filter == "{}":
        assert [m["id"] for m in check_answer(found)["matches"]] == ["b"]
        assert len(check_answer(by_image)["matches"]) == len(check_answer(page)["data"]) == 2
    else:
        check_problem(found, status, words)
        check_problem(by_image, 422, words)
        check_problem(page, 422, words)
    assert set(labels(client, url)) == {"a", "b"}


def test_whoever_puts_a_collection_has_it_whoever_deletes_it(client: httpx.Client) -> None:
    url = f"{ROOT}/contested"

    def put_and_delete(_: int) -> tuple[int, int]:
        return client.put(url, json={}).status_code, client.delete(url).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(put_and_delete, range(80)))
    assert {put for put, _ in answers} <= {200, 201}
    assert {deleted for _, deleted in answers} <= {204, 404}
    assert [put for put, _ in answers].count(201) >= [d for _, d in answers].count(204)
