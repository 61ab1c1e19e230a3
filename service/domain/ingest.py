"""Adding items: images are embedded, vectors are checked, and what is fine is stored at once."""

import asyncio
import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image
from sqlalchemy import Engine

from service.embedding.embedder import Embedded, Embedder
from service.errors import invalid_item, unreadable_image
from service.results import Results
from service.rules.ids import check_id
from service.rules.labels import check_label
from service.rules.metadata import check_metadata
from service.rules.vectors import unit_vector
from service.storage import items
from service.storage.collections import Collection, Keep
from service.storage.items import File, NewItem
from service.storage.types import Vectors
from zoo.images import FORMATS, ImageError, decode, thumbnail


@dataclass(frozen=True)
class Draft:
    """An item as a caller describes it; without an id it is given one."""

    id: str | None = None
    label: str | None = None
    metadata: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """What became of an item."""

    id: str
    status: Literal["created", "updated"]


async def prepare_images(
    embedder: Embedder,
    collection: Collection,
    drafts: Results[Draft],
    images: Results[bytes],
    max_pixels: int,
) -> Results[NewItem]:
    """Embed images and make their thumbnails.

    Nothing is stored yet, so a caller who leaves meanwhile leaves nothing behind.

    Raises:
        OverloadedError, UnavailableError: as `Embedder.embed` does.
    """
    checked = _checked(drafts, collection)
    embedded = await embedder.embed(checked.each_at(lambda i, _: images.good[i]))

    async def finish(i: int, found: Embedded) -> NewItem:
        draft = checked.good[i]
        if collection.keep == "nothing":
            return _item(draft, found.vector, found.digest)
        try:
            files = await asyncio.to_thread(_files, images.good[i], collection.keep, max_pixels)
        except ImageError as error:
            raise unreadable_image(error) from None
        return _item(draft, found.vector, found.digest, files)

    return await embedded.each_at_async(finish)


def prepare_vectors(
    collection: Collection, drafts: Results[tuple[Draft, list[float]]]
) -> Results[NewItem]:
    """Check drafts with their vectors."""
    checked = _checked(drafts.each(lambda pair: pair[0]), collection)
    return checked.each_at(
        lambda i, draft: _item(draft, unit_vector(drafts.good[i][1], collection.dim))
    )


def store(database: Engine, collection: Collection, prepared: Results[NewItem]) -> Results[Stored]:
    """Store what is fine in one transaction.

    Raises:
        NotFoundError: the collection was removed meanwhile.
    """
    new = prepared.values
    created = items.upsert(database, collection, new) if new else []
    return prepared.replaced(
        [
            Stored(item.id, "created" if fresh else "updated")
            for item, fresh in zip(new, created, strict=True)
        ]
    )


def _checked(drafts: Results[Draft], collection: Collection) -> Results[Draft]:
    seen: set[str] = set()

    def check(draft: Draft) -> Draft:
        # An empty id, as an empty field of a form, is none.
        item_id = check_id(draft.id) if draft.id else uuid.uuid4().hex
        label = check_label(draft.label)
        metadata = check_metadata(draft.metadata, collection.metadata_schema)
        if item_id in seen:
            raise invalid_item(f"the id {item_id!r} is in the request twice; send it once")
        seen.add(item_id)
        return Draft(item_id, label, metadata)

    return drafts.each(check)


def _item(
    draft: Draft, vector: Vectors, digest: str | None = None, files: Sequence[File] = ()
) -> NewItem:
    assert draft.id is not None
    return NewItem(draft.id, vector, draft.label, draft.metadata, digest, files)


def _files(data: bytes, keep: Keep, max_pixels: int) -> list[File]:
    """What is kept of an image: its thumbnail, and the image itself where `keep` says so."""
    files = [File("thumbnail", "image/jpeg", thumbnail(decode(data, max_pixels)))]
    if keep == "original":
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            media_type = Image.MIME.get(image.format or "", "application/octet-stream")
        files.append(File("original", media_type, data))
    return files
