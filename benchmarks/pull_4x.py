"""From a server on this machine to a served SimCLR ResNet-50 4x: time and memory.

    python benchmarks/pull_4x.py

Writes a checkpoint in the layout of Google's (1.5 GB, random weights), serves it over TLS, runs
`zoo pull` and then `zoo serve` until the gateway is ready. Prints one JSON line: the seconds of the
download, those from its last byte to a package that is proven, those of the gateway's start, and
the peak memory of either process. Needs 5 GB in the temporary folder.
"""

import functools
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.foreign import google_tensors, write_bundle
from tests.tls import write_certificate
from zoo.catalog import FOLDER

NAME, WIDTH, STEM = "simclr-r50x4", 4, "model.ckpt-225206"

# The command, with a catalog of its own.
ZOO = """
import sys, zoo.catalog, cli
from pathlib import Path
zoo.catalog.FOLDER = Path(sys.argv.pop(1))
cli.app()
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_certificate(folder / "certificate.pem")
        (folder / "www").mkdir()
        files = write_bundle(folder / "www" / STEM, google_tensors(WIDTH))
        size = sum(path.stat().st_size for path in files.values())
        server = serve_files(folder)
        write_catalog(folder / "catalog", f"https://localhost:{server.server_port}", files)
        os.environ["SSL_CERT_FILE"] = str(folder / "certificate.pem")
        os.environ["ZOO_HOME"] = str(folder / "home")
        download, proof, pull_peak = pull(folder / "catalog")
        server.shutdown()
        start, serve_peak = serve(folder / "catalog")
    line = {
        "cores": os.cpu_count(),
        "megabytes": round(size / 1e6),
        "download_seconds": round(download, 1),
        "proof_seconds": round(proof, 1),
        "start_seconds": round(start, 1),
        "seconds_beyond_the_download": round(proof + start, 1),
        "pull_peak_gigabytes": round(pull_peak, 2),
        "serve_peak_gigabytes": round(serve_peak, 2),
    }
    print(json.dumps(line))


def serve_files(folder: Path) -> http.server.ThreadingHTTPServer:
    handler = functools.partial(Quiet, directory=str(folder / "www"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Logs nothing."""

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


def write_catalog(folder: Path, url: str, files: dict[str, Path]) -> None:
    """The model's entry, with the server as its only source."""
    text = (FOLDER / f"{NAME}.toml").read_text()
    entry, *_ = text.partition("[[sources]]")
    lines = [entry, "[[sources]]", 'format = "tf-bundle"', 'layout = "google-simclr"']
    for name in files:
        lines += ["[[sources.files]]", f'url = "{url}/{name}"']
    folder.mkdir()
    content = "\n".join(lines)
    assert len(tomllib.loads(content)["sources"]) == 1
    (folder / f"{NAME}.toml").write_text(content)


def pull(catalog: Path) -> tuple[float, float, float]:
    """Seconds to the last byte and from there to the end, and the peak in gigabytes."""
    began = downloaded = time.monotonic()
    process = start(catalog, "pull", NAME, stderr=subprocess.PIPE)
    assert process.stderr is not None
    for line in process.stderr:
        sys.stderr.write(line)
        if ": 100% of" in line:
            downloaded = time.monotonic()
    peak = finished(process)
    return downloaded - began, time.monotonic() - downloaded, peak


def serve(catalog: Path) -> tuple[float, float]:
    """Seconds until the gateway is ready, and its peak in gigabytes after one embedding."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.monotonic()
    process = start(catalog, "serve", "--port", str(port), "--model", NAME)
    url = f"http://127.0.0.1:{port}"
    while not ready(url):
        if process.poll() is not None or time.monotonic() - began > 120:
            raise SystemExit("the gateway did not become ready")
        time.sleep(0.05)
    seconds = time.monotonic() - began
    process.send_signal(signal.SIGINT)
    return seconds, finished(process)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def start(catalog: Path, *arguments: str, **streams: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ZOO, catalog, *arguments]
    return subprocess.Popen(command, text=True, **streams)


def finished(process: subprocess.Popen[str]) -> float:
    """The peak of a process that ends well, in gigabytes."""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{process.args} failed")
    return usage.ru_maxrss * 1024 / 1e9


if __name__ == "__main__":
    main()
