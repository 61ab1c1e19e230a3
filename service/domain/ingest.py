"""Adding items: images are embedded, vectors are checked, and what is fine is stored at once."""

import asyncio
import io
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from PIL import Image
from sqlalchemy import Engine

from service.embedding.embedder import Embedder
from service.errors import InvalidInputError, ItemError, image_item_error, invalid_item
from service.rules.metadata import check_id, check_label, check_metadata
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


Prepared = list[NewItem | ItemError]


async def prepare_images(
    embedder: Embedder,
    collection: Collection,
    drafts: Sequence[Draft],
    images: Sequence[bytes],
    max_pixels: int,
) -> Prepared:
    """Embed images and make their thumbnails; in order, an item ready to be stored or an error.

    Nothing is stored yet, so a caller who leaves meanwhile leaves nothing behind.

    Raises:
        OverloadedError, UnavailableError: as `Embedder.embed` does.
    """
    checked = _checked(drafts, collection)
    fine = [i for i, draft in enumerate(checked) if isinstance(draft, Draft)]
    embedded = dict(zip(fine, await embedder.embed([images[i] for i in fine]), strict=True))

    async def finish(i: int) -> NewItem | ItemError:
        draft, answer = checked[i], embedded.get(i)
        if isinstance(draft, ItemError):
            return draft
        assert answer is not None
        if isinstance(answer, ItemError):
            return answer
        if collection.keep == "nothing":
            return _item(draft, answer.vector, answer.digest)
        try:
            files = await asyncio.to_thread(_files, images[i], collection.keep, max_pixels)
        except ImageError as error:
            return image_item_error(error)
        return _item(draft, answer.vector, answer.digest, files)

    return await asyncio.gather(*(finish(i) for i in range(len(checked))))


def prepare_vectors(
    collection: Collection, drafts: Sequence[Draft | ItemError], vectors: Sequence[Sequence[float]]
) -> Prepared:
    """Check vectors; in order, an item ready to be stored or an error."""
    prepared: Prepared = []
    for draft, values in zip(_checked(drafts, collection), vectors, strict=True):
        if isinstance(draft, ItemError):
            prepared.append(draft)
            continue
        vector = unit_vector(values, collection.dim)
        prepared.append(vector if isinstance(vector, ItemError) else _item(draft, vector))
    return prepared


def store(database: Engine, collection: Collection, prepared: Prepared) -> list[Stored | ItemError]:
    """Store what is fine in one transaction; in order, what became of each.

    Raises:
        NotFoundError: the collection was removed meanwhile.
    """
    new = [item for item in prepared if isinstance(item, NewItem)]
    created = iter(items.upsert(database, collection, new) if new else ())
    return [
        Stored(item.id, "created" if next(created) else "updated")
        if isinstance(item, NewItem)
        else item
        for item in prepared
    ]


def _checked(
    drafts: Sequence[Draft | ItemError], collection: Collection
) -> list[Draft | ItemError]:
    seen: set[str] = set()

    def check(draft: Draft) -> Draft:
        # An empty id, as an empty field of a form, is none.
        item_id = check_id(draft.id) if draft.id else uuid.uuid4().hex
        label = check_label(draft.label)
        metadata = check_metadata(draft.metadata, collection.metadata_schema)
        if item_id in seen:
            raise InvalidInputError(f"the id {item_id!r} is in the request twice; send it once")
        seen.add(item_id)
        return Draft(item_id, label, metadata)

    return [_or_error(check, draft) if isinstance(draft, Draft) else draft for draft in drafts]


def _or_error(check: Callable[[Draft], Draft], draft: Draft) -> Draft | ItemError:
    try:
        return check(draft)
    except InvalidInputError as error:
        return invalid_item(str(error))


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
