"""Trust on first use: the digest that an address first gave is the one it must give ever after.

One small file an address in `$ZOO_HOME/digests/`, written under a private name and renamed.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from zoo.download.claims import Claim
from zoo.errors import DownloadError
from zoo.files import write_whole
from zoo.store import zoo_home


def held(address: str) -> tuple[Claim, ...]:
    """What is held of an address: nothing before its first use.

    Raises:
        DownloadError: the record cannot be read.
    """
    path = _path(address)
    try:
        content = json.loads(path.read_text())
        source = f"its first download ({content['first_seen']}, recorded in {path})"
        return (Claim("sha256", str(content["sha256"]), source),)
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        raise DownloadError(f"{path}: cannot be read ({error!r}); remove it") from error


def hold(address: str, sha256: str) -> None:
    """Hold an address to a digest, if it is not held already."""
    path = _path(address)
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "address": address,
        "sha256": sha256,
        "first_seen": datetime.now(UTC).date().isoformat(),
    }
    write_whole(path, json.dumps(content).encode())
    path.chmod(0o644)  # others may share the store


def _path(address: str) -> Path:
    return zoo_home() / "digests" / f"{hashlib.sha256(address.encode()).hexdigest()}.json"
