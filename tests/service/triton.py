"""A real Triton Inference Server on loopback, from the wheel `nvidia-pytriton`.

The wheel wants an older NumPy, so it lives in an environment of its own, which `make triton-env`
makes; ZOO_TEST_TRITON names that environment's folder.
"""

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.waiting import wait_for

ENVIRONMENT = "ZOO_TEST_TRITON"


@dataclass
class Triton:
    """A server over one model repository; it keeps its ports through restarts.

    options: further arguments of its command line.
    """

    repository: Path
    work: Path
    ports: dict[str, int] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.ports['grpc']}"

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.ports[service]}"

    def start(self) -> None:
        environment = _environment()
        server = _server(environment)
        backends = self.work / "backends"
        if not backends.exists():
            # The backend looks for the stub of its Python beside itself.
            shutil.copytree(server / "backends", backends)
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            stub = server / "python_backend_stubs" / python / "triton_python_backend_stub"
            shutil.copy(stub, backends / "python")
        self.ports = self.ports or {name: _free_port() for name in ("http", "grpc", "metrics")}
        command = [str(server / "bin" / "tritonserver"), f"--model-repository={self.repository}"]
        command += [f"--backend-directory={backends}", *self.options]
        for name, port in self.ports.items():
            command += [f"--{name}-port={port}", f"--{name}-address=127.0.0.1"]
        variables = {
            **os.environ,
            "PATH": f"{environment / 'bin'}:{os.environ['PATH']}",  # where the stub finds its NumPy
            # The copied stub no longer lies where the wheel's libraries are looked for.
            "LD_LIBRARY_PATH": str(server.parents[1] / "nvidia_pytriton.libs"),
        }
        with (self.work / "triton.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=variables)
        wait_for(self._ready, f"Triton to start, see {self.work / 'triton.log'}")

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            pytest.fail(f"Triton stopped: {(self.work / 'triton.log').read_text()[-3000:]}")
        try:
            return httpx.get(f"{self.url('http')}/v2/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """As the out-of-memory killer would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def count(self, metric: str, model: str) -> float:
        """A counter of Triton's own, summed over versions."""
        lines = httpx.get(f"{self.url('metrics')}/metrics", timeout=10).text.splitlines()
        wanted = [x for x in lines if x.startswith(f"{metric}{{") and f'model="{model}"' in x]
        return sum(float(line.rsplit(" ", 1)[1]) for line in wanted)


def _environment() -> Path:
    if ENVIRONMENT not in os.environ:
        pytest.skip(f"{ENVIRONMENT} names no environment with Triton; `make triton-env` makes one")
    return Path(os.environ[ENVIRONMENT])


def _server(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages/pytriton/tritonserver")
    return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
