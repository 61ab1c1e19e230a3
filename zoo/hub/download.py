"""From a repository of the hub to an installed package: once, of one commit, or nothing is left."""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from zoo.download import TransferProgress, check_space, private_folder
from zoo.errors import ImportRefusedError, InstalledError, UnknownModelError, ZooError
from zoo.hub.fetch import fetch
from zoo.hub.library import room_for
from zoo.hub.licence import licence_of, with_card
from zoo.hub.repository import Repository, look_up
from zoo.licences import forbids_commercial_use
from zoo.manifest import OutputLayer, Pool, Source, split_reference
from zoo.package import Package
from zoo.store import find_package


@dataclass(frozen=True)
class Wanted:
    """What is pulled, and as what.

    name: of the package; without one, the repository's.
    file: a path in the repository that it must be made of.
    output, pool: which value is the embedding, and how it becomes one row an image.
    """

    repo: str
    revision: str
    name: str | None = None
    version: str = "1"
    file: str | None = None
    output: str | None = None
    pool: Pool | None = None
    accept_licence: bool = False
    offline: bool = False

    @property
    def reference(self) -> str:
        """`name@version` of the package.

        Raises:
            UnknownModelError: that cannot be one.
        """
        name = self.name
        if name is None:
            name = re.sub(r"[^a-z0-9._-]", "-", self.repo.partition("/")[2].lower())[:64]
        try:
            split_reference(f"{name}@{self.version}")
        except ValueError as error:
            raise UnknownModelError(f"{error} (--name, --version)") from None
        return f"{name}@{self.version}"


@dataclass
class Download:
    """The files of a repository as they arrive in `folder`, and where they come from."""

    repository: Repository
    licence: str
    folder: Path
    progress: TransferProgress
    sources: list[Source] = field(default_factory=list)

    def get(self, path: str) -> Path:
        """Bring a file here, at its path in the repository.

        Raises:
            DownloadError: it cannot be had, or is not what the hub says it is.
            NoSpaceError: the disk has no room for it and for the package that is made of it.
        """
        size = self.repository.sizes.get(path, 0)
        check_space(self.folder, 2 * size, f"{self.repository.address}/{path} with its package")
        file, digest = fetch(self.repository, path, self.folder, self.progress)
        name = self.repository.pinned(path)
        self.sources.append(Source(name=name, terms=self.licence, sha256=digest))
        return file


def pull_repository(
    wanted: Wanted, make: Callable[[Download, str, str], Package], progress: TransferProgress
) -> Package:
    """Let `make` make the package of a repository, with its name and version; or find it installed.

    Raises:
        InstalledError: that version is installed, and was made of other files.
        DownloadError: the repository cannot be had.
        ZooError: its licence has to be accepted first; or what `make` raises.
    """
    reference = wanted.reference
    name, version = reference.split("@")
    repository = look_up(wanted.repo, wanted.revision, wanted.offline)
    key = hashlib.sha256(f"{repository.address}@{repository.commit}".encode()).hexdigest()[:8]
    with (
        _naming(repository),
        room_for(repository.address),
        private_folder(f"{reference}-{key}") as own,
    ):
        work = own / "files"
        try:
            if package := _installed(reference, wanted, repository, work, progress):
                progress.note(f"{reference} is installed already")
                return package
            repository = with_card(repository, work, progress)
            licence, origin = licence_of(repository)
            if forbids_commercial_use(licence) and not wanted.accept_licence:
                whose = "".join(f", as {source.name} says" for source in origin)
                raise ZooError(
                    f"{repository.address} is under {licence}{whose}, not for commercial use: if "
                    "you accept that, add --accept-licence"
                )
            try:
                download = Download(repository, licence, work, progress, list(origin))
                return make(download, name, version)
            except InstalledError:  # by another pull meanwhile
                if package := _installed(reference, wanted, repository, work, progress):
                    return package
                raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _installed(
    reference: str, wanted: Wanted, repository: Repository, work: Path, progress: TransferProgress
) -> Package | None:
    """The package of that name, if it was made of the same files.

    Raises:
        InstalledError: it was made of others.
    """
    try:
        package = find_package(reference)
    except UnknownModelError:
        return None
    another = "give --name or --version to have both"
    made_of = {
        found[3]: (found[1], found[2], source.sha256)
        for source in package.manifest.provenance.sources
        if (found := _PINNED.fullmatch(source.name))
    }
    repos = {repo for repo, _, _ in made_of.values()}
    if repos != {repository.repo} or wanted.file not in (None, *made_of):
        origin = ", ".join(source.name for source in package.manifest.provenance.sources)
        raise InstalledError(f"{reference} is installed already, made of {origin}: {another}")
    commit = next(iter(made_of.values()))[1]
    for path, (_, _, digest) in made_of.items():
        now = repository.files.get(path)
        if now is None and path in repository.files:  # a small file
            same = commit == repository.commit
            now = digest if same else fetch(repository, path, work, progress)[1]
        if now != digest:
            raise InstalledError(
                f"{reference} was made of {repository.address} at commit {commit}; its revision "
                f"{wanted.revision} is now {repository.commit}, with another {path}: {another}, "
                f"or pull {repository.address}@{commit}"
            )
    layer = package.manifest.layer
    assert isinstance(layer, OutputLayer)  # as of all that is pulled from a hub
    if wanted.output not in (None, layer.output) or wanted.pool not in (None, layer.pool):
        raise InstalledError(f"{reference} is installed already, with {layer.summary}: {another}")
    return package


_PINNED = re.compile(r"hf/([^/@]+/[^/@]+)@([0-9a-f]{40})/(.+)")


@contextmanager
def _naming(repository: Repository) -> Iterator[None]:
    """Let what is refused name the file in the repository, in one line."""
    try:
        yield
    except ImportRefusedError as error:
        text = re.sub(r"\S*/partial/[^/]+/files/", f"{repository.address}/", str(error))
        first, *options = text.splitlines()
        line = " ".join([first, "; ".join(option.strip() for option in options)]).strip()
        if _OF_IMPORT.search(line):
            line += (
                f" (`hf download {repository.repo} --local-dir FOLDER`, then `zoo import` the file "
                "with these options)"
            )
        raise ImportRefusedError(line) from None


_OF_IMPORT = re.compile(r"--(size|range|mean|std|layout|crop|interpolation)\b")
"""Options that a pull has not: what they say, a repository should."""
