"""Files over HTTP: ranges, redirects to known hosts only, and what headers say of the file.

Proxies and certificates come from the usual environment variables. `HF_TOKEN` goes to
huggingface.co over TLS, and to no other host that it redirects to.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import httpx

from zoo.download.claims import Claim
from zoo.download.remote import Answer, NotThereError, TransientError
from zoo.errors import DownloadError

STALL = 30.0
"""Seconds without a byte after which a transfer is broken off and continued anew."""

CONNECT, ANSWER = 5.0, 8.0
"""Seconds for a connection, TLS included, and from then to the first line of an answer."""

REDIRECTS = {"huggingface.co": (".huggingface.co", ".hf.co")}
"""Hosts that hand downloads to others of their own, by the ends of their names.

A redirect to any other host is refused.
"""

_TOKEN_HOST = "huggingface.co"  # noqa: S105
_HOPS = 5
_TRANSIENT = {408, 425, 429, *range(500, 600)}
_LONGEST_WAIT = 120.0


def open_client(offline: bool = False) -> httpx.Client:
    """A client; close it. `offline`: one that refuses every request."""
    headers = {
        "User-Agent": f"encoder-zoo/{version('encoder-zoo')}",
        "Accept-Encoding": "identity",  # ranges and digests are of the file itself
    }
    transport = _Offline() if offline else None
    timeout = httpx.Timeout(STALL, connect=CONNECT)
    return httpx.Client(headers=headers, timeout=timeout, transport=transport)


@dataclass(frozen=True)
class HttpFile:
    """A file at a URL; a `Remote`."""

    client: httpx.Client
    url: str

    @property
    def address(self) -> str:
        """The URL without user and password."""
        return shown(httpx.URL(self.url))

    @contextmanager
    def open(self, offset: int, validator: str | None) -> Iterator[Answer]:
        """See `Remote.open`."""
        resume = offset > 0 and validator is not None
        asked = {"Range": f"bytes={offset}-", "If-Range": str(validator)} if resume else {}
        with self._following(asked) as (response, claims):
            yield self._answer(response, claims, offset if resume else 0, validator)

    @contextmanager
    def _following(self, asked: dict[str, str]) -> Iterator[tuple[httpx.Response, list[Claim]]]:
        """The answer at the end of the redirects, and the claims made on the way."""
        url, claims = httpx.URL(self.url), list[Claim]()
        for _ in range(_HOPS):
            response = self._ask(url, asked | _authorization(url))
            try:
                claims += header_claims(response.headers)
                if not response.has_redirect_location:
                    yield response, claims
                    return
                url = _redirected(url, response.headers["location"])
            finally:
                response.close()
        raise DownloadError(f"{self.address}: redirected more than {_HOPS} times")

    def _ask(self, url: httpx.URL, headers: dict[str, str]) -> httpx.Response:
        """The beginning of an answer; its content may take longer than the wait for it."""
        timeouts = {"connect": CONNECT, "read": min(ANSWER, STALL), "write": STALL, "pool": STALL}
        request = self.client.build_request(
            "GET", url, headers=headers, extensions={"timeout": timeouts}
        )
        try:
            response = self.client.send(request, stream=True)
        except httpx.TransportError as error:
            raise _unreachable(url, error, answered=False) from error
        timeouts["read"] = STALL  # the connection looks it up at every read
        return response

    def _answer(
        self, response: httpx.Response, claims: list[Claim], offset: int, validator: str | None
    ) -> Answer:
        headers, status = response.headers, response.status_code
        self._check_status(response)
        if headers.get("content-encoding", "identity") != "identity":
            raise DownloadError(
                f"{self.address}: sent {headers['content-encoding']}-encoded, though it was asked "
                "for as it is"
            )
        found = _validator(headers)
        if status == 200:
            total = _number(headers.get("content-length"))
            return Answer(0, total, found, tuple(claims), _chunks(response))
        span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", headers.get("content-range", ""))
        if span is None or int(span[1]) != offset or found not in (None, validator):
            raise TransientError(f"{self.address}: not the part asked for", stale=True)
        return Answer(offset, int(span[3]), validator, tuple(claims), _chunks(response))

    def _check_status(self, response: httpx.Response) -> None:
        status = response.status_code
        reason = f"{self.address}: the server answers {status} {response.reason_phrase}".rstrip()
        if status in (200, 206):
            return
        if status == 416:  # the file has become shorter
            raise TransientError(reason, stale=True)
        if status in _TRANSIENT:
            wait = _number(response.headers.get("retry-after")) or 0
            raise TransientError(reason, retry_after=min(wait, _LONGEST_WAIT))
        if status in (404, 410):
            raise NotThereError(reason)
        if status in (401, 403) and response.url.host == _TOKEN_HOST:
            reason += "; if the model is gated, set HF_TOKEN"
        raise DownloadError(reason)


def shown(url: httpx.URL) -> str:
    """A URL without user, password and query, which may hold secrets."""
    return str(url.copy_with(username=None, password=None, query=None, fragment=None))


def header_claims(headers: httpx.Headers) -> list[Claim]:
    """What the headers of Google, Amazon and Hugging Face say of the whole file."""
    claims = []
    if headers.get("x-goog-stored-content-encoding", "identity") == "identity":
        for item in headers.get("x-goog-hash", "").split(","):
            name, _, value = item.strip().partition("=")
            if name in ("md5", "crc32c") and (digest := _unpacked(value)):
                claims.append(Claim(name, digest, "x-goog-hash"))
    if linked := re.fullmatch(r'"([0-9a-f]{64})"', headers.get("x-linked-etag", "")):
        claims.append(Claim("sha256", linked[1], "x-linked-etag"))
    checksum = headers.get("x-amz-checksum-sha256", "")
    if headers.get("x-amz-checksum-type") != "COMPOSITE" and (digest := _unpacked(checksum)):
        claims.append(Claim("sha256", digest, "x-amz-checksum-sha256"))
    tag = re.fullmatch(r'"([0-9a-f]{32})"', headers.get("etag", ""))
    if tag and _etag_is_md5(headers):
        claims.append(Claim("md5", tag[1], "its ETag"))
    return claims


def _etag_is_md5(headers: httpx.Headers) -> bool:
    """Amazon S3's is, for an object in one part that is not encrypted by a key of its own."""
    if not any(name.startswith("x-amz-") for name in headers):
        return False
    keyed = headers.get("x-amz-server-side-encryption", "").startswith("aws:")
    return not keyed and "x-amz-server-side-encryption-customer-algorithm" not in headers


