"""One rule for ids, labels and names, at every entrance, over HTTP."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
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

NFD, NFC = "Ka\u0308fer", "K\u00e4fer"
SCREENSHOT = "Screenshot 2026-11-25 at 9.41.07\u202fAM.png"
CATS = ["cat", "cat ", " cat", "\u200bcat\ufeff", "cat\u00a0"]


@pytest.fixture
def head(client: httpx.Client) -> Iterator[str]:
    url = f"/v1/heads/head-{uuid.uuid4().hex}"
    yield url
    client.delete(url)


def vectors(dim: int, count: int) -> list[list[float]]:
    rows: list[list[float]] = np.random.default_rng(0).normal(size=(count, dim)).tolist()
    return rows


def named(files: list[bytes], names: list[str]) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("images", (n, f, "image/jpeg")) for n, f in zip(names, files, strict=True)]


def zipped(files: dict[str, bytes]) -> list[tuple[str, tuple[str, bytes, str]]]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return parts([buffer.getvalue()], "archive")


def test_one_class_however_its_label_is_sent_to_a_collection(
    client: httpx.Client, make: Callable[..., str], head: str, dim: int
) -> None:
    url, some = make(), vectors(dim, 16)
    told = [*CATS, "dog", NFD, NFC]
    body = [{"id": f"v{i}", "vector": some[i], "label": label} for i, label in enumerate(told)]
    check_answer(client.post(f"{url}/items", json={"items": body}))
    fields = {"ids": [f"i{i}" for i in range(8)], "labels": told}
    check_answer(client.post(f"{url}/items", files=parts(photos("china", 8)), data=fields))
    files = {f"{label}/x.jpg": photos("flower", 8)[i] for i, label in enumerate(told)}
    check_answer(client.post(f"{url}/items", files=zipped(files)))
    check_answer(client.patch(f"{url}/items/v5", json={"label": f" {NFD}\u3000"}))
    found = labels(client, url)
    assert set(found.values()) == {"cat", "dog", NFC}
    assert found["v5"] == NFC
    for label in (*CATS, f"\t{NFD}", NFC):
        wanted = {i for i, one in found.items() if one == (NFC if "K" in label else "cat")}
        for test in (label, {"in": ["none", label]}, {"gte": label, "lte": label}):
            page = client.get(f"{url}/items", params={"filter": json.dumps({"label": test})})
            assert {item["id"] for item in check_answer(page)["data"]} == wanted
    answer = check_answer(client.put(head, json={"collection": url.rpartition("/")[2]}), 201)
    assert [one["name"] for one in answer["classes"]] == [NFC, "cat", "dog"]


def test_one_class_however_its_label_is_sent_to_a_head(
    client: httpx.Client, head: str, dim: int
) -> None:
    some = vectors(dim, 8)
    told = [*CATS, "dog", NFD, NFC]
    body = [{"id": f"v{i}", "vector": some[i], "label": label} for i, label in enumerate(told)]

    def classes(status: int, **request: Any) -> list[tuple[str, int]]:
        answer = check_answer(client.put(head, **request), status)
        return [(one["name"], one["count"]) for one in answer["classes"]]

    expected = [(NFC, 2), ("cat", 5), ("dog", 1)]
    files = photos("china", 8)
    assert classes(201, json={"items": body}) == expected
    assert classes(200, files=parts(files), data={"labels": told}) == expected
    archive = {f"{label}/{i}.jpg": files[i] for i, label in enumerate(told)}
    assert classes(200, files=zipped(archive)) == expected
    changes = {"items": [{"id": "dog:5.jpg", "label": f"{NFD} "}], "remove": []}
    check_answer(client.post(f"{head}/labels", json=changes))
    answer = check_answer(client.post(f"{head}/fit"))
    assert [(one["name"], one["count"]) for one in answer["classes"]] == [(NFC, 3), ("cat", 5)]


@pytest.mark.parametrize("blank", ["   ", "\u200b", "\ufeff \u2060", "\u3000"])
def test_blank_is_no_label_in_a_collection_and_an_error_in_a_head(
    client: httpx.Client, make: Callable[..., str], head: str, dim: int, blank: str
) -> None:
    url, some = make(), vectors(dim, 4)
    told = ["cat", "dog", "cat", blank]
    body = [{"id": f"p-{i}", "vector": some[i], "label": one} for i, one in enumerate(told)]
    check_answer(client.post(f"{url}/items", json={"items": body}))
    assert labels(client, url)["p-3"] is None
    answer = check_answer(client.put(head, json={"collection": url.rpartition("/")[2]}), 201)
    assert sum(one["count"] for one in answer["classes"]) == 3
    answer = check_answer(client.put(head, json={"items": body}))
    detail = answer["items"][3]["error"]["detail"]
    assert "'p-3'" in detail
    assert "no label" in detail
    changed = client.post(f"{head}/labels", json={"items": [{"id": "p-0", "label": blank}]})
    assert "'p-0'" in check_problem(changed, 422)["errors"][0]["detail"]
    check_answer(client.patch(f"{url}/items/p-0", json={"label": blank}))
    assert labels(client, url)["p-0"] is None
    filter = json.dumps({"label": blank})
    problem = check_problem(client.get(f"{url}/items", params={"filter": filter}), 422, "blank")
    assert '{"not": {"label": {"exists": true}}}' in problem["detail"]


def test_errors_name_the_id_of_their_item(
    client: httpx.Client, make: Callable[..., str], head: str, dim: int
) -> None:
    url, some = make(), vectors(dim, 3)
    bad: list[dict[str, Any]] = [
        {"id": "p-1", "vector": some[0], "label": "a\u202eb"},
        {"id": "p-2", "vector": some[1][1:], "label": "a"},
        {"id": "p-3", "vector": some[2], "label": "x" * 257},
    ]
    for answer in (
        client.post(f"{url}/items", json={"items": bad}),
        client.put(head, json={"items": bad}),
    ):
        details = [one["detail"] for one in check_problem(answer, 422)["errors"]]
        assert [detail[:5] for detail in details] == ["'p-1'", "'p-2'", "'p-3'"]
        assert "U+202E" in details[0]
    check_answer(client.post(f"{url}/items", json={"items": [{"id": "q", "vector": some[0]}]}))
    check_problem(client.patch(f"{url}/items/q", json={"label": "a\nb"}), 422, "'q'", "U+000A")


def test_real_names_of_files_are_ids_in_every_form(
    client: httpx.Client, make: Callable[..., str], dim: int
) -> None:
    url, some = make(), vectors(dim, 3)
    collection = url.rpartition("/")[2]
    ids = [SCREENSHOT, f"{NFD}.png", "\U0001f468\u200d\U0001f469.png"]
    body = [{"id": one, "vector": v, "label": "x"} for one, v in zip(ids, some, strict=True)]
    data = check_answer(client.post(f"{url}/items", json={"items": body}))["data"]
    assert [one["id"] for one in data] == [ids[0], f"{NFC}.png", ids[2]]
    path = f"{url}/items/{NFD}.png"
    assert check_answer(client.get(path))["id"] == f"{NFC}.png"
    assert check_answer(client.patch(path, json={"label": "y"}))["label"] == "y"
    for query in ({"id": ids[1]}, {"positive": [ids[0]], "negative": [ids[1]]}):
        found = check_answer(client.post(f"{url}/search", json=query))["matches"]
        assert f"{NFC}.png" not in [one["id"] for one in found]
    filter = json.dumps({"id": ids[1]})
    page = check_answer(client.get(f"{url}/items", params={"filter": filter}))
    assert [one["id"] for one in page["data"]] == [f"{NFC}.png"]
    name = f"/v1/heads/head-{uuid.uuid4().hex}"
    answer = check_answer(client.put(name, json={"collection": collection}), 201)
    assert len(answer["classes"]) == 2
    asked = {"collection": collection, "ids": [ids[1], "gone"]}
    good, bad = check_answer(client.post(f"{name}/classify", json=asked))["data"]
    assert (good["id"], bad["error"]["status"]) == (f"{NFC}.png", 404)
    change = {"items": [{"id": ids[1], "label": "z"}], "remove": [ids[0]]}
    changed = check_answer(client.post(f"{name}/labels", json=change))
    assert (changed["labels"], changed["data"][0]["status"]) == (2, "updated")
    both = {"items": [{"id": f"{NFC}.png", "label": "z"}], "remove": [f"{NFD}.png"]}
    check_problem(client.post(f"{name}/labels", json=both), 422, "both")
    taken_out = check_answer(client.post(f"{name}/labels", json={"remove": [f"{NFD}.png"]}))
    assert taken_out["labels"] == 1
    removed = client.post(f"{url}/items:delete", json={"ids": [ids[1], ids[2]]})
    assert check_answer(removed)["deleted"] == 2
    assert client.delete(f"{url}/items/{SCREENSHOT}").status_code == 204
    assert client.delete(name).status_code == 204


def test_one_id_sent_in_two_forms_is_one(
    client: httpx.Client, make: Callable[..., str], head: str, dim: int
) -> None:
    url, some = make(), vectors(dim, 3)
    body = [
        {"id": one, "vector": v, "label": label}
        for one, v, label in zip([NFD, NFC, "a"], some, "aab", strict=True)
    ]
    data = check_answer(client.post(f"{url}/items", json={"items": body}))["data"]
    assert "twice" in data[1]["error"]["detail"]
    again = check_answer(client.post(f"{url}/items", json={"items": body[1:2]}))["data"]
    assert [one["status"] for one in again] == ["updated"]
    answer = check_answer(client.put(head, json={"items": body}), 201)
    assert "twice" in answer["items"][1]["error"]["detail"]


def test_an_archive_gives_a_collection_and_a_head_the_same_ids(
    client: httpx.Client, make: Callable[..., str], head: str
) -> None:
    url, files = make(), photos("china", 3)
    archive = {
        f"all/{NFD}/{SCREENSHOT}": files[0],
        "all/b/1.jpg": files[1],
        "all/b/2.jpg": files[2],
    }
    stored = check_answer(client.post(f"{url}/items", files=zipped(archive)))["data"]
    fitted = check_answer(client.put(head, files=zipped(archive)), 201)["items"]
    ids = [f"all:{NFC}:{SCREENSHOT}", "all:b:1.jpg", "all:b:2.jpg"]
    assert [one["id"] for one in stored] == [one["id"] for one in fitted] == ids
    for one in ids:
        check_answer(client.get(f"{url}/items/{one}"))


def test_images_of_a_head_have_the_names_of_their_files(client: httpx.Client, head: str) -> None:
    files = photos("china", 7)
    names = ["photo.jpg", "photo.jpg", "photo.jpg", "sub/x.jpg", f"{NFD}.jpg", SCREENSHOT, " "]
    told = ["a", "b", "a", "b", "a", "b", "a"]
    sent = named([files[0], files[1], files[0], *files[3:]], names)
    answer = check_answer(client.put(head, files=sent, data={"labels": told}), 201)
    ids = [one.get("id") for one in answer["items"]]
    assert ids[:2] == ["photo.jpg", "photo.jpg (2)"]
    assert "'photo.jpg'" in answer["items"][2]["error"]["detail"]
    assert ids[3:6] == ["sub:x.jpg", f"{NFC}.jpg", SCREENSHOT]
    assert len(ids[6]) == 32

    def add(new: list[bytes], called: list[str], **fields: Any) -> list[tuple[str, str]]:
        data = {"labels": ["a"] * len(new), **fields}
        answer = client.post(f"{head}/labels", files=named(new, called), data=data)
        return [(one["id"], one["status"]) for one in check_answer(answer)["data"]]

    # The same image is the same example; another of the name does not take its place.
    assert add([files[1]], ["photo.jpg"]) == [("photo.jpg (2)", "updated")]
    assert add([files[2], files[0]], ["photo.jpg"] * 2) == [
        ("photo.jpg (3)", "created"),
        ("photo.jpg", "updated"),
    ]
    # Who names an id means it, and it is kept free.
    assert add(photos("flower", 2), ["photo.jpg"] * 2, ids=["", "photo.jpg (4)"]) == [
        ("photo.jpg (5)", "created"),
        ("photo.jpg (4)", "created"),
    ]
    assert check_answer(client.get(head))["labels"] == 9


def test_images_of_one_name_that_come_at_once_are_all_kept(client: httpx.Client, head: str) -> None:
    first = named(photos("flower", 2), ["a.jpg", "b.jpg"])
    check_answer(client.put(head, files=first, data={"labels": ["a", "b"]}), 201)

    def add(file: bytes) -> str:
        answer = client.post(
            f"{head}/labels", files=named([file], ["image.jpg"]), data={"labels": "a"}
        )
        return str(check_answer(answer)["data"][0]["id"])

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(add, photos("china", 8)))
    assert ids == {"image.jpg", *(f"image.jpg ({n})" for n in range(2, 9))}
    assert check_answer(client.get(head))["labels"] == 10


def test_what_a_report_says_names_the_files(client: httpx.Client, head: str) -> None:
    files = photos("china", 2)
    sent = named([files[0], files[0], files[1]], ["one.jpg", "two.jpg", "three.jpg"])
    answer = check_answer(client.put(head, files=sent, data={"labels": ["a", "b", "b"]}), 201)
    (conflict,) = (one for one in answer["report"]["warnings"] if "Identical" in one)
    assert "'one.jpg' (a) and 'two.jpg' (b)" in conflict


def test_images_of_a_collection_have_made_ids(
    client: httpx.Client, make: Callable[..., str]
) -> None:
    url, files = make(), photos("china", 2)
    for file in files:
        sent = client.post(f"{url}/items", files=named([file], ["IMG_1.jpg"]))
        (stored,) = check_answer(sent)["data"]
        assert stored["status"] == "created"
        assert len(stored["id"]) == 32


def test_names_that_are_nearly_the_same_are_warned_of(
    client: httpx.Client, head: str, dim: int
) -> None:
    some = vectors(dim, 6)
    told = ["scarf", "scarf", "scraf", "Scarf", "hat", "hat"]
    body = [{"vector": v, "label": label} for v, label in zip(some, told, strict=True)]
    warnings = check_answer(client.put(head, json={"items": body}), 201)["report"]["warnings"]
    (near,) = (one for one in warnings if "nearly the same" in one)
    assert "'Scarf' (1) and 'scarf' (2)" in near
    assert "'scraf' (1)" in near
    version = check_answer(client.get(f"{head}/versions/1"))
    assert near in version["report"]["warnings"]


@pytest.mark.parametrize("name", ["a\0b", "a/b", "", " a", "a\n", "\u00e4", "x" * 65, "-a"])
def test_a_name_in_a_body_is_held_to_the_pattern(
    client: httpx.Client, head: str, dim: int, name: str
) -> None:
    (vector,) = vectors(dim, 1)
    body = [{"vector": vector, "label": "a"}, {"vector": vector, "label": "b"}]
    check_problem(client.put(head, json={"collection": name}), 422, "collection")
    check_answer(client.put(head, json={"items": body}), 201)
    change = {"collection": name, "items": [{"id": "x", "label": "a"}]}
    check_problem(client.post(f"{head}/labels", json=change), 422, "collection")
    ask = {"collection": name, "ids": ["x"]}
    check_problem(client.post(f"{head}/classify", json=ask), 422, "collection")


NUL, SURROGATE = "a\0b", "+2AA-"  # half a pair, as UTF-7 writes it


def test_nul_in_any_text_of_a_body_is_never_a_fault_of_the_gateway(
    client: httpx.Client, make: Callable[..., str], head: str, dim: int
) -> None:
    url, some = make(), vectors(dim, 2)
    item: dict[str, Any] = {"id": "x", "vector": some[0], "label": "a"}
    check_answer(client.post(f"{url}/items", json={"items": [item]}))
    other = {"vector": some[1], "label": "b"}
    check_answer(client.put(head, json={"items": [item, other]}), 201)
    collection = url.rpartition("/")[2]
    new = f"/v1/collections/c-{uuid.uuid4().hex}"
    answers = [
        client.put(new, json={"model": NUL}),
        client.put(new, json={"metadata_schema": {NUL: "string"}}),
        client.get(f"{url}/items/a%00b"),
        client.delete(f"{url}/items/a%00b"),
        client.get(f"{url}/items/a%00b/thumbnail"),
        client.patch(f"{url}/items/x", json={"label": NUL}),
        client.patch(f"{url}/items/x", json={"metadata": {"k": NUL}}),
        client.patch(f"{url}/items/x", json={"metadata": {NUL: "v"}}),
        client.patch(f"{url}/items/x", json={"metadata": {"k": {"l": [NUL]}}}),
        client.get(f"{url}/items", params={"cursor": NUL}),
        client.get("/v1/models/a%00b"),
        client.put(head, json={"model": NUL, "items": [item, other]}),
        client.put(head, json={"space": NUL, "items": [item, other]}),
        client.post(f"{url}/search", json={"vector": some[0], "space": NUL}),
        client.post(f"{url}/search", json={"id": NUL}),
        client.post(f"{url}/search", json={"positive": ["x"], "negative": [NUL]}),
        client.post("/v1/embeddings", json={"model": NUL, "input": "x"}),
    ]
    changes: list[dict[str, Any]] = [
        {"id": NUL},
        {"label": NUL},
        {"metadata": {"k": NUL}},
        {"metadata": {NUL: 1}},
    ]
    answers += [client.post(f"{url}/items", json={"items": [{**item, **c}]}) for c in changes]
    answers += [client.put(head, json={"items": [{**item, **c}, other]}) for c in changes[:2]]
    answers += [client.post(f"{head}/labels", json={"items": [{**item, **changes[1]}]})]
    for filter in (
        {"label": NUL},
        {"id": {"in": [NUL]}},
        {"metadata.k": NUL},
        {f"metadata.{NUL}": 1},
    ):
        answers.append(client.post(f"{url}/search", json={"vector": some[0], "filter": filter}))
        answers.append(client.post(f"{url}/items:delete", json={"filter": filter}))
    for answer in answers:
        assert 400 <= answer.status_code < 500, (answer.request.url, answer.text)
    # These pass over ids that are not there.
    check_answer(client.post(f"{url}/items:delete", json={"ids": [NUL]}))
    check_answer(client.post(f"{head}/labels", json={"remove": [NUL]}))
    ask = {"collection": collection, "ids": ["x", NUL]}
    good, bad = check_answer(client.post(f"{head}/classify", json=ask))["data"]
    assert (good["id"], bad["error"]["status"]) == ("x", 404)
    assert labels(client, url) == {"x": "a"}


@pytest.mark.parametrize("field", ["ids", "labels", "metadata"])
def test_texts_of_a_form_are_in_utf_8(
    client: httpx.Client, make: Callable[..., str], field: str
) -> None:
    url = make()
    boundary = "limit"
    disposition = f"--{boundary}\r\nContent-Disposition: form-data; name="
    texts = f'{disposition}"{field}"\r\n\r\n{SURROGATE}\r\n'
    image = f'{disposition}"images"; filename="a.jpg"\r\n\r\n'
    end = f"\r\n--{boundary}--\r\n"
    body = (texts + image).encode() + photos("china", 1)[0] + end.encode()
    form = f"multipart/form-data; boundary={boundary}"
    for charset in ("utf-7", "unicode_escape", "nonsense"):
        headers = {"Content-Type": f"{form}; charset={charset}"}
        answer = client.post(f"{url}/items", content=body, headers=headers)
        check_problem(answer, 415, "UTF-8", charset)
    headers = {"Content-Type": f'{form}; charset="UTF-8"'}
    answer = client.post(f"{url}/items", content=body, headers=headers)
    assert answer.status_code == (422 if field == "metadata" else 200), answer.text
