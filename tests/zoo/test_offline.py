"""No command that does not fetch looks up a name, reaches another machine or writes in the home."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli import app
from tests.foreign_onnx import convolutions, save
from tests.hub import PROCESSOR, started_hub

# Read by every Python that starts, also by those that the commands start.
FORBID = """
import os, sys

def forbid(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else None
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", "::"):
        with open(os.environ["REACHED"], "a") as file:
            file.write(f"{event} {host}: {sys.argv}\\n")
        raise OSError(f"{host} must not be reached")

sys.addaudithook(forbid)
"""
EVERY_HELP = """
from typer.main import get_command
from typer.testing import CliRunner
from cli import app

def explain(command, words):
    done = CliRunner().invoke(app, [*words, "--help"])
    assert done.exit_code == 0, (words, done.output)
    for name, below in getattr(command, "commands", {}).items():
        explain(below, [*words, name])

explain(get_command(app), [])
"""
EACH_COMMAND = """
import json, sys
from typer.testing import CliRunner
from cli import app

for words in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, (words, done.output, done.exception)
"""
FETCHES = {"pull", "push"}


class Alone:
    """A user whose home is empty, on a machine that must reach no other."""

    def __init__(self, work: Path) -> None:
        (work / "site").mkdir()
        (work / "site" / "sitecustomize.py").write_text(FORBID)
        self.home, self._reached = work / "user", work / "reached"
        self.home.mkdir()
        # Some libraries keep quiet by themselves where CI is set.
        quiet = ("CI", "ORT_DISABLE_TELEMETRY", "MPLCONFIGDIR")
        inherited = {
            name: value
            for name, value in os.environ.items()
            if name not in quiet and not name.startswith("XDG_")
        }
        root = str(Path(__file__).parents[2])
        self.environment = inherited | {
            "PYTHONPATH": os.pathsep.join([str(work / "site"), root]),
            "HOME": str(self.home),
            "REACHED": str(self._reached),
            "COLUMNS": "200",
        }

    def run(self, *arguments: object, **environment: str) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            env=self.environment | environment,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        self.check()
        return done.stdout

    def zoo(self, *arguments: object, **environment: str) -> str:
        return self.run("-m", "cli", *arguments, **environment)

    @contextmanager
    def started(self, *arguments: object, **environment: str):
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", *map(str, arguments)],
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment | environment,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
        self.check()

    def check(self) -> None:
        assert not self._reached.exists(), self._reached.read_text()
        assert sorted(self.home.rglob("*")) == []


@pytest.fixture
def alone(tmp_path):
    return Alone(tmp_path)


@pytest.fixture
def photos(tmp_path):
    """Two classes of fourteen images, no two of them alike."""
    rng = np.random.default_rng(0)
    for label, shade in {"red": (100, 0, 0), "blue": (0, 0, 100)}.items():
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(14):
            noise = (rng.integers(0, 150, (24, 24, 3)) + shade).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / "photos" / label / f"{number}.png")
    return tmp_path / "photos"


def test_what_is_forbidden_is_noticed(alone):
    look_up = "import socket; socket.getaddrinfo('example.org', 80)"
    with pytest.raises(AssertionError, match="must not be reached"):
        alone.run("-c", look_up)
    with pytest.raises(AssertionError, match=r"example\.org"):
        alone.check()


def test_every_command_explains_itself(alone):
    alone.run("-c", EVERY_HELP)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_commands_that_read_or_change_the_store(alone, make_package, photos, tmp_path, runtime):
    pytest.importorskip(runtime)
    make_package()
    make_package(version="2", seed=0)
    set_to = {"ZOO_RUNTIME": runtime}
    commands = (
        ["doctor"],
        ["list"],
        ["search", "simclr"],
        ["show", "tiny"],
        ["verify", "tiny"],
        ["compat", "tiny@1", "tiny@2"],
        ["tag", "tiny@1", "good"],
        ["bench", "tiny", "--seconds", "0.1", "--batch", "2"],
        ["embed", photos, "--out", tmp_path / "out.parquet", "--model", "tiny"],
        ["save", "tiny@2", "--out", tmp_path / "tiny.tar"],
        ["rm", "tiny@2"],
        ["load", tmp_path / "tiny.tar"],
        ["prune"],
        ["import", save(convolutions(), tmp_path / "a.onnx"), "--name", "a", "--range", "-1-1"],
        ["rank", "--data", photos, "--model", "tiny", "--draws", "2", "--seconds", "0.1"],
        ["whiten", "tiny", "--data", photos, "--dim", "2", "--name", "white"],
    )
    words = json.dumps([list(map(str, command)) for command in commands])
    alone.run("-c", EACH_COMMAND, words, **set_to)


def test_a_pull_asks_the_hub_alone(alone, home):
    with started_hub() as hub:
        hub.push("org/cnn", {"onnx/model.onnx": convolutions().SerializeToString(), **PROCESSOR})
        alone.zoo("pull", "hf/org/cnn", HF_ENDPOINT=hub.url)
        asked = [request.path for request in hub.requests]
    assert asked[0].startswith("/api/models/org/cnn/revision/main")
    files = ("/org/cnn/resolve/", "/api/resolve-cache/models/org/cnn/", "/storage/")
    assert [path for path in asked[1:] if not path.startswith(files)] == []


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "fastest"])
def test_the_gateway(alone, make_package, photos, runtime, free_port):
    pytest.importorskip("faiss")
    if runtime == "openvino":
        pytest.importorskip("openvino")
    make_package()
    arguments = ("serve", "--port", free_port, "--model", "tiny")
    with alone.started(*arguments, ZOO_RUNTIME=runtime) as process:
        url = f"http://127.0.0.1:{free_port}"
        lines = iter(process.stderr.readline, "")
        assert any(f"{url}/v1" in line for line in lines), "it does not say that it is ready"
        image = base64.b64encode((photos / "red" / "0.png").read_bytes()).decode()
        body = json.dumps({"input": [image]}).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/v1/embeddings", body, headers)
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_commands_that_train_and_measure(alone, make_package, photos, tmp_path):
    for module in ("torch", "lightning_fabric", "tensorboard", "skimage", "matplotlib"):
        pytest.importorskip(module)
    make_package()
    recipe, run = tmp_path / "mine.py", tmp_path / "run"
    recipe.write_text(
        "from training.augment import Augmentation\n"
        "from training.recipe import Recipe\n"
        "from zoo.architectures import ResNetArchitecture\n"
        "network = ResNetArchitecture(width=0.25, stem='stride2-pool')\n"
        "recipe = Recipe(architecture=network, augmentation=Augmentation(size=16), stored_side=16, "
        "batch=4, epochs=1)\n"
    )
    commands = (
        ["evaluate", "tiny", "--data", photos, "--draws", 3, "--baselines"],
        ["train", recipe, "--data", photos, "--out", run],
        ["export", "run", run, "--name", "mine", "--size", 32],
    )
    alone.run("-c", EACH_COMMAND, json.dumps([list(map(str, command)) for command in commands]))


def test_no_command_is_left_out():
    """A further command belongs into one of the lists above."""
    names = {command.name for command in app.registered_commands}
    text = Path(__file__).read_text()
    missing = {name for name in names - FETCHES if f'"{name}"' not in text}
    assert not missing


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
