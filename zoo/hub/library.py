"""`huggingface_hub`, which asks and downloads, and its errors in one line.

So its settings hold: HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_OFFLINE. Of what it raises no text is
shown: addresses in it may be signed, and answers may repeat what was sent.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import httpx2
from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging

from zoo.errors import DownloadError, NoSpaceError
from zoo.store import zoo_home

# Otherwise it asks for more than files, and keeps copies in the user's home.
constants.HF_HUB_DISABLE_TELEMETRY = True
constants.HF_HUB_DISABLE_XET = True
logging.set_verbosity(40)  # errors: it reports attempts with addresses

NAME = "encoder-zoo"
VERSION = version(NAME)
"""What it tells a hub of its caller."""

PATIENCE = 10.0
"""Seconds without an answer."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def endpoint() -> str:
    """The address of the hub."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


@contextmanager
def explained(address: str, revision: str) -> Iterator[None]:
    """Let what goes wrong with `hf/ORG/REPO` say in one line what to do.

    Raises:
        DownloadError: whatever the library raised.
        OSError: a file cannot be written.
    """
    hub = _shown(endpoint())
    try:
        yield
    except LocalEntryNotFoundError as error:  # of a file, whatever kept it away
        cause = error.__cause__
        raise DownloadError(_reason(cause if cause else error, address, revision, hub)) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OfflineModeIsEnabled) as error:
        raise DownloadError(_reason(error, address, revision, hub)) from None
    except UnicodeError:
        raise DownloadError("HF_TOKEN holds characters that no token has: set it again") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DownloadError(_reason(error, address, revision, hub)) from None  # the library's own
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DownloadError(_reason(error, address, revision, hub)) from None


@contextmanager
def room_for(address: str) -> Iterator[None]:
    """Let a disk that is full be said in one line.

    Raises:
        NoSpaceError: it is.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise NoSpaceError(
            f"{address}: the disk of {zoo_home()} is full, and nothing was kept: make room and "
            "pull again, or let ZOO_HOME name another disk"
        ) from None


def _reason(error: BaseException, address: str, revision: str, hub: str) -> str:
    named = f"{address}@{revision}"
    if isinstance(error, GatedRepoError):
        return (
            f"{address} is gated: accept its terms at {hub}/{address.removeprefix('hf/')}, then "
            "set HF_TOKEN to a token of that account"
        )
    if isinstance(error, RevisionNotFoundError):
        return f"{address} has no revision {revision!r}: give a branch, a tag or a commit"
    if isinstance(error, RemoteEntryNotFoundError):
        return f"{named}: a file that {hub} lists is not there: pull again"
    if isinstance(error, DisabledRepoError):
        return f"{address} was disabled by {hub}: choose another"
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        if isinstance(error, RepositoryNotFoundError) or status in (401, 403, 404):
            return _not_for_this_user(address, hub, status)
        if status == 429:
            return f"{address}: {hub} has had too many requests (429): wait, or set HF_TOKEN"
        return f"{address}: {hub} answers {status}: try again later"
    if isinstance(error, httpx2.TimeoutException):
        return f"{address}: {hub} does not answer for {PATIENCE:g} s: see the network and its proxy"
    if isinstance(error, httpx2.HTTPError):
        return (
            f"{address}: {hub} cannot be reached ({type(error).__name__}): see the network, its "
            "proxy and HF_ENDPOINT; what other programs downloaded is used with --offline"
        )
    if isinstance(error, httpx2.InvalidURL):
        return f"HF_ENDPOINT is no address: {hub!r}"
    if isinstance(error, OfflineModeIsEnabled):
        return f"{address}: HF_HUB_OFFLINE is set: unset it, and pull again"
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return f"{named}: a file arrived cut short: pull again"
    return (
        f"{address}: {hub} does not answer as a hub does, but with a login or error page, or "
        "something else: see HF_ENDPOINT, and whether the network wants a login"
    )


def _not_for_this_user(address: str, hub: str, status: int) -> str:
    token = "see what HF_TOKEN may read" if os.environ.get("HF_TOKEN") else "set HF_TOKEN"
    return (
        f"{address}: {hub} has none, or not for you ({status}): check the name; if it is private "
        f"or gated, {token}"
    )


def _shown(address: str) -> str:
    """Without user and password."""
    scheme, separator, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
