"""Private folders in `$ZOO_HOME/partial/`, one a pull, which a later pull goes on with.

Safe on a network file system, where file locks may do nothing: no lock is taken. Every pull works
in a folder of its own, `<key>.<random>`, which says whose it is from the moment it can be seen.
One that an earlier pull left is taken over by renaming it, which only one of many can do; whoever
tries says before that it is no longer left. It is left when its `owner.json` is gone, or names a
process that no longer runs on this machine, or was not touched for two minutes (by the file
system's own clock; a thread touches it as long as its owner lives). Should that ever be judged
wrongly, the former owner finds its folder gone and stops; until then it wrote bytes of the same
file at the same places, for a part only grows by one version of a file, and begins anew in a new
one.
"""

import glob
import json
import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.files import write_whole
from zoo.store import zoo_home

_OWNER = "owner.json"
_HEARTBEAT = 15.0  # seconds
_STALE = 120.0

_mine: set[Path] = set()


@dataclass(frozen=True)
class Unfinished:
    """A download that is not finished; `live` while a pull works on it."""

    path: Path
    live: bool

    @property
    def key(self) -> str:
        """What is downloaded: `name@version` and which source of it."""
        return self.path.name.rpartition(".")[0]

    @property
    def bytes(self) -> int:
        """What lies on the disk."""
        return folder_bytes(self.path)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for path in _files(folder):
        with suppress(OSError):
            total += path.lstat().st_size
    return total


def partial() -> Path:
    """Where unfinished downloads lie."""
    return zoo_home() / "partial"


def unfinished() -> list[Unfinished]:
    """All unfinished downloads, by name."""
    folders = sorted(p for p in partial().glob("[!.]*.*") if p.is_dir())
    if not folders:
        return []
    now = _now()
    return [Unfinished(path, _is_live(path, now)) for path in folders]


@contextmanager
def private_folder(key: str) -> Iterator[Path]:
    """A folder of this pull's own, with what an interrupted pull of the same key left.

    It stays for the next pull unless `discard` removes it.
    """
    partial().mkdir(parents=True, exist_ok=True)
    folder = partial() / f"{key}.{secrets.token_hex(4)}"
    _mine.add(folder)
    _claim(key, folder)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder / _OWNER, stop), daemon=True)
    beat.start()
    try:
        yield folder
    finally:
        stop.set()
        beat.join()
        _mine.discard(folder)
        (folder / _OWNER).unlink(missing_ok=True)
        if not any(_files(folder)):
            shutil.rmtree(folder, ignore_errors=True)


def discard(folder: Path) -> None:
    """Remove a download, and what else was left of the same: from sight by renaming, then wholly.

    What a killed process was removing is removed too.
    """
    key = Unfinished(folder, live=False).key
    left = [d.path for d in unfinished() if d.key == key and not d.live]
    for path in {folder, *left}:
        with suppress(FileNotFoundError):  # another pull takes it, or removes it
            path.rename(path.with_name(f".gone-{secrets.token_hex(4)}"))
    now = _now()
    for gone in (*partial().glob(".gone-*"), *partial().glob(".new-*")):
        with suppress(FileNotFoundError):
            if gone.name.startswith(".gone-") or now - gone.stat().st_mtime > _STALE:
                shutil.rmtree(gone, ignore_errors=True)


def _claim(key: str, mine: Path) -> None:
    """Let `mine` be the fullest folder that was left, or a new one."""
    now = _now()
    left = [p for p in partial().glob(f"{glob.escape(key)}.*") if not _is_live(p, now)]
    for candidate in sorted(left, key=folder_bytes, reverse=True):
        with suppress(FileNotFoundError):  # another pull was first
            _sign(candidate)
            candidate.rename(mine)
            _sign(mine)  # another pull may have signed it too
            return
    new = partial() / f".new-{secrets.token_hex(4)}"
    new.mkdir()
    _sign(new)
    new.rename(mine)


def _sign(folder: Path) -> None:
    owner = {"host": socket.gethostname(), "pid": os.getpid()}
    write_whole(folder / _OWNER, json.dumps(owner).encode())


def _beat(owner: Path, stop: threading.Event) -> None:
    while not stop.wait(_HEARTBEAT):
        with suppress(OSError):  # taken over, or the network is away for a moment
            os.utime(owner)


def _is_live(folder: Path, now: float) -> bool:
    owner = folder / _OWNER
    try:
        touched = owner.stat().st_mtime
        content = json.loads(owner.read_text())
        host, pid = content["host"], int(content["pid"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if host == socket.gethostname():
        if pid == os.getpid():
            return folder in _mine
        if not _runs(pid):
            return False
    return now - touched < _STALE


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder; one that vanishes meanwhile is an error to `rglob`, not here."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it runs as someone else
        return True
    return True


def _now() -> float:
    """The file system's clock, which may not be this machine's."""
    with tempfile.TemporaryFile(dir=partial()) as file:
        file.write(b".")
        file.flush()
        return os.fstat(file.fileno()).st_mtime
