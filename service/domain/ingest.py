"""Adding items: images are embedded, vectors are checked, and what is fine is stored at once."""

import asyncio
import io
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from PIL import Image
from sqlalchemy import Engine

from service.embedding.embedder import Embedded, Embedder, of_one_image
from service.errors import ItemError, ItemFailedError, invalid_item
from service.results import Results
from service.rules.ids import check_id, naming
from service.rules.labels import check_label
from service.rules.metadata import check_metadata, merged
from service.rules.vectors import unit_vector
from service.storage import items
from service.storage.collections import Collection, Keep
from service.storage.database import reading
from service.storage.item_rows import File, Item, NewItem
from service.storage.items import Status
from zoo.arrays import Vectors
from zoo.images import FORMATS, decode, thumbnail

OnExisting = Literal["merge", "replace", "skip"]
"""What becomes of an item whose id is there.

merge: what the request does not name stays: the label, keys of metadata; so does the image file of
an item whose own vector is sent without it. replace: nothing stays. skip: all stays.
"""


@dataclass(frozen=True)
class Draft:
    """An item as a caller describes it; without an id it is given one.

    label: None where it is not named, "" for none.
    metadata: a merge patch (RFC 7396), as a whole None for none; to replace, what there shall be.
    """

    id: str | None = None
    label: str | None = None
    metadata: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Stored:
    """What became of an item."""

    id: str
    status: Status


@dataclass(frozen=True)
class Ready:
    """An item that can be stored, and as it was described."""

    item: NewItem
    draft: Draft


Prepared = Ready | Stored
"""An item to store, or what has become of it without: it is skipped."""


async def prepare_images(
    database: Engine,
    embedder: Embedder,
    collection: Collection,
    drafts: Results[Draft],
    images: Results[bytes],
    max_pixels: int,
    on_existing: OnExisting,
) -> Results[Prepared]:
    """Embed images and make their thumbnails. What is to be skipped is not embedded.

    Nothing is stored yet, so a caller who leaves meanwhile leaves nothing behind.

    Raises:
        OverloadedError, UnavailableError: as `Embedder.embed` does.
    """
    checked = _checked(drafts, collection)
    skipped: dict[int, Prepared] = {}
    if on_existing == "skip":
        ids = [draft.id or "" for draft in checked.values]
        there = await asyncio.to_thread(_there, database, collection, ids)
        skipped = {
            i: Stored(draft.id, "skipped") for i, draft in checked.good.items() if draft.id in there
        }
    wanted = {i: draft for i, draft in checked.good.items() if i not in skipped}
    files_of = Results(wanted, checked.errors).each_at(lambda i, _: images.good[i])
    embedded = await embedder.embed(files_of)

    async def finish(i: int, found: Embedded) -> Prepared:
        if collection.keep == "nothing":
            return _ready(wanted[i], found.vector, found.digest)
        files = await asyncio.to_thread(
            of_one_image, lambda: _files(images.good[i], collection.keep, max_pixels)
        )
        return _ready(wanted[i], found.vector, found.digest, files)

    finished = await embedded.each_at_async(finish)
    return Results(dict(sorted({**finished.good, **skipped}.items())), finished.errors)


def prepare_vectors(
    collection: Collection, drafts: Results[tuple[Draft, list[float]]]
) -> Results[Prepared]:
    """Check drafts with their vectors."""
    checked = _checked(drafts.each(lambda pair: pair[0]), collection)

    def ready(i: int, draft: Draft) -> Prepared:
        with naming(drafts.good[i][0].id):
            return _ready(draft, unit_vector(drafts.good[i][1], collection.dim))

    return checked.each_at(ready)


def store(
    database: Engine, collection: Collection, prepared: Results[Prepared], on_existing: OnExisting
) -> Results[Stored]:
    """Store what is fine in one transaction.

    Raises:
        NotFoundError: the collection was removed meanwhile.
    """
    ready = [one for one in prepared.values if isinstance(one, Ready)]
    decide: items.OnExisting
    if on_existing == "merge":
        decide = _merger({one.item.id: one.draft for one in ready}, collection)
    elif on_existing == "skip":
        decide = _skipped
    else:
        decide = items.replace_existing
    new = [one.item for one in ready]
    outcomes = iter(items.upsert(database, collection, new, decide) if new else ())

    def stored(one: Prepared) -> Stored:
        if isinstance(one, Stored):
            return one
        outcome = next(outcomes)
        if isinstance(outcome, ItemError):
            raise ItemFailedError(outcome)
        return Stored(one.item.id, outcome)

    return prepared.each(stored)


def _skipped(_: NewItem, __: Item) -> None:
    return None


def _merger(drafts: Mapping[str, Draft], collection: Collection) -> items.OnExisting:
    def merge(new: NewItem, stored: Item) -> NewItem:
        draft = drafts[new.id]
        metadata = merged(stored.metadata, draft.metadata) if draft.metadata is not None else {}
        try:
            check_metadata(metadata, collection.metadata_schema)
        except ItemFailedError as error:
            raise invalid_item(f"with what the item {new.id!r} has already: {error}") from None
        label = stored.label if draft.label is None else new.label
        return replace(items.of_same_picture(new, stored), label=label, metadata=metadata)

    return merge


def _there(database: Engine, collection: Collection, ids: Sequence[str]) -> set[str]:
    with reading(database) as connection:
        return set(items.keys_of(connection, collection, ids))


def _checked(drafts: Results[Draft], collection: Collection) -> Results[Draft]:
    seen: set[str] = set()

    def check(draft: Draft) -> Draft:
        # An empty id, as an empty field of a form, is none.
        item_id = check_id(draft.id) if draft.id else uuid.uuid4().hex
        with naming(draft.id):
            label = None if draft.label is None else check_label(draft.label) or ""
            if draft.metadata is not None:
                check_metadata(draft.metadata, collection.metadata_schema)
        if item_id in seen:
            raise invalid_item(f"the id {item_id!r} is in the request twice; send it once")
        seen.add(item_id)
        return replace(draft, id=item_id, label=label)

    return drafts.each(check)


def _ready(
    draft: Draft, vector: Vectors, digest: str | None = None, files: Sequence[File] = ()
) -> Ready:
    assert draft.id is not None
    # In an item that is new, there is nothing for a null to remove.
    metadata = merged({}, draft.metadata or {})
    return Ready(NewItem(draft.id, vector, draft.label or None, metadata, digest, files), draft)


def _files(data: bytes, keep: Keep, max_pixels: int) -> list[File]:
    """What is kept of an image: its thumbnail, and the image itself where `keep` says so."""
    files = [File("thumbnail", "image/jpeg", thumbnail(decode(data, max_pixels)))]
    if keep == "original":
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            media_type = Image.MIME.get(image.format or "", "application/octet-stream")
        files.append(File("original", media_type, data))
    return files
