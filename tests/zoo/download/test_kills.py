"""`kill -9` at random points of a pull: what finally completes is right to the byte."""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

import pytest

from zoo.download import unfinished
from zoo.package import read_package
from zoo.registry import open_place, push_package
from zoo.store import list_packages

SLOW = "location /slow/ { alias WWW/; limit_rate 4m; }"

# Forks a `zoo` process for every line, so that each starts at once, and answers with its id.
FORKS = """
import os, sys
import onnxruntime
import zoo.registry.pull
from cli import app

for line in sys.stdin:
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.argv = ["zoo", *line.split()]
        try:
            app()
        except SystemExit as done:
            os._exit(done.code or 0)
    print(pid, flush=True)
    print(os.waitpid(pid, 0)[1], flush=True)
"""


@contextmanager
def forks():
    """start(line): the id of a new `zoo` process; wait(seconds): its status, None if it runs."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as server:

        def start(line):
            server.stdin.write(f"{line}\n".encode())
            return int(server.stdout.readline())

        def wait(seconds=None):
            ready, _, _ = select.select([server.stdout], [], [], seconds)
            return int(server.stdout.readline()) if ready else None

        yield start, wait
        server.stdin.close()


def own():
    packages, broken = list_packages()
    return [p.manifest.reference for p in packages if p.manifest.name == "tiny"], broken


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_a_pull_survives_kills(nginx, make_package, kills, capsys):
    server = nginx(SLOW)
    folder = make_package(filler=2_500_000)
    expected = content(folder)
    push_package(read_package(folder), open_place(str(server.www / "zoo"), None), None)
    shutil.rmtree(folder)
    command = f"pull tiny --registry {server.url}/slow/zoo"
    moments, killed, finished, resumed = random.Random(0), 0, 0, 0
    with forks() as (start, wait):
        begun = time.monotonic()
        start(command)
        assert wait() == 0
        whole = time.monotonic() - begun
        shutil.rmtree(folder)
        while killed < kills:
            resumed += bool(unfinished())
            begun = time.monotonic()
            pid = start(command)
            status = wait(moments.uniform(0, 1.05 * whole))
            if status is None:
                with suppress(ProcessLookupError):  # it ended this very moment
                    os.kill(pid, signal.SIGKILL)
                status = wait()
                killed += status == signal.SIGKILL
            assert status in (0, signal.SIGKILL)
            references, broken = own()
            assert broken == {}
            assert references in ([], ["tiny@1"])
            if references:
                assert content(folder) == expected
                shutil.rmtree(folder)
                finished += 1
                # A first pull on a busy machine says little of the next one's time.
                whole = (whole + time.monotonic() - begun) / 2
        start(command)
        assert wait() == 0
    assert content(folder) == expected
    assert unfinished() == []
    assert resumed > kills // 4
    with capsys.disabled():
        sys.stderr.write(f"\n{killed} kills, {resumed} resumed, {finished} finished meanwhile\n")
