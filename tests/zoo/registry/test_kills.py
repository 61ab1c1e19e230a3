"""`kill -9` at random points of a pull: what finally completes is right to the byte."""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

from zoo.download import open_client, unfinished
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
        assert server.stdin is not None
        assert server.stdout is not None
        ask, answers = server.stdin, server.stdout

        def start(line):
            ask.write(f"{line}\n".encode())
            return int(answers.readline())

        def wait(seconds=None):
            ready, _, _ = select.select([answers], [], [], seconds)
            return int(answers.readline()) if ready else None

        yield start, wait
        ask.close()


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
    with open_client(offline=True) as client:
        place = open_place(str(server.www / "zoo"), client)
        push_package(read_package(folder), place, None)
    shutil.rmtree(folder)
    command = f"pull tiny --registry {server.url}/slow/zoo"
    moments, killed, finished, resumed = random.Random(0), 0, 0, 0
    latest = 0.5  # seconds into a pull; what happens tells how long a pull takes on this machine
    with forks() as (start, wait):
        while killed < kills:
            resumed += bool(unfinished())
            pid = start(command)
            status = wait(moments.uniform(0, latest))
            if status is None:
                with suppress(ProcessLookupError):  # it ended this very moment
                    os.kill(pid, signal.SIGKILL)
                status = wait()
                killed += status == signal.SIGKILL
                latest *= 1.1
            else:
                latest *= 0.8
            assert status in (0, signal.SIGKILL)
            references, broken = own()
            assert broken == {}
            assert references in ([], ["tiny@1"])
            if references:
                assert content(folder) == expected
                shutil.rmtree(folder)
                finished += 1
        start(command)
        assert wait() == 0
    assert content(folder) == expected
    assert unfinished() == []
    assert resumed > kills // 4
    with capsys.disabled():
        sys.stderr.write(f"\n{killed} kills, {resumed} resumed, {finished} finished meanwhile\n")
