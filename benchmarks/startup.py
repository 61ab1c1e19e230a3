"""Seconds from starting `zoo serve` to a ready gateway, over several starts on this machine.

    python benchmarks/startup.py

Prints one JSON line: the seconds of the first start, which makes the default model, the median and
the slowest of those after it, and whether PyTorch was imported.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--starts", type=int, default=5)
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as home:
        first, _ = start(home)
        starts = [start(home) for _ in range(given.starts)]
    seconds = [s for s, _ in starts]
    line = {
        "cores": os.cpu_count(),
        "first_seconds": round(first, 2),
        "starts": len(starts),
        "median_seconds": round(statistics.median(seconds), 2),
        "slowest_seconds": round(max(seconds), 2),
        "torch_loaded": any(torch for _, torch in starts),
    }
    print(json.dumps(line))


def start(home: str) -> tuple[float, bool]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "cli", "serve", "--port", str(port)],
        env=os.environ | {"ZOO_HOME": home},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while time.perf_counter() - began < 60:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                    seconds = time.perf_counter() - began
                    maps = Path(f"/proc/{server.pid}/maps").read_text()
                    return seconds, "libtorch" in maps
            except httpx.TransportError:
                time.sleep(0.01)
        raise SystemExit("the gateway was not ready within 60 s")
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=20)


if __name__ == "__main__":
    main()
