"""The encoders that are served, and how a request finds the one it names."""

from collections.abc import Iterable, Iterator, Sequence

import structlog

from service.embedding.embedder import Embedder
from service.errors import NotFoundError, SpaceMismatchError
from service.settings import FASTEST, Settings
from zoo.errors import ZooError
from zoo.on_demand import find_or_make
from zoo.package import Package
from zoo.runtimes import Execution, open_runtime
from zoo.runtimes.bench import fastest
from zoo.store import find_package


class Encoders:
    """The served encoders, the default first."""

    def __init__(self, embedders: Sequence[Embedder]) -> None:
        self._embedders = tuple(embedders)

    def __iter__(self) -> Iterator[Embedder]:
        return iter(self._embedders)

    def get(self, reference: str | None = None) -> Embedder:
        """The encoder `name` or `name@version`; without a reference, the default.

        Raises:
            NotFoundError: it is not served.
        """
        for embedder in self._embedders:
            manifest = embedder.manifest
            if reference in (None, manifest.name, manifest.reference):
                return embedder
        served = ", ".join(embedder.manifest.reference for embedder in self._embedders)
        raise NotFoundError(f"no model {reference!r} is served here; there is {served}")

    def of_space(self, space: str, owner: str) -> Embedder:
        """The encoder of a space; `owner` says in the message whose space it is.

        Raises:
            SpaceMismatchError: none of that space is served.
        """
        for embedder in self._embedders:
            if embedder.manifest.space == space:
                return embedder
        raise SpaceMismatchError(
            f"{owner} belongs to the embedding space {space}, and no model of that space is "
            "served; name its model in ZOO_MODELS, with the ZOO_RUNTIME and ZOO_PRECISION that it "
            "was made with, and start again"
        )


def check_space(given: str | None, expected: str, owner: str) -> None:
    """Refuse vectors that name another space than that of `owner`.

    Raises:
        SpaceMismatchError: they do.
    """
    if given is not None and given != expected:
        raise SpaceMismatchError(
            f"the vectors are of the embedding space {given}, {owner} is of {expected}; embed the "
            "images with its model"
        )


def is_version_of(model: str, name: str) -> bool:
    """Whether `model` (`name@version`) is what a caller who gives `name` alone may mean."""
    return model.partition("@")[0] == name


def open_encoders(settings: Settings, in_use: Iterable[str] = ()) -> Encoders:
    """Load the packages that the settings name and prove each on its golden vectors.

    Args:
        in_use: the models `name@version` of collections and heads. Where the settings name one
            without a version, it is served too, after the newest: what was made with the version
            before goes on answering. One that cannot be served is warned of and left out.

    Raises:
        zoo.errors.ZooError: a package that the settings name is missing, damaged or gives other
            embeddings.
    """
    packages = [find_or_make(name, structlog.get_logger().info) for name in settings.models]
    embedders = [_open(package, settings) for package in packages]
    served = {package.manifest.reference for package in packages}
    for model in in_use:
        if model not in served and any(is_version_of(model, name) for name in settings.models):
            try:
                embedders.append(_open(find_package(model), settings))
            except ZooError as error:
                structlog.get_logger().warning(
                    "collections and heads are not answered", model=model, detail=str(error)
                )
    return Encoders(embedders)


def _open(package: Package, settings: Settings) -> Embedder:
    embedder = Embedder(package, open_runtime(package, _execution(package, settings)), settings)
    if embedder.manifest.space != package.manifest.space:
        structlog.get_logger().warning(
            "space of its own",
            model=package.manifest.reference,
            variant=embedder.variant,
            space=embedder.manifest.space,
            detail=f"{settings.precision} agrees too little with fp32 to be mixed with it: "
            "collections and heads made in fp32 are not answered, new ones are",
        )
    return embedder


def _execution(package: Package, settings: Settings) -> Execution:
    if settings.runtime == FASTEST:
        return fastest(package, settings.threads)
    return Execution(
        settings.runtime,
        settings.precision,
        settings.device,
        settings.threads,
        settings.triton_url,
    )
