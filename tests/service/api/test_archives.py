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
        ({"a.jpg": b"x"}, "folder"),
        ({}, "no file"),
        ({"labels.csv": b"path,label\nnone.jpg,cat\n"}, "none.jpg"),
        ({"labels.csv": b"file,class\na.jpg,cat\n", "a.jpg": b"x"}, "path and label"),
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
