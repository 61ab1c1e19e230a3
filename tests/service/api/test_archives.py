"""Archives sent to `/v1/collections/{c}/items`, over HTTP."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.service.conftest import check_answer, check_problem, labels, parts, photos


def zipped(files: dict[str, bytes]) -> dict[str, Any]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return {"archive": ("photos.zip", buffer.getvalue(), "application/zip")}


def test_an_archive_with_a_folder_a_class(client: httpx.Client, make: Callable[..., str]) -> None:
    url = make()
    china, flower = photos("china", 2), photos("flower", 1)
    archive = zipped(
        {
            "set/china/1.jpg": china[0],
            "set/china/2.jpg": china[1],
            "set/flower/1.jpg": flower[0],
            "set/flower/broken.jpg": b"broken",
            "__MACOSX/set/china/._1.jpg": b"junk",
            "set/.DS_Store": b"junk",
        }
    )
    data = check_answer(client.post(f"{url}/items", files=archive))["data"]
    assert [item["path"] for item in data if "error" in item] == ["set/flower/broken.jpg"]
    expected = {
        "set:china:1.jpg": "china",
        "set:china:2.jpg": "china",
        "set:flower:1.jpg": "flower",
    }
    assert labels(client, url) == expected
    repeated = check_answer(client.post(f"{url}/items", files=archive))["data"]
    assert [item.get("status") for item in repeated] == ["unchanged"] * 3 + [None]


def test_an_archive_with_a_table_of_labels(client: httpx.Client, make: Callable[..., str]) -> None:
    url = make()
    (image,) = photos("china", 1)
    table = "\ufeffpath,label,split\r\none.jpg,Tor,train\r\nsub/two.jpg,,train\r\n".encode()
    archive = zipped({"one.jpg": image, "sub/two.jpg": image, "labels.csv": table})
    check_answer(client.post(f"{url}/items", files=archive))
    assert labels(client, url) == {"one.jpg": "Tor", "sub:two.jpg": None}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"../../etc/x/a.jpg": b"x"}, "leads out"),
        ({"/abs/a.jpg": b"x"}, "leads out"),
        ({"C:\\x\\a.jpg": b"x"}, "leads out"),
        ({"a.jpg": b"x"}, "no item could be stored"),
        ({}, "no file"),
        ({"labels.csv": b"path,label\nnone.jpg,cat\n"}, "no item could be stored"),
        ({"labels.csv": b"file,class\na.jpg,cat\n", "a.jpg": b"x"}, "needs path,label"),
    ],
)
def test_hostile_archives_are_refused(
    client: httpx.Client, make: Callable[..., str], files: dict[str, bytes], words: str
) -> None:
    url = make()
    check_problem(client.post(f"{url}/items", files=zipped(files)), 422, words)
    assert labels(client, url) == {}


def test_an_archive_that_swells_is_refused(client: httpx.Client, make: Callable[..., str]) -> None:
    url = make()
    bomb = zipped({f"a/{i}.jpg": bytes(100_000_000) for i in range(6)})
    check_problem(client.post(f"{url}/items", files=bomb), 413, "once unpacked")
    bad = {"archive": ("a.zip", b"PK not really", "application/zip")}
    check_problem(client.post(f"{url}/items", files=bad), 422, "zip")
    both = [*parts(photos("china", 1)), ("archive", bomb["archive"])]
    check_problem(client.post(f"{url}/items", files=both), 422, "archive alone")


def test_one_stray_file_refuses_nothing(client: httpx.Client, make: Callable[..., str]) -> None:
    url = make()
    image = photos("china", 1)[0]
    table = b"Path;Label\r\na.jpg;tower\r\n;\r\ngone.jpg;x\r\n"
    top = {"top.jpg": image, "cat/1.jpg": image, "cat/notes.txt": b"words"}
    data = check_answer(client.post(f"{url}/items", files=zipped(top)))["data"]
    assert [item["path"] for item in data if "error" in item] == ["cat/notes.txt"]
    assert labels(client, url) == {"top.jpg": None, "cat:1.jpg": "cat"}
    listed = {"labels.csv": table, "a.jpg": image, "b.jpg": image}
    data = check_answer(client.post(f"{url}/items", files=zipped(listed)))["data"]
    told = {item["path"]: item["error"]["detail"] for item in data if "error" in item}
    assert told.keys() == {"gone.jpg", "b.jpg"}
    assert "labels.csv, line 4: there is no file" in told["gone.jpg"]
    assert "not listed in labels.csv" in told["b.jpg"]
    assert labels(client, url)["a.jpg"] == "tower"


def test_splits_are_no_classes_and_ids_are_the_same_for_items_and_heads(
    client: httpx.Client, make: Callable[..., str]
) -> None:
    url = make()
    tree = {
        f"set/{split}/{name}/{i}.jpg": image
        for split, count in (("train", 3), ("val", 1))
        for name in ("china", "flower")
        for i, image in enumerate(photos(name, count))
    }
    check_answer(client.post(f"{url}/items", files=zipped(tree)))
    stored = labels(client, url)
    assert set(stored) == {path.replace("/", ":") for path in tree}
    assert set(stored.values()) == {"china", "flower"}
    fitted = client.put("/v1/heads/splits", files=zipped(tree))
    assert fitted.status_code == 201, fitted.text
    errors = [one["error"]["detail"] for one in fitted.json()["items"] if "error" in one]
    assert len(errors) == 2
    assert all("a head learns from train alone" in error for error in errors)
    learned = {one["name"]: one["count"] for one in fitted.json()["classes"]}
    assert learned == {"china": 3, "flower": 3}
