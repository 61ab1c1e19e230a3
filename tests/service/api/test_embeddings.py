"""`POST /v1/embeddings`, over HTTP."""

import base64
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from tests.service.conftest import (
    ROOT,
    Gateway,
    check_answer,
    check_problem,
    jpeg,
    parts,
    photos,
)

URL = "/v1/embeddings"
DATA = Path(os.environ.get("ZOO_TEST_DATA") or ROOT / "../shared/data")


def vectors(answer: dict[str, Any]) -> np.ndarray:
    return np.array([item["embedding"] for item in answer["data"]], np.float32)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_every_image_has_a_unit_length_embedding_in_order(
    client: httpx.Client, dim: int, space: str
) -> None:
    files = photos("china", 20) + photos("flower", 20)
    answer = check_answer(client.post(URL, files=parts(files)))
    assert [item["index"] for item in answer["data"]] == list(range(40))
    rows = vectors(answer)
    assert rows.shape == (40, dim)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert answer["space"] == space
    assert answer["variant"]
    backwards = vectors(check_answer(client.post(URL, files=parts(files[::-1]))))
    np.testing.assert_allclose(backwards[::-1], rows, atol=1e-5)
    one = vectors(check_answer(client.post(URL, files=parts(files[7:8]))))
    np.testing.assert_allclose(one[0], rows[7], atol=1e-4)


def test_json_takes_base64_and_data_uris(client: httpx.Client) -> None:
    (file,) = photos("china", 1, seed=1)
    expected = vectors(check_answer(client.post(URL, files=parts([file]))))[0]
    wrapped = "\n".join(b64(file)[i : i + 76] for i in range(0, len(b64(file)), 76))
    forms = [b64(file), f"data:image/jpeg;base64,{b64(file)}", wrapped]
    rows = vectors(check_answer(client.post(URL, json={"input": forms})))
    for row in rows:
        np.testing.assert_allclose(row, expected, atol=1e-5)
    alone = vectors(check_answer(client.post(URL, json={"input": forms[0], "user": "someone"})))
    np.testing.assert_allclose(alone[0], expected, atol=1e-5)


def test_base64_answers_equal_float_answers(client: httpx.Client, dim: int) -> None:
    files = [b64(file) for file in photos("flower", 3, seed=2)]
    floats = vectors(check_answer(client.post(URL, json={"input": files})))
    asked = {"input": files, "encoding_format": "base64"}
    answer = check_answer(client.post(URL, json=asked))
    for row, item in zip(floats, answer["data"], strict=True):
        decoded = np.frombuffer(base64.b64decode(item["embedding"]), "<f4")
        assert decoded.shape == (dim,)
        np.testing.assert_allclose(decoded, row, atol=1e-7)


