"""Files from a real server that is slow, breaks off, lies or changes its mind."""

import base64
import hashlib
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from zoo.download import Claim, HttpFile, Wanted, fetch, open_client, private_folder, unfinished
from zoo.download import http as http_module
from zoo.download import transfer as transfer_module
from zoo.errors import DownloadError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
SLOW = "location /slow/ { alias WWW/; limit_rate 4m; }"


class Watch:
    """Records what is told, and calls `when` once so many bytes of a file are here."""

    def __init__(self, after=None, when=None):
        self.after, self.when, self.seen, self.notes = after, when, [], []

    def at(self, name, done, total):
        self.seen.append((done, total))
        if self.after is not None and done >= self.after:
            self.after = None
            self.when()

    def note(self, message):
        self.notes.append(message)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Pauses of milliseconds between attempts."""
    monkeypatch.setattr(transfer_module, "FIRST_PAUSE", 0.01)


def get(url, watch=None, key="tiny@1-00000000", **known):
    with open_client() as client, private_folder(key) as folder:
        wanted = Wanted("weights.bin", HttpFile(client, url), **known)
        digest = fetch(wanted, folder, watch or Watch())
        return digest, (folder / "whole" / "weights.bin").read_bytes()


def half(url, watch=None):
    """A pull that is broken off half-way, as by Ctrl-C."""

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(url, watch or Watch(len(CONTENT) // 2, stop))


@pytest.fixture
def site(nginx):
    """site(locations): a server that has `weights.bin`."""

    def start(locations=""):
        server = nginx(locations)
        (server.www / "weights.bin").write_bytes(CONTENT)
        return server

    return start


def test_a_file_arrives_whole(site):
    watch = Watch()
    assert get(f"{site().url}/weights.bin", watch) == (DIGEST, CONTENT)
    assert watch.seen[-1] == (len(CONTENT), len(CONTENT))


def test_an_empty_file_is_a_file(site):
    server = site()
    (server.www / "weights.bin").write_bytes(b"")
    assert get(f"{server.url}/weights.bin")[1] == b""


def test_a_pull_goes_on_where_the_last_one_stopped(site):
    server = site()
    half(f"{server.url}/weights.bin")
    (left,) = unfinished()
    assert not left.live
    assert left.bytes >= len(CONTENT) // 2
    watch = Watch()
    assert get(f"{server.url}/weights.bin", watch) == (DIGEST, CONTENT)
    assert watch.seen[0][0] > len(CONTENT) // 2


def test_dropped_connections_are_continued(site):
    server = site(SLOW)
    watch = Watch(500_000, server.drop_connections)
    assert get(f"{server.url}/slow/weights.bin", watch) == (DIGEST, CONTENT)
    assert watch.notes
    done = [d for d, _ in watch.seen]
    assert done == sorted(done)  # progress never goes backwards


def test_a_stalled_transfer_is_broken_off_and_continued(site, monkeypatch):
    monkeypatch.setattr(http_module, "STALL", 0.3)
    server = site(SLOW)

    class Reviving(Watch):
        def note(self, message):
            super().note(message)
            server.drop_connections()

    watch = Reviving(500_000, lambda: server.signal_workers(signal.SIGSTOP))
    assert get(f"{server.url}/slow/weights.bin", watch) == (DIGEST, CONTENT)
    assert "no byte for 0.3 s" in watch.notes[0]


def test_a_slow_transfer_that_moves_goes_on(site, monkeypatch):
    """At the server's rate the whole takes twice as long as a pause may."""
    stall, rate = 1.5, 100 * 1024
    content = CONTENT[: int(2 * stall * rate)]
    monkeypatch.setattr(http_module, "STALL", stall)
    server = site(f"location /slow/ {{ alias WWW/; limit_rate {rate}; }}")
    (server.www / "weights.bin").write_bytes(content)
    watch = Watch()
    assert get(f"{server.url}/slow/weights.bin", watch)[1] == content
    assert watch.notes == []


