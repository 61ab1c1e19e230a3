"""Reading request bodies: which form they come in, JSON, and multipart in its order."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from service.errors import (
    InvalidInputError,
    MalformedError,
    TooLargeError,
    UnsupportedMediaTypeError,
    invalid_item,
)
from service.results import Results
from service.rules import exact_json
from service.settings import Settings
from zoo.validation import first_error

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class FormFile:
    """A file as it was sent: the name that it was given, which may be "", and its bytes."""

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """A multipart body; the values of a name keep their order, whatever lies between them."""

    texts: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[FormFile]]

    def expect(self, *, texts: Collection[str] = (), files: Collection[str] = ()) -> None:
        """Refuse fields of other names, and texts sent as files or the other way round.

        Raises:
            InvalidInputError: naming the field and those that there are.
        """
        for name in self.texts:
            if name in files:
                raise InvalidInputError(
                    f"{name} must be a file with a file name, as in curl -F {name}=@photo.jpg"
                )
        for name in self.files:
            if name in texts:
                raise InvalidInputError(f"{name} must be a text field, without a file name")
        known = [*texts, *files]
        for name in [*self.texts, *self.files]:
            if name not in known:
                raise InvalidInputError(f"no field {name!r} here; there is {', '.join(known)}")

    def contents(self, name: str) -> list[bytes]:
        """The bytes of the files of a name."""
        return [file.content for file in self.files.get(name, ())]

    def text(self, name: str) -> str | None:
        """The one value of a text field, None where it is absent.

        Raises:
            InvalidInputError: it is there more than once.
        """
        values = self.texts.get(name, ())
        if len(values) > 1:
            raise InvalidInputError(f"{name} is given {len(values)} times; give it once")
        return values[0] if values else None

    def integer(self, name: str) -> int | None:
        """The one value of a text field as a whole number, None where it is absent.

        Raises:
            InvalidInputError: it is not a whole number, or there more than once.
        """
        value = self.text(name)
        try:
            return None if value is None else int(value)
        except ValueError:
            raise InvalidInputError(f"{name} must be a whole number, not {value!r}") from None

    def each(self, name: str, count: int, of: str) -> Sequence[str] | None:
        """The values of a text field that goes with each of `count` files named `of`.

        None where the field is absent.

        Raises:
            InvalidInputError: there are more or fewer of them.
        """
        values = self.texts.get(name)
        if values is not None and len(values) != count:
            raise InvalidInputError(
                f"{len(values)} {name} for {count} {of}: repeat {name} once for each of the {of}, "
                "in the same order"
            )
        return values


def media_type(request: Request, *, accepted: Sequence[str]) -> str:
    """The content type of the body, without parameters.

    Raises:
        UnsupportedMediaTypeError: it is none of those accepted.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in accepted:
        what = repr(given) if given else "no content type"
        raise UnsupportedMediaTypeError(f"{what} is not read here; send {' or '.join(accepted)}")
    return given


def check_count(count: int, settings: Settings) -> None:
    """Refuse a request for too many images, vectors or ids.

    Raises:
        TooLargeError: there are more than the settings allow.
    """
    if count > settings.max_items:
        raise TooLargeError(f"{count} items in one request; at most {settings.max_items}")


async def read_json(request: Request, model: type[Body], *, distinct: bool = False) -> Body:
    """The body as JSON of a certain shape.

    Raises:
        MalformedError: not JSON; or, with `distinct`, an object in it names a member twice.
        ItemFailedError: JSON of another shape; the message names the first wrong place.
    """
    # In a thread: a body may hold millions of numbers.
    return await asyncio.to_thread(_parsed, await request.body(), model, distinct)


def each_valid(items: Sequence[Any], model: type[Body]) -> Results[Body]:
    """Every item of a JSON list in a certain shape, or what is wrong with that item."""
    return Results.of(items).each(lambda item: _valid(item, model))


async def read_form(request: Request, settings: Settings) -> Form:
    """The body as multipart, within the limits of the settings.

    Raises:
        MalformedError: not multipart.
        TooLargeError: a text field, or the number of parts, is beyond the limits.
        UnsupportedMediaTypeError: the texts are not in UTF-8.
    """
    _, options = parse_options_header(request.headers.get("content-type"))
    charset = options.get(b"charset", b"utf-8").decode("latin-1")
    if charset.lower() not in ("utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaTypeError(f"charset {charset!r:.100}: send texts in UTF-8")
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=settings.max_items,
        # Three text fields may go with each image: its id, label and metadata.
        max_fields=3 * settings.max_items + 100,
        max_part_size=settings.max_field_bytes,
    )
    try:
        parsed = await parser.parse()
    except MultiPartException as error:
        if error.message.startswith(("Too many", "Part exceeded")):
            raise TooLargeError(
                f"the multipart body is beyond the limits: {error.message}"
            ) from None
        raise MalformedError(f"the multipart body cannot be read: {error.message}") from None
    texts: dict[str, list[str]] = {}
    files: dict[str, list[FormFile]] = {}
    try:
        for name, value in parsed.multi_items():
            if isinstance(value, UploadFile):
                file = FormFile(value.filename or "", await value.read())
                files.setdefault(name, []).append(file)
            else:
                texts.setdefault(name, []).append(value)
    finally:
        await parsed.close()
    return Form(texts, files)


def _parsed(body: bytes, model: type[Body], distinct: bool) -> Body:
    try:
        content = exact_json.loads(body, distinct=distinct)
    except ValueError as error:
        raise MalformedError(f"the body is not JSON: {error}") from None
    return _valid(content, model)


def _valid(content: Any, model: type[Body]) -> Body:
    try:
        return model.model_validate(content, strict=True)
    except ValidationError as error:
        raise invalid_item(first_error(error)) from None
