"""Files of a repository, whole and as the hub says they are."""

import shutil
from pathlib import Path
from typing import Any, Self

from huggingface_hub import hf_hub_download

from zoo.download import TransferProgress
from zoo.errors import DownloadError
from zoo.hub.library import NAME, PATIENCE, VERSION, endpoint, explained
from zoo.hub.repository import Repository
from zoo.package import file_digest


def fetch(
    repository: Repository, path: str, folder: Path, progress: TransferProgress
) -> tuple[Path, str]:
    """Bring a file into `folder`, at its path in the repository.

    Returns:
        Where it is, and its SHA-256.

    Raises:
        DownloadError: it cannot be had, or is not what the hub says it is.
        OSError: it cannot be written.
    """
    target = folder / path
    if repository.cached:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(repository.cached / path, target)
    else:
        with explained(repository.address, repository.revision):
            hf_hub_download(
                repository.repo,
                path,
                revision=repository.commit,
                local_dir=folder,
                endpoint=endpoint(),
                etag_timeout=PATIENCE,
                tqdm_class=_bar(progress, path),
                library_name=NAME,
                library_version=VERSION,
            )
    digest, known = file_digest(target), repository.files.get(path)
    if known not in (digest, None):
        raise DownloadError(
            f"{repository.pinned(path)}: wrong bytes: its SHA-256 is {digest}, the hub says "
            f"{known}; they are not used: pull again"
        )
    return target, digest


def _bar(progress: TransferProgress, path: str) -> Any:
    """What the library takes for a class of progress bars."""

    class _Bar:
        def __init__(self, *_: Any, total: int | None = None, initial: int = 0, **__: Any) -> None:
            self._done, self._total = initial, total

        def update(self, count: int = 1) -> None:
            self._done += count
            progress.at(path, self._done, self._total)

        def close(self) -> None:
            """Nothing is open."""

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    return _Bar