def test_another_version_between_two_halves_begins_anew(site):
    server = site()
    half(f"{server.url}/weights.bin")
    other = CONTENT[::-1]
    (server.www / "new").write_bytes(other)
    os.utime(server.www / "new", (1, 1))
    (server.www / "new").rename(server.www / "weights.bin")
    watch = Watch()
    assert get(f"{server.url}/weights.bin", watch)[1] == other
    assert watch.seen[0][0] < len(CONTENT) // 2


def test_without_ranges_the_whole_is_sent_again(site):
    server = site("location /whole/ { alias WWW/; max_ranges 0; }")
    half(f"{server.url}/whole/weights.bin")
    assert get(f"{server.url}/whole/weights.bin") == (DIGEST, CONTENT)


def test_a_range_that_is_refused_begins_anew(site):
    server = site("location /416/ { alias WWW/; if ($http_range) { return 416; } }")
    half(f"{server.url}/416/weights.bin")
    watch = Watch()
    assert get(f"{server.url}/416/weights.bin", watch) == (DIGEST, CONTENT)
    assert "416" in watch.notes[0]


def test_another_part_than_asked_for_is_not_used(site):
    server = site(
        "location /wrong/ { alias WWW/; if ($http_range) {"
        ' add_header Content-Range "bytes 0-9/10"; return 206 "0123456789"; } }'
    )
    half(f"{server.url}/wrong/weights.bin")
    assert get(f"{server.url}/wrong/weights.bin") == (DIGEST, CONTENT)


def test_what_lies_damaged_on_the_disk_is_not_continued(site):
    server = site()
    half(f"{server.url}/weights.bin")
    part = unfinished()[0].path / "part" / "weights.bin"
    with part.open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    watch = Watch()
    assert get(f"{server.url}/weights.bin", watch) == (DIGEST, CONTENT)
    assert watch.seen[0][0] < len(CONTENT) // 2


def test_a_missing_file_is_reported_at_once(site):
    watch = Watch()
    with pytest.raises(DownloadError, match=r"none\.bin: the server answers 404"):
        get(f"{site().url}/none.bin", watch)
    assert watch.notes == []
    assert unfinished() == []


def test_a_busy_server_is_asked_again_and_given_up(site):
    watch = Watch()
    with pytest.raises(DownloadError, match=r"503.*given up after 7 attempts"):
        get(f"{site('location /busy/ { return 503; }').url}/busy/weights.bin", watch)
    assert len(watch.notes) == 6


def test_wrong_bytes_are_refused_and_not_kept(site):
    server = site()
    url = f"{server.url}/weights.bin"
    with pytest.raises(DownloadError, match=r"wrong bytes: sha256.*the catalog says 00000000"):
        get(url, claims=(Claim("sha256", "0" * 8, "the catalog"),))
    assert unfinished() == []
    assert get(url, claims=(Claim("sha256", DIGEST[:8], "the catalog"),))[0] == DIGEST


def test_bytes_changed_on_the_way_are_caught_after_a_resume_too(site):
    """The same ETag (nginx: time and length), other bytes: the whole digest says no."""
    server = site()
    path = server.www / "weights.bin"
    changed = path.stat().st_mtime
    half(f"{server.url}/weights.bin")
    path.write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    os.utime(path, (changed, changed))
    known = (Claim("sha256", DIGEST, "the manifest"),)
    with pytest.raises(DownloadError, match="wrong bytes"):
        get(f"{server.url}/weights.bin", claims=known)
    path.write_bytes(CONTENT)
    assert get(f"{server.url}/weights.bin", claims=known) == (DIGEST, CONTENT)


def b64(data):
    return base64.b64encode(data).decode()


CRC = google_crc32c.Checksum(CONTENT).digest()
MD5 = hashlib.md5(CONTENT).digest()
SHA = hashlib.sha256(CONTENT).digest()


