"""Every test has a store of its own, and may have a real nginx on loopback, over TLS, with a
certificate that only the tests trust."""

import os
import shutil
import signal
import socket
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.tls import write_certificate
from tests.waiting import wait_for

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {certificate};
    root {www};
    {locations}
  }}
}}
"""


@dataclass
class Server:
    """`www` is served at `url` (and at `other`, the same server by another name)."""

    port: int
    www: Path
    process: subprocess.Popen

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    @property
    def other(self):
        return f"https://127.0.0.1:{self.port}"

    def signal_workers(self, number):
        """To the processes that serve; the master replaces those that die."""
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in task.read_text().split():
            os.kill(int(pid), number)

    def drop_connections(self):
        self.signal_workers(signal.SIGKILL)


@pytest.fixture(autouse=True)
def _own_store(home):
    pass


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A certificate and its key, of localhost and 127.0.0.1, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    write_certificate(path)
    return path


@pytest.fixture
def nginx(tmp_path, certificate, monkeypatch):
    """nginx(locations=""): a server with these further blocks of configuration."""
    if NGINX is None:
        pytest.skip("nginx is not installed")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    www = tmp_path / "www"
    www.mkdir()
    with ExitStack() as stack:
        yield lambda locations="": stack.enter_context(
            _started(tmp_path, www, certificate, locations)
        )


@contextmanager
def _started(tmp_path, www, certificate, locations):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / f"nginx-{port}"
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(
        CONFIG.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=folder,
            port=port,
            certificate=certificate,
            www=www,
            locations=locations.replace("WWW", str(www)).replace("PORT", str(port)),
        )
    )
    command = [NGINX, "-p", folder, "-c", config, "-e", folder / "error.log"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:

        def listens():
            assert process.poll() is None, (folder / "error.log").read_text()
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_for(listens, "nginx to start")
        yield Server(port, www, process)
    finally:
        process.terminate()
        process.wait()
