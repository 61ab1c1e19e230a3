"""Adding items: images are embedded, vectors are checked, and what is fine is stored at once."""

import asyncio
import io
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from PIL import Image
from sqlalchemy import Engine

from service.embedding.embedder import Embedder, of_one_image
from service.errors import InvalidInputError, ItemError, invalid_item
from service.rules.metadata import check_id, check_label, check_metadata, merged
from service.rules.vectors import unit_vector
from service.storage import items
from service.storage.collections import Collection, Keep
from service.storage.database import reading
from service.storage.items import File, Item, NewItem, Status
from service.storage.types import Vectors
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


Prepared = list[Ready | Stored | ItemError]


async def prepare_images(
    database: Engine,
    embedder: Embedder,
    collection: Collection,
    drafts: Sequence[Draft],
    images: Sequence[bytes],
    max_pixels: int,
    on_existing: OnExisting,
) -> Prepared:
    """Embed images and make their thumbnails; in order, an item ready to be stored or an error.

    Nothing is stored yet, so a caller who leaves meanwhile leaves nothing behind. What is to be
    skipped is not embedded.

    Raises:
        OverloadedError, UnavailableError: as `Embedder.embed` does.
    """
    prepared: list[Draft | Stored | ItemError] = [*_checked(drafts, collection)]
    if on_existing == "skip":
        ids = [draft.id or "" for draft in prepared if isinstance(draft, Draft)]
        there = await asyncio.to_thread(_there, database, collection, ids)
        prepared = [
            Stored(draft.id or "", "skipped")
            if isinstance(draft, Draft) and draft.id in there
            else draft
            for draft in prepared
        ]
    fine = [i for i, draft in enumerate(prepared) if isinstance(draft, Draft)]
    embedded = dict(zip(fine, await embedder.embed([images[i] for i in fine]), strict=True))

    async def finish(i: int) -> Ready | Stored | ItemError:
        draft = prepared[i]
        if not isinstance(draft, Draft):
            return draft
        answer = embedded[i]
        if isinstance(answer, ItemError):
            return answer
        if collection.keep == "nothing":
            return _ready(draft, answer.vector, answer.digest)
        files = await asyncio.to_thread(
            of_one_image, lambda: _files(images[i], collection.keep, max_pixels)
        )
        if isinstance(files, ItemError):
            return files
        return _ready(draft, answer.vector, answer.digest, files)

    return await asyncio.gather(*(finish(i) for i in range(len(prepared))))


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
        prepared.append(vector if isinstance(vector, ItemError) else _ready(draft, vector))
    return prepared


def store(
    database: Engine, collection: Collection, prepared: Prepared, on_existing: OnExisting
) -> list[Stored | ItemError]:
    """Store what is fine in one transaction; in order, what became of each.

    Raises:
        NotFoundError: the collection was removed meanwhile.
    """
    ready = [one for one in prepared if isinstance(one, Ready)]
    drafts = {one.item.id: one.draft for one in ready}
    decide: items.OnExisting
    if on_existing == "merge":
        decide = _merger(drafts, collection)
    elif on_existing == "skip":
        decide = _skipped
    else:
        decide = items.replace_existing
    new = [one.item for one in ready]
    outcomes = iter(items.upsert(database, collection, new, decide) if new else ())

    def result(one: Ready | Stored | ItemError) -> Stored | ItemError:
        if not isinstance(one, Ready):
            return one
        outcome = next(outcomes)
        return outcome if isinstance(outcome, ItemError) else Stored(one.item.id, outcome)

    return [result(one) for one in prepared]


def _skipped(_: NewItem, __: Item) -> None:
    return None


def _merger(drafts: Mapping[str, Draft], collection: Collection) -> items.OnExisting:
    def merge(new: NewItem, stored: Item) -> NewItem | ItemError:
        draft = drafts[new.id]
        metadata = merged(stored.metadata, draft.metadata) if draft.metadata is not None else {}
        try:
            check_metadata(metadata, collection.metadata_schema)
        except InvalidInputError as error:
            return invalid_item(f"with what the item {new.id!r} has already: {error}")
        label = stored.label if draft.label is None else new.label
        return replace(items.of_same_picture(new, stored), label=label, metadata=metadata)

    return merge


def _there(database: Engine, collection: Collection, ids: Sequence[str]) -> set[str]:
    with reading(database) as connection:
        return set(items.keys_of(connection, collection, ids))


def _checked(
    drafts: Sequence[Draft | ItemError], collection: Collection
) -> list[Draft | ItemError]:
    seen: set[str] = set()

    def check(draft: Draft) -> Draft:
        # An empty id, as an empty field of a form, is none.
        item_id = check_id(draft.id) if draft.id else uuid.uuid4().hex
        check_label(draft.label)
        if draft.metadata is not None:
            check_metadata(draft.metadata, collection.metadata_schema)
        if item_id in seen:
            raise InvalidInputError(f"the id {item_id!r} is in the request twice; send it once")
        seen.add(item_id)
        return replace(draft, id=item_id)

    return [_or_error(check, draft) if isinstance(draft, Draft) else draft for draft in drafts]


def _or_error(check: Callable[[Draft], Draft], draft: Draft) -> Draft | ItemError:
    try:
        return check(draft)
    except InvalidInputError as error:
        return invalid_item(str(error))


def _ready(
    draft: Draft, vector: Vectors, digest: str | None = None, files: Sequence[File] = ()
) -> Ready:
    assert draft.id is not None
    # In an item that is new, there is nothing for a null to remove.
    metadata = merged({}, draft.metadata or {})
    label = check_label(draft.label)
    return Ready(NewItem(draft.id, vector, label, metadata, digest, files), draft)


def _files(data: bytes, keep: Keep, max_pixels: int) -> list[File]:
    """What is kept of an image: its thumbnail, and the image itself where `keep` says so."""
    files = [File("thumbnail", "image/jpeg", thumbnail(decode(data, max_pixels)))]
    if keep == "original":
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            media_type = Image.MIME.get(image.format or "", "application/octet-stream")
        files.append(File("original", media_type, data))
    return files
