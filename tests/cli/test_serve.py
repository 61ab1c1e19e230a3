"""`zoo serve`."""

import signal
import socket
import urllib.request

import pytest

from tests.cli.command import invoke, read_until, started, zoo


def test_serve_says_where_it_listens_and_stops_cleanly(make_package):
    pytest.importorskip("faiss")
    make_package()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with started("serve", "--port", port, "--model", "tiny") as process:
        read_until(process, f"curl http://127.0.0.1:{port}/v1/models")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models") as answer:
            assert "tiny" in answer.read().decode()
        taken = zoo("serve", "--port", port, "--model", "tiny", code=1).stderr
        assert "in use" in taken
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_serve_refuses_an_unknown_model(make_package):
    pytest.importorskip("faiss")
    make_package()
    for name, said in {
        "nope": "no model 'nope' is installed; there is simclr-r18-small, tiny",
        "tinny": "did you mean tiny?",
        "simclr-r50x1": "`zoo pull simclr-r50x1` installs it",
        "simclr-r50x1@2": "`zoo pull simclr-r50x1` installs it",
        "simclr-r50x5": "did you mean simclr-r50x",
    }.items():
        error = zoo("serve", "--port", 1, "--model", name, code=1).stderr
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [("serve", "--model"), ("bench",), ("verify",), ("save",), ("tag",)],
    ids=lambda c: c[0],
)
@pytest.mark.parametrize("reference", ["simclr-r50x1", "simclr-r50x1@2"])
def test_a_model_of_the_catalog_that_is_not_installed_says_how_to(command, reference):
    more = ("stable",) if command == ("tag",) else ()
    _, error = invoke(*command, reference, *more, code=1)
    said = f": no model {reference!r} is installed: `zoo pull simclr-r50x1` installs it\n"
    assert error.endswith(said)
    assert error.count("\n") == 1
