"""`zoo pull` through a proxy of the environment, a real one on loopback."""

import select
import socket
import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zoo.download import HttpFile, Wanted, fetch, open_client, private_folder
from zoo.download.remote import Silent

CONTENT = bytes(range(256)) * 2000


@contextmanager
def proxy():
    """A proxy that tunnels (CONNECT) and forwards (GET): its address, and what it was asked for."""
    asked: list[tuple[str, str, bool]] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:  # closed, the test is over
                    return
                threading.Thread(target=serve, args=(client, asked), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def serve(client, asked):
    head = b""
    while b"\r\n\r\n" not in head and (data := client.recv(65536)):
        head += data
    method, target, _ = head.split(b"\r\n", 1)[0].decode().split()
    asked.append((method, target, b"Proxy-Authorization: Basic " in head))
    address = target if method == "CONNECT" else target.split("/")[2]
    host, _, port = address.rpartition(":")
    with client, socket.create_connection((host, int(port))) as server:
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            server.sendall(head.replace(f"http://{address}".encode(), b"", 1))
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (server if ready is client else client).sendall(data)


@pytest.fixture
def site(nginx):
    server = nginx()
    (server.www / "weights.bin").write_bytes(CONTENT)
    return server


def get(url):
    with open_client() as client, private_folder("tiny@1-00000000") as folder:
        fetch(Wanted("weights.bin", HttpFile(client, url)), folder, Silent())
        return (folder / "whole" / "weights.bin").read_bytes()


def test_downloads_go_through_the_proxy_that_is_named(site, monkeypatch):
    with proxy() as (url, asked):
        monkeypatch.setenv("HTTPS_PROXY", url)
        assert get(f"{site.url}/weights.bin") == CONTENT
    assert asked == [("CONNECT", f"localhost:{site.port}", True)]


def test_a_server_without_tls_is_asked_through_its_own_proxy(site, monkeypatch):
    handler = partial(SimpleHTTPRequestHandler, directory=site.www)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, proxy() as (url, asked):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HTTP_PROXY", url)
        address = f"http://127.0.0.1:{server.server_port}/weights.bin"
        assert get(address) == CONTENT
        server.shutdown()
    assert asked == [("GET", address, True)]


def test_hosts_of_no_proxy_are_asked_directly(site, monkeypatch):
    with proxy() as (url, asked):
        monkeypatch.setenv("HTTPS_PROXY", url)
        monkeypatch.setenv("NO_PROXY", "localhost")
        assert get(f"{site.url}/weights.bin") == CONTENT
    assert asked == []
