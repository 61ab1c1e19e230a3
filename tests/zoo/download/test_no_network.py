"""No network: nobody answers, by any of the ways in which nobody does, and a pull soon says so."""

import socket
from collections.abc import Iterator

import pytest

from zoo.download import HttpFile, Wanted, fetch, open_client, private_folder, unfinished
from zoo.download import http as http_module
from zoo.download import transfer as transfer_module
from zoo.errors import DownloadError


class Notes:
    def __init__(self) -> None:
        self.notes: list[str] = []

    def at(self, name: str, done: int, total: int | None) -> None:
        raise AssertionError("bytes from nowhere")

    def note(self, message: str) -> None:
        self.notes.append(message)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here is ever answered, so that the length of a wait decides nothing."""
    monkeypatch.setattr(transfer_module, "FIRST_PAUSE", 0.01)
    for name in ("CONNECT", "ANSWER"):
        monkeypatch.setattr(http_module, name, 0.2)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a socket that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def refused() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def failure(url: str) -> str:
    """What a pull says in the end, after one more attempt."""
    progress = Notes()
    with (
        open_client() as client,
        private_folder("tiny@1-00000000") as folder,
        pytest.raises(DownloadError) as error,
    ):
        fetch(Wanted("weights.bin", HttpFile(client, url)), folder, progress)
    assert len(progress.notes) == 1
    assert unfinished() == []
    return str(error.value)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_never_answers(silent: int, scheme: str) -> None:
    said = failure(f"{scheme}://127.0.0.1:{silent}/weights.bin")
    assert f"{scheme}://127.0.0.1:{silent}/weights.bin: no " in said
    assert "given up after 2 attempts" in said


def test_a_server_that_is_not_there(refused: int) -> None:
    assert "refused; given up after 2" in failure(f"https://127.0.0.1:{refused}/weights.bin")


def test_a_name_that_nobody_knows() -> None:
    assert "given up after 2" in failure("https://nowhere.invalid/weights.bin")


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_never_answers(
    silent: int, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{silent}")
    assert "given up after 2" in failure(f"{scheme}://publisher.example/weights.bin")


def test_all_attempts_together_take_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    longest = http_module.CONNECT + http_module.ANSWER + transfer_module.FIRST_PAUSE
    assert transfer_module.SILENT_TRIES * longest < 30
