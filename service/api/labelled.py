"""Labelled examples in a request: images with labels, an archive, vectors, or a collection."""

import asyncio
import uuid
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fastapi import Request

from service.api.bodies import Form, FormFile, check_count, each_valid, read_form, read_json
from service.api.callers import while_connected
from service.domain import labels
from service.domain.archives import read_archive, to_learn_from
from service.domain.file_ids import file_id
from service.domain.labels import Origin, distinct, example
from service.embedding.embedder import Embedded, Embedder
from service.embedding.encoders import check_space, is_version_of
from service.errors import InvalidInputError, invalid_item
from service.results import Results
from service.rules.ids import naming
from service.rules.vectors import unit_vector
from service.state import State
from service.storage.head_rows import Example, Head
from service.wire.heads import HeadRequest, LabelChange, LabelledVector, LabelsRequest

Examples = Results[Example]


@dataclass(frozen=True)
class _LabelledImage:
    """An image to learn from; its id is "" where it is to be made of the name of its file."""

    file: FormFile
    label: str
    id: str


async def label_set(request: Request, state: State, head: Head | None) -> tuple[Origin, Examples]:
    """The label set that a multipart request gives a head, and the encoder it belongs to.

    `head` is the head as it is, if it is there: without a model named, its own is used.
    """
    form = await read_form(request, state.settings)
    form.expect(texts=("model", "labels", "ids"), files=("images", "archive"))
    embedder = _embedder(state, head, form.text("model"))
    examples, by_file = await _embedded(request, state, form, embedder)
    return _origin(embedder), labels.named(examples, by_file, {})


async def label_set_json(
    request: Request, state: State, head: Head | None
) -> tuple[Origin, Examples]:
    """The label set that a JSON request gives a head, and the encoder it belongs to."""
    body = await read_json(request, HeadRequest)
    if (body.items is None) == (body.collection is None):
        raise InvalidInputError("give either collection or items")
    if body.items is None:
        assert body.collection is not None
        if body.model is not None:
            raise InvalidInputError("model: leave it out, the collection's own is used")
        origin, examples = await asyncio.to_thread(
            labels.labelled_items, state.database, body.collection
        )
        check_space(body.space, origin.space, f"the collection {body.collection!r}")
        return origin, examples
    if body.model is None and head is None and body.space is not None:
        embedder = state.encoders.of_space(body.space, "this label set")
    else:
        embedder = _embedder(state, head, body.model)
    origin = _origin(embedder)
    check_space(body.space, origin.space, f"the model {origin.model}")
    check_count(len(body.items), state.settings)
    return origin, await asyncio.to_thread(_from_vectors, body.items, origin.dim)


async def label_changes(
    request: Request, state: State, head: Head
) -> tuple[Examples, Collection[int]]:
    """Images with labels, in multipart, to add to a head; and which have a file's name as id."""
    form = await read_form(request, state.settings)
    form.expect(texts=("labels", "ids"), files=("images", "archive"))
    embedder = state.encoders.of_space(head.space, f"the head {head.name!r}")
    return await _embedded(request, state, form, embedder)


async def label_changes_json(
    request: Request, state: State, head: Head
) -> tuple[Examples, Sequence[str]]:
    """Changes of a head's labels, in JSON; and the ids to take out."""
    body = await read_json(request, LabelsRequest)
    check_space(body.space, head.space, f"the head {head.name!r}")
    if not body.items and not body.remove:
        raise InvalidInputError("give items to add or change, or ids to remove")
    check_count(len(body.items) + len(body.remove), state.settings)
    given = await asyncio.to_thread(_changes, state, head, body)
    both = {one.id for one in given.values} & set(body.remove)
    if both:
        raise InvalidInputError(f"{min(both)!r} is both in items and in remove")
    return given, body.remove


async def _embedded(
    request: Request, state: State, form: Form, embedder: Embedder
) -> tuple[Examples, Collection[int]]:
    images = await _labelled_images(form, state)
    files = images.each(lambda image: image.file.content)
    embedded = await while_connected(request, embedder.embed(files))
    by_file: set[int] = set()

    def labelled(i: int, one: Embedded) -> Example:
        image = images.good[i]
        example_id = image.id
        if not example_id:
            name = file_id(image.file.name)
            if name is not None:
                by_file.add(i)
            example_id = name or uuid.uuid4().hex
        return example(example_id, image.label, one.vector, one.digest)

    return embedded.each_at(labelled), by_file


async def _labelled_images(form: Form, state: State) -> Results[_LabelledImage]:
    images, archives = form.files.get("images", ()), form.contents("archive")
    if archives:
        if len(archives) > 1 or images or "labels" in form.texts or "ids" in form.texts:
            raise InvalidInputError("give one archive alone, without images, labels and ids")
        return await asyncio.to_thread(_unpacked, archives[0], state)
    if not images:
        raise InvalidInputError("there are no images; send images with labels, or an archive")
    labels = form.each("labels", len(images), "images")
    if labels is None:
        raise InvalidInputError("there are no labels; repeat labels once for each of the images")
    ids = form.each("ids", len(images), "images") or [""] * len(images)
    return Results.of(map(_LabelledImage, images, labels, ids))


def _unpacked(archive: bytes, state: State) -> Results[_LabelledImage]:
    unpacked = read_archive(
        archive,
        max_files=state.settings.max_items,
        max_bytes=state.settings.max_expanded_bytes,
    )
    learned = to_learn_from(unpacked.files)
    return learned.each(
        lambda file: _LabelledImage(FormFile(file.path, file.content), file.label or "", file.id)
    )


def _from_vectors(items: Sequence[object], dim: int) -> Examples:
    def read(one: LabelledVector) -> Example:
        with naming(one.id):
            vector = unit_vector(one.vector, dim)
        return example(one.id or uuid.uuid4().hex, one.label, vector)

    return distinct(each_valid(items, LabelledVector).each(read))


def _changes(state: State, head: Head, body: LabelsRequest) -> Examples:
    """Examples as they shall be: with their own vector, the one they have, or an item's."""
    changes = each_valid(body.items, LabelChange)
    bare = [one.id for one in changes.values if one.id and one.vector is None]
    find = labels.example_finder(state.database, head, bare, body.collection)
    return distinct(changes.each(lambda change: _changed(change, find, head.dim)))


def _changed(change: LabelChange, find: Callable[[str], Example], dim: int) -> Example:
    if change.vector is not None:
        with naming(change.id):
            vector = unit_vector(change.vector, dim)
        return example(change.id or uuid.uuid4().hex, change.label, vector)
    if not change.id:
        raise invalid_item("it has neither an id nor a vector; give one of them")
    found = find(change.id)
    return example(found.id, change.label, found.vector, found.digest, found.item_pk)


def _embedder(state: State, head: Head | None, model: str | None) -> Embedder:
    """The encoder that is named, else that of the head, else the default one.

    By its name alone, the head's version is meant.
    """
    if head is not None and (model is None or is_version_of(head.model, model)):
        return state.encoders.of_space(head.space, f"the head {head.name!r}")
    return state.encoders.get(model)


def _origin(embedder: Embedder) -> Origin:
    manifest = embedder.manifest
    return Origin(manifest.reference, manifest.space, manifest.dim)
