"""A repository of the hub at one commit: what it says of itself, and which files it has."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from huggingface_hub import HfApi, ModelInfo, constants, scan_cache_dir
from huggingface_hub.errors import CacheNotFound

from zoo.errors import DownloadError, UnknownModelError
from zoo.hub.library import NAME, PATIENCE, VERSION, endpoint, explained

CARD = "README.md"

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"


@dataclass(frozen=True)
class Repository:
    """A repository at one commit.

    revision: what was asked for: a branch, a tag or a commit.
    files: their SHA-256 by path, as far as the hub says it.
    sizes: their bytes by path, as far as the hub says it.
    card: the metadata of its model card.
    cached: the folder on this machine that has the files, where the network is not asked.
    """

    repo: str
    revision: str
    commit: str
    files: Mapping[str, str | None]
    sizes: Mapping[str, int]
    card: Mapping[str, Any]
    cached: Path | None = None

    @property
    def address(self) -> str:
        """By which it is pulled."""
        return f"hf/{self.repo}"

    def pinned(self, path: str) -> str:
        """A file by its commit, for provenance."""
        return f"{self.address}@{self.commit}/{path}"


def parse_address(text: str) -> tuple[str, str]:
    """`hf/ORG/REPO` or `hf/ORG/REPO@REVISION` -> `ORG/REPO` and the revision, `main` without one.

    Raises:
        UnknownModelError: it is neither.
    """
    found = re.fullmatch(rf"hf/({_PART}/{_PART})(?:@([^\s@?#]{{1,200}}))?", text)
    if found is None or "--" in found[1] or ".." in found[1]:
        raise UnknownModelError(f"{text!r}: give hf/ORG/REPO, or hf/ORG/REPO@REVISION")
    return found[1], found[2] or constants.DEFAULT_REVISION


def look_up(repo: str, revision: str, offline: bool = False) -> Repository:
    """What the hub says of a repository.

    Args:
        offline: ask the cache of Hugging Face's programs on this machine instead.

    Raises:
        DownloadError: it is not there, not for this user, or the hub cannot be asked.
    """
    if offline or os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES:
        return _cached(repo, revision)
    with explained(f"hf/{repo}", revision):
        info = HfApi(endpoint(), library_name=NAME, library_version=VERSION).model_info(
            repo, revision=revision, files_metadata=True, timeout=PATIENCE
        )
        return _repository(repo, revision, info)


def _repository(repo: str, revision: str, info: ModelInfo) -> Repository:
    if info.sha is None or not _COMMIT.fullmatch(info.sha) or info.siblings is None:
        raise ValueError("not a repository")
    files = [file for file in info.siblings if _is_inside(file.rfilename)]
    tagged = [tag.partition(":")[2] for tag in info.tags or () if tag.startswith("license:")]
    return Repository(
        repo,
        revision,
        info.sha,
        files={file.rfilename: file.lfs.sha256 if file.lfs else None for file in files},
        sizes={file.rfilename: file.size for file in files if file.size is not None},
        card=({"license": tagged[0]} if tagged else {})
        | dict(vars(info.card_data) if info.card_data else {}),
    )


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts and "\\" not in path


def _cached(repo: str, revision: str) -> Repository:
    try:
        kept = [r for r in scan_cache_dir().repos if (r.repo_type, r.repo_id) == ("model", repo)]
    except CacheNotFound:
        kept = []
    for found in (each for repository in kept for each in repository.revisions):
        if revision == found.commit_hash or revision in found.refs:
            folder = found.snapshot_path
            paths = sorted(path for path in folder.rglob("*") if path.is_file())
            return Repository(
                repo,
                revision,
                found.commit_hash,
                files={path.relative_to(folder).as_posix(): None for path in paths},
                sizes={p.relative_to(folder).as_posix(): p.stat().st_size for p in paths},
                card={},
                cached=folder,
            )
    raise DownloadError(
        f"hf/{repo}@{revision} is not in {constants.HF_HUB_CACHE}, and the network is not asked "
        "(--offline, ZOO_OFFLINE or HF_HUB_OFFLINE): pull without it"
    )