def test_the_shape_is_openais(client: httpx.Client, dim: int) -> None:
    (file,) = photos("flower", 1, seed=3)
    model = client.get("/v1/models").json()["data"][0]["id"]
    asked = {"input": [b64(file)], "model": model, "dimensions": dim, "encoding_format": "float"}
    answer = check_answer(client.post(URL, json=asked))
    assert answer["object"] == "list"
    assert answer["model"] == model
    assert answer["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    assert answer["data"][0].keys() == {"object", "index", "embedding"}
    assert answer["data"][0]["object"] == "embedding"


def test_npy_answers(client: httpx.Client, dim: int) -> None:
    files = [*photos("china", 2, seed=4), b"no image", *photos("china", 1, seed=5), b""]
    floats = client.post(URL, files=parts(files)).json()
    response = client.post(URL, files=parts(files), headers={"Accept": "application/x-npy"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-npy"
    assert response.headers["x-item-errors"] == "2,4"
    rows = np.load(io.BytesIO(response.content), allow_pickle=False)
    assert (rows.dtype, rows.shape) == (np.float32, (5, dim))
    assert np.isnan(rows).all(axis=1).tolist() == [False, False, True, False, True]
    for item, row in zip(floats["data"], rows, strict=True):
        if item["embedding"] is not None:
            np.testing.assert_allclose(row, item["embedding"], atol=1e-5)


def test_not_normalized_embeddings_have_their_own_length(client: httpx.Client) -> None:
    files = photos("china", 2, seed=6)
    unit = vectors(client.post(URL, files=parts(files)).json())
    long = vectors(check_answer(client.post(URL, files=parts(files), data={"normalize": "false"})))
    lengths = np.linalg.norm(long, axis=1, keepdims=True)
    assert (np.abs(lengths - 1) > 1e-3).all()
    np.testing.assert_allclose(long / lengths, unit, atol=1e-5)
    as_json = {"input": [b64(file) for file in files], "normalize": False}
    np.testing.assert_allclose(
        vectors(check_answer(client.post(URL, json=as_json))), long, rtol=1e-4, atol=1e-5
    )


def test_a_bad_item_fails_alone(client: httpx.Client) -> None:
    good = photos("china", 2, seed=7)
    bad = {
        b"": "empty",
        b"plain text, renamed .jpg": "not an image",
        good[0][: len(good[0]) // 2]: "damaged",
    }
    answer = check_answer(client.post(URL, files=parts([good[0], *bad, good[1]])))
    assert [item["embedding"] is None for item in answer["data"]] == [
        False,
        True,
        True,
        True,
        False,
    ]
    for item, word in zip(answer["data"][1:4], bad.values(), strict=True):
        assert word in item["error"]["detail"]
        assert item["error"]["status"] == 422
        assert item["error"]["type"].startswith("urn:")
        assert item["error"]["title"]


def test_bad_json_items_fail_alone(client: httpx.Client) -> None:
    (good,) = photos("china", 1, seed=8)
    bad = {
        "http://127.0.0.1/a.jpg": "URL",
        "!!!": "base64",
        "data:image/png,abc": "data URI",
        "": "empty",
    }
    answer = check_answer(client.post(URL, json={"input": [b64(good), *bad]}))
    assert answer["data"][0]["embedding"]
    for item, word in zip(answer["data"][1:], bad.values(), strict=True):
        assert item["embedding"] is None
        assert word in item["error"]["detail"]


def test_every_item_bad_is_a_problem(client: httpx.Client) -> None:
    problem = check_problem(client.post(URL, files=parts([b"", b"text"])), 422, "no image")
    assert [error["index"] for error in problem["errors"]] == [0, 1]
    assert [error["status"] for error in problem["errors"]] == [422, 422]
    assert "empty" in problem["errors"][0]["detail"]
    npy = client.post(URL, files=parts([b""]), headers={"Accept": "application/x-npy"})
    check_problem(npy, 422, "no image")


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"json": {"input": []}}, 422, ["no image"]),
        ({"json": {}}, 422, ["input"]),
        ({"json": {"input": 7}}, 422, ["input"]),
        ({"json": {"input": [[1, 2, 3]]}}, 422, ["input"]),
        ({"json": ["x"]}, 422, []),
        ({"json": {"input": "x", "colour": 1}}, 422, ["colour"]),
        ({"json": {"input": "x", "model": "no-such"}}, 404, ["no-such", "there is"]),
        ({"json": {"input": "x", "dimensions": 3}}, 422, ["dimensions"]),
        ({"json": {"input": "x", "encoding_format": "hex"}}, 422, ["encoding_format"]),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, ["not JSON"]),
        ({"content": b"\xff\xfe", "headers": {"content-type": "application/json"}}, 400, ["JSON"]),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, ["multipart"]),
        ({"content": b"x"}, 415, ["no content type"]),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}},
            400,
            ["boundary"],
        ),
        (
            {"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=b"}},
            400,
            ["multipart"],
        ),
        ({"files": {"image": b"x"}}, 422, ["image", "images"]),
        ({"files": {"images": (None, b"x")}}, 422, ["file name"]),
        ({"files": {"images": b"x"}, "data": {"normalize": "perhaps"}}, 422, ["normalize"]),
        ({"files": {"images": b"x"}, "data": {"model": ["a", "b"]}}, 422, ["model", "once"]),
        ({"files": {"images": b"x"}, "data": {"model": "x" * 2_000_000}}, 413, ["limits"]),
        ({"json": {"input": "x"}, "headers": {"Accept": "image/png"}}, 406, ["npy"]),
    ],
)
def test_wrong_requests_are_problems(
    client: httpx.Client, request_: dict[str, Any], status: int, words: list[str]
) -> None:
    check_problem(client.post(URL, **request_), status, *words)


def test_eight_orientations_of_one_photo_embed_the_same(client: httpx.Client) -> None:
    upright = Image.fromarray(load_sample_image("flower.jpg"))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    files = []
    for orientation, turn in undo.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = upright if turn is None else upright.transpose(turn)
        files.append(jpeg(stored, exif=exif))
    rows = vectors(check_answer(client.post(URL, files=parts(files))))
    assert (rows @ rows[0]).min() > 0.99


def test_odd_images_each_have_an_embedding_or_an_error(gateway: Gateway) -> None:
    archive = DATA / "odd-images.tar"
    if not archive.exists():
        pytest.skip(f"{archive} is not here")
    with tarfile.open(archive) as tar:
        members = [member for member in tar.getmembers() if member.isfile()]
        files = {m.name: tar.extractfile(m).read() for m in members}  # type: ignore[union-attr]
    assert len(files) == 31
    failed = {}
    with gateway.client() as client:
        for name, data in files.items():
            response = client.post(URL, files=parts([data]))
            print(  # noqa: T201 - a figure to look at
                f"{name}: {response.status_code} in {response.elapsed.total_seconds():.2f} s"
            )
            if response.status_code == 422:
                (failed[name],) = check_problem(response, 422)["errors"]
            else:
                assert np.isfinite(vectors(check_answer(response))).all()
        together = check_answer(client.post(URL, files=parts(list(files.values()))))
        bad = [n for n, i in zip(files, together["data"], strict=True) if i["embedding"] is None]
        assert bad == list(failed)
        assert all(error["detail"] for error in failed.values())
        assert client.get("/readyz").status_code == 200
    assert gateway.process.poll() is None
    # Of all that can be read, more is read than not: refusing everything is no way out.
    assert 0 < len(failed) < 16, failed
