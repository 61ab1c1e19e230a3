"""What a repository says of the licence of its weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from huggingface_hub.repocard import metadata_load
from yaml import YAMLError

from zoo.download import TransferProgress
from zoo.errors import DownloadError, UnknownModelError
from zoo.hub.fetch import fetch
from zoo.hub.repository import CARD, Repository, look_up, parse_address
from zoo.manifest import Source

UNSTATED = "unstated"


def with_card(repository: Repository, folder: Path, progress: TransferProgress) -> Repository:
    """The repository with the metadata of its model card, read from the file if need be."""
    if repository.card.get("license") or CARD not in repository.files:
        return repository
    path, _ = fetch(repository, CARD, folder, progress)
    try:
        found = metadata_load(path) or {}
    except (YAMLError, ValueError):  # written by hand
        found = {}
    return replace(repository, card=found | dict(repository.card))


def licence_of(repository: Repository) -> tuple[str, tuple[Source, ...]]:
    """The licence in the hub's words; and, where the repository states none, whose it is.

    That is the one model that it says it was made from, such as by conversion.
    """
    stated = _stated(repository.card)
    base = repository.card.get("base_model")
    if isinstance(base, list) and len(base) == 1:
        base = base[0]
    if stated or repository.cached or not isinstance(base, str):
        return stated or UNSTATED, ()
    try:
        origin = look_up(*parse_address(f"hf/{base}"))
    except (DownloadError, UnknownModelError):
        return UNSTATED, ()
    licence = _stated(origin.card)
    return licence or UNSTATED, (Source(name=origin.address, terms=licence or UNSTATED),)


def _stated(card: Mapping[str, Any]) -> str:
    """Its name; of one that the hub has no name for, what its publisher calls it."""
    name = _text(card.get("license"))
    return _text(card.get("license_name")) or name if name == "other" else name


def _text(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    return ", ".join(str(each).strip() for each in values if each)
