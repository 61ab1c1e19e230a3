"""A hub on loopback that speaks as Hugging Face's does: its API, its redirects, its headers."""

import hashlib
import json
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".onnx", ".onnx_data", ".safetensors")
"""Kept apart from the repository, at an address of its own on another host."""

LOGIN = b"<!DOCTYPE html><html><body>Sign in to the guest network</body></html>"


PROCESSOR = {
    "preprocessor_config.json": json.dumps(
        {
            "do_normalize": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "ViTImageProcessor",
            "image_std": [0.5, 0.5, 0.5],
            "size": {"height": 32, "width": 32},
        }
    ).encode()
}
"""Of `tests.foreign_onnx.convolutions`."""


@dataclass
class Repo:
    """`commits`: files by path, of each commit; `branches`: the commit of each name."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    card: dict = field(default_factory=dict)
    denies: str | None = None


@dataclass
class Hub:
    """`fault`, if any, answers in place of the hub: it gets the handler and says if it did."""

    url: str = ""
    storage: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list = field(default_factory=list)
    fault: Any = None

    def push(self, name, files, branch="main", **card):
        """A further commit; its hash."""
        repo = self.repos.setdefault(name, Repo())
        repo.card |= card
        digest = hashlib.sha1(f"{name}{len(repo.commits)}".encode())
        for path, content in sorted(files.items()):
            digest.update(path.encode() + content)
        commit = digest.hexdigest()
        repo.commits[commit] = dict(files)
        repo.branches[branch] = commit
        return commit

    def asked(self, *words):
        """The requests whose path holds all words."""
        return [r for r in self.requests if all(word in r.path for word in words)]


@dataclass(frozen=True)
class Request:
    method: str
    host: str
    path: str
    token: str | None


@contextmanager
def started_hub():
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    hub.storage = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        token, host = self.headers.get("Authorization"), str(self.headers.get("Host"))
        self.hub.requests.append(Request(self.command, host, self.path, token))
        if self.hub.fault and self.hub.fault(self):
            return
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            self._with_repo(found[1], found[2], self._info)
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._with_repo(found[1], found[2], self._resolve, found[3])
        elif found := re.fullmatch(r"/api/resolve-cache/models/([^/]+/[^/]+)/([^/]+)/(.+)", path):
            self.send(200, self.hub.repos[found[1]].commits[found[2]][found[3]], _of(found[2]))
        elif found := re.fullmatch(r"/storage/([0-9a-f]{64})", path):
            self.send(200, self._stored(found[1]))
        else:
            self.send(404, b"Not Found")

    def _with_repo(self, name, revision, answer, *more):
        repo = self.hub.repos.get(name)
        allowed = self.headers.get("Authorization") == "Bearer hf_right"
        if repo is None or (repo.denies == "RepoNotFound" and not allowed):
            return self.error(401, "RepoNotFound", "Repository not found")
        commit = repo.branches.get(revision, revision)
        if commit not in repo.commits:
            return self.error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return answer(name, repo, commit, *more)

    def _info(self, name, repo, commit):
        siblings = [_sibling(path, content) for path, content in repo.commits[commit].items()]
        licence = repo.card.get("license")
        tags = ["onnx", *([f"license:{licence}"] if licence else [])]
        content = {
            "_id": "6526", "id": name, "modelId": name, "sha": commit, "private": False,
            "gated": "manual" if repo.denies == "GatedRepo" else False, "tags": tags,
            "cardData": repo.card, "siblings": siblings, "downloads": 3, "likes": 0,
        }  # fmt: skip
        self.send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def _resolve(self, name, repo, commit, path):
        allowed = self.headers.get("Authorization") == "Bearer hf_right"
        if repo.denies == "GatedRepo" and not allowed:
            status = 401 if self.headers.get("Authorization") is None else 403
            return self.error(status, "GatedRepo", f"Access to model {name} is restricted")
        if path not in repo.commits[commit]:
            return self.error(404, "EntryNotFound", "Entry not found", _of(commit))
        content = repo.commits[commit][path]
        linked = {"X-Linked-Size": str(len(content)), **_of(commit)}
        if path.endswith(LARGE):
            digest = hashlib.sha256(content).hexdigest()
            place = f"{self.hub.storage}/storage/{digest}?Signature=s3cr3t"
            return self.send(302, b"", linked | {"Location": place, "X-Linked-Etag": f'"{digest}"'})
        place = f"/api/resolve-cache/models/{name}/{commit}/{path}"
        etag = f'"{hashlib.sha1(content).hexdigest()}"'
        return self.send(307, b"", linked | {"Location": place, "X-Linked-Etag": etag})

    def _stored(self, digest):
        for repo in self.hub.repos.values():
            for files in repo.commits.values():
                for content in files.values():
                    if hashlib.sha256(content).hexdigest() == digest:
                        return content
        raise KeyError(digest)

    def error(self, status, code, message, headers=()):
        more = {"X-Error-Code": code, "X-Error-Message": message}
        self.send(status, json.dumps({"error": message}).encode(), more | dict(headers))

    def send(self, status, content, headers=(), length=None):
        self.send_response(status)
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'} | dict(headers)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _of(commit):
    return {"X-Repo-Commit": commit}


def _sibling(path, content):
    entry = {"rfilename": path, "size": len(content), "blobId": hashlib.sha1(content).hexdigest()}
    if path.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 130}
    return entry