@pytest.mark.parametrize(
    ("header", "good", "bad"),
    [
        ("x-goog-hash", f"crc32c={b64(CRC)},md5={b64(MD5)}", f"crc32c={b64(CRC[::-1])}"),
        ("x-goog-hash", f"md5={b64(MD5)}", f"crc32c={b64(CRC)},md5={b64(MD5[::-1])}"),
        ("x-linked-etag", f'"{SHA.hex()}"', f'"{SHA[::-1].hex()}"'),
        ("x-amz-checksum-sha256", b64(SHA), b64(SHA[::-1])),
    ],
)
def test_digests_in_headers_are_held_to(site, header, good, bad):
    block = "location /{0}/ {{ alias WWW/; add_header {1} '{2}'; }}"
    server = site(block.format("good", header, good) + block.format("bad", header, bad))
    assert get(f"{server.url}/good/weights.bin")[0] == DIGEST
    with pytest.raises(DownloadError, match=f"wrong bytes.*{header}"):
        get(f"{server.url}/bad/weights.bin")


def test_an_etag_is_a_digest_only_where_amazon_says_so(site):
    tag = "etag off; add_header ETag '\"{}\"';"
    server = site(
        f"location /s3/ {{ alias WWW/; {tag.format(MD5[::-1].hex())} add_header x-amz-id-2 x; }}"
        f"location /not/ {{ alias WWW/; {tag.format(MD5[::-1].hex())} }}"
    )
    with pytest.raises(DownloadError, match="its ETag"):
        get(f"{server.url}/s3/weights.bin")
    assert get(f"{server.url}/not/weights.bin")[0] == DIGEST


def test_redirects_stay_on_their_host_unless_it_is_known(site, monkeypatch):
    server = site(
        "location /moved/ { return 302 /weights.bin; }"
        "location /away/ { return 302 https://127.0.0.1:PORT/weights.bin; }"
        "location /plain/ { return 302 http://localhost:PORT/weights.bin; }"
        "location /round/ { return 302 /round/; }"
    )
    assert get(f"{server.url}/moved/")[0] == DIGEST
    for path in ("away", "plain"):
        with pytest.raises(DownloadError, match=r"redirects to http.*refused"):
            get(f"{server.url}/{path}/")
    with pytest.raises(DownloadError, match="redirected more than"):
        get(f"{server.url}/round/")
    monkeypatch.setitem(http_module.REDIRECTS, "localhost", ("127.0.0.1",))
    assert get(f"{server.url}/away/", key="other")[0] == DIGEST


def test_the_token_goes_to_its_host_alone(site, monkeypatch):
    server = site(
        'location /asks/ { if ($http_authorization != "Bearer hf_secret") { return 401; }'
        " return 302 https://127.0.0.1:PORT/open/; }"
        'location /open/ { if ($http_authorization) { return 400; } return 200 "opened"; }'
    )
    monkeypatch.setitem(http_module.REDIRECTS, "localhost", ("127.0.0.1",))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(DownloadError, match="401") as refused:
        get(f"{server.url}/asks/")
    assert "hf_secret" not in str(refused.value)
    monkeypatch.setattr(http_module, "_TOKEN_HOST", "localhost")
    assert get(f"{server.url}/asks/")[1] == b"opened"


def test_two_pulls_at_once_are_both_whole(site):
    server = site(SLOW)
    results = []

    def pull():
        results.append(get(f"{server.url}/slow/weights.bin"))

    threads = [threading.Thread(target=pull) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(DIGEST, CONTENT)] * 3


def test_pulls_that_begin_together_share_no_folder():
    for number in range(10):
        gate = threading.Barrier(8)
        folders: list[Path] = []

        def pull(key, gate=gate, folders=folders):
            gate.wait(30)
            with private_folder(key) as folder:
                (folder / "mine").write_text(folder.name)
                folders.append(folder)
                gate.wait(30)
                assert (folder / "mine").read_text() == folder.name

        left = f"tiny@{number}-00000000"
        with private_folder(left) as folder:
            (folder / "part").write_text("of an earlier pull")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(pull, [left] * 8))
        assert len(set(folders)) == 8
        assert sum((folder / "part").exists() for folder in folders) == 1


def test_offline_asks_nothing_but_uses_what_is_here(site):
    url = f"{site().url}/weights.bin"
    get(url)
    with open_client(offline=True) as client, private_folder("tiny@1-00000000") as folder:
        assert fetch(Wanted("weights.bin", HttpFile(client, url)), folder, Watch()) == DIGEST
        with pytest.raises(DownloadError, match="--offline"):
            fetch(Wanted("other.bin", HttpFile(client, f"{url}2")), folder, Watch())
