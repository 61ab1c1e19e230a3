"""`kill -9` at random points of a pull: what finally completes is right to the byte."""

import random
import shutil
import subprocess
import sys
import time

import pytest

from zoo.download import unfinished
from zoo.package import read_package
from zoo.registry import open_place, push_package
from zoo.store import list_packages

RATE = "location /slow/ { alias WWW/; limit_rate 4m; }"


def own():
    packages, broken = list_packages()
    return [p.manifest.reference for p in packages if p.manifest.name == "tiny"], broken


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kills", [20, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_a_pull_survives_kills(nginx, make_package, home, kills):
    server = nginx(RATE)
    folder = make_package(filler=2_500_000)
    expected = content(folder)
    push_package(read_package(folder), open_place(str(server.www / "zoo"), None), None)
    shutil.rmtree(folder)
    command = [sys.executable, "-m", "zoo", "pull", "tiny", "--registry", f"{server.url}/slow/zoo"]

    def start():
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    begun = time.monotonic()
    first = start()
    assert first.wait() == 0, first.stderr.read()
    whole = time.monotonic() - begun
    shutil.rmtree(folder)

    moments, killed, finished, resumed = random.Random(0), 0, 0, 0
    while killed < kills:
        resumed += bool(unfinished())
        process = start()
        try:
            process.wait(moments.uniform(0, 1.05 * whole))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
        else:
            assert process.returncode == 0, process.stderr.read()
        references, broken = own()
        assert broken == {}
        assert references in ([], ["tiny@1"])
        if references:
            assert content(folder) == expected
            shutil.rmtree(folder)
            finished += 1
    last = start()
    assert last.wait() == 0, last.stderr.read()
    assert content(folder) == expected
    assert unfinished() == []
    assert resumed > kills // 4
    sys.stdout.write(f"{killed} kills, {finished} pulls finished meanwhile, {resumed} resumed\n")
