"""An image that fails in a way nobody foresaw, beside one that does not."""

import asyncio
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from service.domain import ingest
from service.domain.ingest import Draft, Ready
from service.embedding.embedder import Embedded, Embedder, of_one_image
from service.errors import ItemFailedError
from service.results import Results
from service.storage.database import open_database
from tests.service.conftest import photos
from tests.service.storage.conftest import make_collection
from zoo.images import Photo, thumbnail

VECTOR = np.array([1, 0, 0, 0], np.float32)


class Encoder:
    async def embed(self, files: Results[bytes]) -> Results[Embedded]:
        return files.each_at(lambda i, _: Embedded(VECTOR, f"{i}"))


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemError, MemoryError, KeyError])
def test_a_thumbnail_that_cannot_be_made_is_the_error_of_its_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    files = photos("china", 2)
    database = open_database(f"sqlite:///{tmp_path / 'test.db'}")
    collection = make_collection(database, keep="thumbnail")
    calls: list[Photo] = []

    def fails_once(photo: Photo) -> bytes:
        calls.append(photo)
        if len(calls) == 1:
            raise error("unforeseen")
        return thumbnail(photo)

    monkeypatch.setattr(ingest, "thumbnail", fails_once)
    work = ingest.prepare_images(
        database,
        cast(Embedder, Encoder()),
        collection,
        Results.of([Draft("a"), Draft("b")]),
        Results.of(files),
        50_000_000,
        "merge",
    )
    prepared = asyncio.run(work)
    assert len(prepared.errors) == 1
    assert len(ingest.store(database, collection, prepared, "merge").good) == 1
    (good,) = prepared.values
    assert isinstance(good, Ready)
    assert [file.kind for file in good.item.files] == ["thumbnail"]
    database.dispose()


def test_whatever_one_image_raises_is_an_error_that_says_what_to_do() -> None:
    def work() -> Any:
        raise OverflowError("inside a decoder")

    with pytest.raises(ItemFailedError, match="save it again") as caught:
        of_one_image(work)
    assert caught.value.kind == "image-corrupt"
    assert "inside a decoder" not in str(caught.value)
    assert of_one_image(lambda: 3) == 3