def _unpacked(value: str) -> str:
    """Base64 -> hexadecimal digits, nothing where it is not base64."""
    try:
        return base64.b64decode(value, validate=True).hex()
    except binascii.Error:
        return ""


def _validator(headers: httpx.Headers) -> str | None:
    """What If-Range may name: a strong ETag, else the time of the last change."""
    tag: str = headers.get("etag", "W/")
    changed: str | None = headers.get("last-modified")
    return changed if tag.startswith("W/") else tag


def _authorization(url: httpx.URL) -> dict[str, str]:
    token = os.environ.get("HF_TOKEN", "").strip()
    if token and url.scheme == "https" and url.host == _TOKEN_HOST:
        return {"Authorization": f"Bearer {token}"}
    return {}


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    target = url.join(location)
    allowed = target.host == url.host or target.host.endswith(REDIRECTS.get(url.host, ()))
    if not allowed or (url.scheme == "https" and target.scheme != "https"):
        raise DownloadError(
            f"{shown(url)}: redirects to {target.scheme}://{target.host}, which is not one of its "
            "hosts: refused"
        )
    if target.host == url.host:  # a redirect loses user and password unless it stays
        return target.copy_with(username=url.username or None, password=url.password or None)
    return target.copy_with(username=None, password=None)


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_raw()
    except httpx.TransportError as error:
        raise _unreachable(response.request.url, error, answered=True) from error


def _unreachable(url: httpx.URL, error: httpx.TransportError, answered: bool) -> DownloadError:
    message = f"{shown(url)}: {str(error) or type(error).__name__}"
    if isinstance(error, httpx.ConnectTimeout):
        message = f"{shown(url)}: no connection within {CONNECT:g} s"
    elif isinstance(error, httpx.TimeoutException):
        waited = STALL if answered else min(ANSWER, STALL)
        message = f"{shown(url)}: no byte for {waited:g} s"
    if isinstance(error, httpx.UnsupportedProtocol) or "CERTIFICATE_VERIFY" in str(error):
        return DownloadError(message)
    return TransientError(message, silent=not answered)


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"\d{1,18}", text) else None


class _Offline(httpx.BaseTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002
        raise DownloadError(
            "nothing is asked of the network, since --offline: pull without it, or `zoo load` a "
            "file that was saved elsewhere"
        )
