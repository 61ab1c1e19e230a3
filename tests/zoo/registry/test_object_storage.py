"""A registry in object storage: S3's protocol, spoken by a server on loopback."""

import http.server
import json
import shutil
import threading
import uuid

import pytest
from typer.testing import CliRunner

from cli import app
from zoo.download import unfinished
from zoo.store import list_packages

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMIexample"


def zoo(*arguments, code=0):
    """The command's output and what it wrote to standard error, neither with a credential."""
    done = CliRunner().invoke(app, list(map(str, arguments)), env={"NO_COLOR": "1"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    assert KEY not in done.output
    assert SECRET not in done.output
    return done.stdout, done.stderr


def installed():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def server():
    """moto, which keeps its objects in memory."""
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def reach(monkeypatch):
    """reach(url): from now on S3 is there, with credentials of the tests' own."""

    def use(url):
        for name, value in {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "1",
        }.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def bucket(server, reach):
    """The address of a registry in an empty bucket, and the file system to look into it."""
    reach(server)
    import s3fs  # noqa: PLC0415 - skipped where it is not installed

    system = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    name = f"models-{uuid.uuid4().hex[:8]}"
    system.mkdir(name)
    return f"s3://{name}/zoo", system


def test_what_is_pulled_is_what_was_pushed(bucket, make_package, home):
    url, system = bucket
    digests, expected = {}, {}
    for version in ("9", "10"):
        folder = make_package(version=version, seed=int(version))
        expected[version] = content(folder)
        digests[version] = zoo("push", f"tiny@{version}", "--registry", url)[0].split()[1]
        shutil.rmtree(folder)
    assert zoo("pull", "tiny", "--registry", url)[0].startswith("tiny@10 ")
    zoo("pull", "tiny@9", "--registry", url, "--digest", digests["9"])
    for version, files in expected.items():
        assert content(home / "packages" / "tiny" / version) == files
    assert unfinished() == []
    index = json.loads(system.cat(f"{url}/tiny/index.json"))
    assert {v: f"sha256:{row['digest']}" for v, row in index["versions"].items()} == digests


@pytest.mark.slow
def test_files_in_several_parts_arrive_whole(bucket, make_package):
    url, _ = bucket
    folder = make_package(filler=60_000_000)
    expected = content(folder)
    zoo("push", "tiny", "--registry", url)
    shutil.rmtree(folder)
    zoo("pull", "tiny", "--registry", url)
    assert content(folder) == expected


def test_a_version_never_changes(bucket, make_package):
    url, _ = bucket
    folder = make_package()
    first = zoo("push", "tiny", "--registry", url)
    assert zoo("push", "tiny", "--registry", url) == first
    shutil.rmtree(folder)
    make_package(seed=1)
    assert "never changes" in zoo("push", "tiny", "--registry", url, code=1)[1]


def test_wrong_bytes_are_refused(bucket, make_package):
    url, system = bucket
    folder = make_package()
    zoo("push", "tiny", "--registry", url)
    shutil.rmtree(folder)
    path = f"{url}/tiny/1/golden.npz"
    data = bytearray(system.cat(path))
    data[len(data) // 2] ^= 1
    system.pipe(path, bytes(data))
    _, error = zoo("pull", "tiny", "--registry", url, code=1)
    assert "golden.npz: wrong bytes" in error
    assert installed() == []


def test_what_is_not_there_is_said(bucket, make_package):
    url, _ = bucket
    assert "has no model 'none'" in zoo("pull", "none", "--registry", url, code=1)[1]
    make_package()
    _, error = zoo("push", "tiny", "--registry", "s3://no-such-bucket/zoo", code=1)
    assert "s3://no-such-bucket/zoo: there is no such bucket" in error


@pytest.fixture(params=["403 AccessDenied", "503 SlowDown"])
def unwilling(request, reach):
    """A server that answers everything with this status."""
    pytest.importorskip("s3fs")
    status, code = request.param.split()

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("content-length") or 0))
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(int(status))
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = answer

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        reach(f"http://127.0.0.1:{server.server_port}")
        yield request.param
        server.shutdown()


def test_a_server_that_refuses_is_not_taken_for_an_empty_one(unwilling, make_package):
    make_package()
    for command in ("push", "pull"):
        _, error = zoo(command, "tiny", "--registry", "s3://models/zoo", code=1)
        assert error.startswith("error: s3://models/zoo/tiny/")
        assert "has no model" not in error


def test_credentials_in_an_address_are_refused_and_not_shown(make_package):
    make_package()
    for command in ("push", "pull"):
        _, error = zoo(command, "tiny", "--registry", f"s3://{KEY}:{SECRET}@models/zoo", code=1)
        assert "AWS_SECRET_ACCESS_KEY" in error
