"""Ids of images that were sent without: the names of their files, each another image's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from service.errors import ItemFailedError
from service.rules.ids import MAX_ID, check_id
from sources.layout import item_id
from zoo.text import LONGEST


def file_id(name: str) -> str | None:
    """The name of a file as an id, None where it cannot be one or there is nothing to see."""
    if not name.strip() or len(name) > LONGEST:
        return None
    try:
        return check_id(item_id(name))
    except ItemFailedError:
        return None


def distinct_ids(
    images: Iterable[tuple[str, str | None]], taken: Mapping[str, str | None]
) -> list[str]:
    """An id for each image: the wanted one, or, where another has it, with (2), (3) and so on.

    Args:
        images: the wanted id and the digest of each.
        taken: the ids that are given already, with the digests of their images; None for no image.

    Returns:
        Ids in the order of the images. Images of one digest that want one id have the same, also
        that which the digest has there already.
    """
    digests = dict(taken)
    series: dict[str, _Series] = {}
    ids = []
    for wanted, digest in images:
        found = series.setdefault(wanted, _Series(wanted))
        free = found.free(digests)
        known = None if digest is None else found.ids.get(digest)
        if known is None:
            digests[free] = digest
        ids.append(free if known is None else known)
    return ids


@dataclass
class _Series:
    """`name`, `name (2)`, `name (3)`: how many of them are taken, and by which digests."""

    name: str
    count: int = 0
    ids: dict[str, str] = field(default_factory=dict)

    def free(self, digests: Mapping[str, str | None]) -> str:
        """The first that is not taken; it is one further at each call, so it is quick for many."""
        while (candidate := self._next()) in digests:
            digest = digests[candidate]
            if digest is not None:
                self.ids.setdefault(digest, candidate)
            self.count += 1
        return candidate

    def _next(self) -> str:
        ending = f" ({self.count + 1})" if self.count else ""
        return self.name[: MAX_ID - len(ending)] + ending
