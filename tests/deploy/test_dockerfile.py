"""The Dockerfile's steps as a script in a bare Debian, and what comes of them as it will be run.

No container engine: a root folder a stage, and a mount namespace with a read-only root, an
unprivileged user and no capabilities for the gateway. It downloads, and takes some minutes.
"""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.deploy.dockerfile import Stage, build
from tests.service.conftest import ROOT, parts, photos
from tests.waiting import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

# What docker-compose.yml gives a container: everything read-only but its volume and /tmp, where
# nothing can be executed.
CONFINED = """
root=$1 user=$2 group=$3; shift 3
mount --bind "$root" "$root"
mount --bind "$root/data" "$root/data"
mount -t tmpfs -o noexec,nosuid,nodev tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$group" --clear-groups \
    --no-new-privs --bounding-set=-all --inh-caps=-all env --chdir=/data "$@"
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The last stage, over Debian's Python in place of the official image."""
    if os.geteuid() or shutil.which("debootstrap") is None:
        pytest.skip("this needs root, and debootstrap")
    work = tmp_path_factory.mktemp("image")
    packages = "python3,python3-venv,python-is-python3,ca-certificates"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm"]
    subprocess.run([*command, work / "base"], check=True)
    if authorities := os.environ.get("PIP_CERT"):
        shutil.copy(authorities, work / "base" / authorities.lstrip("/"))
    yield build(ROOT / "Dockerfile", work / "base", work)
    shutil.rmtree(work)  # gigabytes, which pytest would keep


def confined(image: Stage, *command: str, **env: str) -> subprocess.Popen[bytes]:
    """Start a command as a container of the image would run it."""
    unshare = ["unshare", "--mount", "sh", "-ec", CONFINED, "sh"]  # the command takes its place
    variables = {**image.env, "HOME": "/data", **env}
    return subprocess.Popen(
        [*unshare, image.root, *image.user.split(":"), *command],
        env=variables,
        stderr=-1,
        stdout=-1,
    )


def outcome(image: Stage, *command: str, **env: str) -> tuple[int, str]:
    """Exit status and output of a command that ends."""
    process = confined(image, *command, **env)
    output, errors = process.communicate(timeout=600)
    return process.returncode, (output + errors).decode()


@contextmanager
def serving(image: Stage) -> Iterator[int]:
    """The image's own start, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = confined(image, *image.entrypoint, *image.command, PORT=str(port))
    try:
        wait_for(lambda: process.poll() is not None or _ready(port), "the gateway to start")
        assert process.poll() is None, process.communicate()
        yield port
    finally:
        process.kill()
        process.communicate()


def _ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def test_the_steps_make_a_gateway_that_writes_nowhere_but_in_its_volume(image: Stage):
    known, other = photos("china", 2), photos("flower", 2)
    with serving(image) as port:
        assert outcome(image, *image.health, PORT=str(port)) == (0, "")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=240) as client:
            answer = client.post("/v1/embeddings", files=parts(known))
            assert answer.status_code == 200, answer.text
            labels = [("labels", (None, label)) for label in ("a", "a", "b", "b")]
            head = client.put("/v1/heads/h", files=[*labels, *parts(known + other)])
            assert head.status_code == 201, head.text
            client.put("/v1/collections/c", json={"keep": "original"}).raise_for_status()
            client.post("/v1/collections/c/items", files=parts(known)).raise_for_status()
    with serving(image) as port:  # what was written is there for the next container
        kept = httpx.get(f"http://127.0.0.1:{port}/v1/collections/c").json()
        assert kept["count"] == 2
    names = {path.name for path in (image.root / "data").iterdir()}
    assert names <= {"gateway.db", "gateway.db-shm", "gateway.db-wal", "packages"}
    status, _ = outcome(image, *image.health, PORT=str(port))
    assert status != 0


def test_it_has_what_the_profiles_need_and_no_pytorch(image: Stage):
    status, output = outcome(image, "zoo", "verify", "simclr-r18-small")
    assert status == 0, output
    status, output = outcome(image, "python", "-c", "import psycopg, tritonclient.grpc, faiss")
    assert status == 0, output
    status, output = outcome(image, "python", "-c", "import torch")
    assert "ModuleNotFoundError" in output
    for folder in ("/opt/zoo/x", "/src", "/x"):
        status, output = outcome(image, "mkdir", folder)
        assert "Read-only file system" in output
    for name in ("data", "models", "var/cache/tensorrt"):
        assert str((image.root / name).stat().st_uid) == image.user.partition(":")[0]
