"""`zoo pull` from a real web server: finished packages, and checkpoints up to their conversion."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tomllib
import types
from collections import defaultdict

import minisign
import numpy as np
import pytest
from typer.testing import CliRunner

from cli import app
from tests.waiting import wait_for
from zoo.catalog import FOLDER
from zoo.download import open_client, unfinished
from zoo.errors import CheckpointError, PackageError
from zoo.package import read_package
from zoo.registry import open_place, push_package
from zoo.store import list_packages

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}
SLOW = "location /slow/ { alias WWW/; limit_rate 1m; }"


def zoo(*arguments, code=0, **environment):
    """The command in this process, where a start costs no imports: its output and its errors."""
    done = CliRunner().invoke(app, list(map(str, arguments)), env=WIDE | environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.stderr
    return done.stdout, done.stderr


def start(*arguments, program=("-m", "cli"), **environment):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | WIDE | environment,
    )


def installed():
    return [p.manifest.reference for p in list_packages()[0] if p.manifest.name == "tiny"]


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def registry(nginx, make_package):
    """registry(locations): a server with tiny@1 below `zoo/`; the server, and the package."""

    def build(locations="", **options):
        server = nginx(locations)
        folder = make_package(**options)
        with open_client(offline=True) as client:
            place = open_place(str(server.www / "zoo"), client)
            push_package(read_package(folder), place, None)
        expected = content(folder)
        shutil.rmtree(folder)
        return server, expected

    return build


def test_a_finished_package_needs_no_pytorch(registry, home):
    server, expected = registry()
    digest = hashlib.sha256(expected["model.json"]).hexdigest()
    blocked = "import sys; sys.modules['torch'] = None; from cli import app; app()"
    process = start(
        *("pull", "tiny", "--registry", f"{server.url}/zoo/", "--digest", f"sha256:{digest}"),
        program=("-c", blocked),
    )
    folder = home / "packages" / "tiny" / "1"
    assert process.communicate() == (f"tiny@1 {folder}\n", "")
    assert content(folder) == expected
    _, error = zoo("pull", "tiny@1", ZOO_REGISTRY=f"{server.url}/zoo")
    assert "installed already" in error
    shutil.rmtree(folder)
    _, error = zoo("pull", "tiny", "--digest", "../x", ZOO_REGISTRY=f"{server.url}/zoo", code=1)
    assert "is not a digest" in error
    _, error = zoo("pull", "tiny", "--offline", ZOO_REGISTRY=f"{server.url}/zoo", code=1)
    assert "--offline" in error
    assert installed() == []


def test_an_unknown_name_suggests_the_nearest():
    _, error = zoo("pull", "simclr-r50x5", code=1)
    assert error.startswith("error: the catalog has no model 'simclr-r50x5'; did you mean simclr")


def test_a_name_that_neither_has(registry):
    server, _ = registry()
    _, error = zoo("pull", "tinny", ZOO_REGISTRY=f"{server.url}/zoo", code=1)
    assert "zoo has no model 'tinny'; the catalog has no model" in error
    _, error = zoo("pull", "simclr-r50x1", "--registry", f"{server.url}/zoo", code=1)
    assert "the catalog" not in error  # a named registry stands alone


def test_passwords_of_addresses_are_not_shown(registry):
    server, _ = registry()
    url = server.url.replace("https://", "https://me:secret@")
    _, error = zoo("pull", "none", "--registry", f"{url}/zoo", code=1)
    assert "has no model 'none'" in error
    assert "secret" not in error


def test_interrupting_is_no_loss(registry, home):
    server, expected = registry(SLOW, filler=4_000_000)
    process = start("pull", "tiny", "--registry", f"{server.url}/slow/zoo")
    wait_for_bytes(process, 200_000)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    (left,) = unfinished()
    assert not left.live
    assert left.bytes > 200_000
    listed = json.loads(zoo("list", "--json")[0])["partial"]
    assert [(row["live"], row["path"]) for row in listed] == [(False, str(left.path))]
    zoo("pull", "tiny", "--registry", f"{server.url}/slow/zoo")
    assert content(home / "packages" / "tiny" / "1") == expected
    assert unfinished() == []


def test_two_pulls_at_once_both_succeed(registry, home):
    server, expected = registry(SLOW, filler=1_000_000)
    command = ("pull", "tiny", "--registry", f"{server.url}/slow/zoo")
    processes = [start(*command), start(*command)]
    assert [(p.communicate()[1], p.returncode)[1] for p in processes] == [0, 0]
    assert content(home / "packages" / "tiny" / "1") == expected
    assert unfinished() == []


def test_a_download_under_way_is_not_pruned(registry):
    server, _ = registry(SLOW.replace("1m", "100k"), filler=4_000_000)
    process = start("pull", "tiny", "--registry", f"{server.url}/slow/zoo")
    wait_for_bytes(process, 100_000)
    assert json.loads(zoo("prune", "--yes", "--json")[0])["found"] == []
    process.kill()
    process.communicate()
    pruned = json.loads(zoo("prune", "--yes", "--json")[0])
    assert pruned["freed"]
    assert pruned["bytes"] > 100_000
    assert unfinished() == []


def wait_for_bytes(process, count):
    def arrived():
        assert process.poll() is None, process.communicate()
        return sum(d.bytes for d in unfinished()) >= count

    wait_for(arrived, f"{count} bytes of the download")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB that is the store."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_is_too_small_is_seen_before_the_download(registry, small_disk):
    server, _ = registry(filler=5_000_000)
    _, error = zoo(
        *("pull", "tiny", "--registry", f"{server.url}/zoo"), ZOO_HOME=str(small_disk), code=1
    )
    assert "tiny@1 needs 5 MB" in error
    assert "zoo prune" in error
    assert [p for p in (small_disk / "packages").rglob("*") if p.is_file()] == []
    assert list((small_disk / "partial").iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_store_as_it_was(
    registry, small_disk, make_package, monkeypatch
):
    server, expected = registry(SLOW, filler=2_500_000)
    monkeypatch.setenv("ZOO_HOME", str(small_disk))
    process = start("pull", "tiny", "--registry", f"{server.url}/slow/zoo")
    wait_for_bytes(process, 200_000)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(100_000))
    _, error = process.communicate()
    assert process.returncode == 1
    assert "is full" in error
    assert "Traceback" not in error
    assert installed() == []
    filler.unlink()
    zoo("pull", "tiny", "--registry", f"{server.url}/zoo")  # goes on
    assert content(small_disk / "packages" / "tiny" / "1") == expected


def test_a_store_that_cannot_be_written_says_so(registry):
    server, _ = registry()
    _, error = zoo("pull", "tiny", "--registry", f"{server.url}/zoo", ZOO_HOME="/sys/zoo", code=1)
    assert "/sys/zoo" in error
    assert "let ZOO_HOME name a folder of your own" in error


CHECKPOINT = np.random.default_rng(0).bytes(400_000)


@pytest.fixture
def published(nginx, tmp_path, monkeypatch):
    """published(urls, locations): the catalog has `public`, with a source for each URL."""

    def file(server, url):
        return {"url": server + url} | known[url]

    known: dict[str, dict[str, object]] = defaultdict(dict)

    def build(urls, locations="", digests=(), sizes=(), **changes):
        for url, digest in dict(digests).items():
            known[url]["sha256"] = digest
        for url, size in dict(sizes).items():
            known[url]["size"] = size
        server = nginx(locations)
        (server.www / "a.pth").write_bytes(CHECKPOINT)
        (server.www / "b.pth").write_bytes(CHECKPOINT[::-1])
        text = (FOLDER / "simclr-r50x1.toml").read_text()
        entry = (
            tomllib.loads(text) | {"name": "public", "version": "1", "verified": False} | changes
        )
        entry["sources"] = [
            {"format": "torch", "layout": "torchvision", "files": [file(server.url, url)]}
            for url in urls
        ]
        (tmp_path / "catalog").mkdir()
        (tmp_path / "catalog" / "public.toml").write_text(toml(entry))
        monkeypatch.setattr("zoo.catalog.FOLDER", tmp_path / "catalog")
        return server

    return build


@pytest.fixture
def conversions(make_package, monkeypatch):
    """Stands in for the conversion: each call's source, files and provenance; `fails` is raised."""
    calls = []

    def convert(entry, source, files, provenance, space):
        calls.append(({n: p.read_bytes() for n, p in files.items()}, provenance))
        if stand_in.fails is not None:
            raise stand_in.fails
        package = read_package(make_package(entry.name))
        if space is not None and space.digest != package.manifest.space:
            shutil.rmtree(package.path)
            raise CheckpointError(f"its space is not {space.digest}, as {space.source} says")
        return package

    stand_in = types.SimpleNamespace(calls=calls, fails=None)
    monkeypatch.setitem(sys.modules, "export.convert", types.SimpleNamespace(convert=convert))
    return stand_in


def toml(entry):
    """TOML in which every table is inline, which JSON nearly is."""
    return "\n".join(f"{key} = {inline(value)}" for key, value in entry.items())


def inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


def test_a_checkpoint_is_handed_to_its_conversion_whole(published, conversions):
    server = published(["/a.pth"])
    out, error = zoo("pull", "public")
    assert out.startswith("public@1 ")
    assert "unverified" in error
    ((files, (source,)),) = conversions.calls
    assert files == {"a.pth": CHECKPOINT}
    assert source.name == f"{server.url}/a.pth"
    assert source.sha256 == hashlib.sha256(CHECKPOINT).hexdigest()
    assert source.terms == "Apache-2.0"
    assert unfinished() == []
    assert "installed already" in zoo("pull", "public")[1]
    row = json.loads(zoo("list", "--remote", "--json")[0])["models"][0]
    assert (row["model"], row["installed"], row["verified"]) == ("public@1", True, False)


def test_other_weights_never_stand_in_for_those_of_a_name(published, conversions, home):
    published(["/none.pth", "/b.pth"])
    _, error = zoo("pull", "public", code=1)
    assert "none.pth: the server answers 404" in error
    assert "source 2 (" in error
    assert "b.pth) may hold other weights" in error
    assert "--source 2 takes it" in error
    assert conversions.calls == []
    assert not (home / "packages").exists()
    zoo("pull", "public", "--source", 2)  # it was asked for
    assert [files for files, _ in conversions.calls] == [{"b.pth": CHECKPOINT[::-1]}]
    shutil.rmtree(home)
    assert "none of number 3" in zoo("pull", "public", "--source", 3, code=1)[1]


def test_the_next_source_follows_where_the_weights_are_known(published, conversions, home):
    """By the space that the name has had here before, by one that is demanded, or by digests."""
    server = published(["/a.pth", "/b.pth"])
    zoo("pull", "public")
    space = read_package(home / "packages" / "public" / "1").manifest.space
    shutil.rmtree(home / "packages")
    (server.www / "a.pth").unlink()
    zoo("pull", "public")
    assert list(conversions.calls[-1][0]) == ["b.pth"]
    shutil.rmtree(home)
    zoo("pull", "public", "--digest", f"sha256:{space}")
    assert list(conversions.calls[-1][0]) == ["b.pth"]
    shutil.rmtree(home)
    wrong = "0" * 64
    _, error = zoo("pull", "public", "--digest", wrong, code=1)
    assert f"its space is not {wrong}, as --digest says" in error
    assert not list(home.glob("packages/public/*"))
    assert unfinished() == []


def test_a_source_whose_bytes_the_catalog_names_follows(published, conversions):
    digest = hashlib.sha256(CHECKPOINT[::-1]).hexdigest()
    published(["/none.pth", "/b.pth"], digests={"/b.pth": digest})
    zoo("pull", "public")
    assert list(conversions.calls[-1][0]) == ["b.pth"]


def test_no_source_left_says_why_of_each(published, conversions):
    digests = {"/gone.pth": "0" * 64}
    published(["/none.pth", "/gone.pth"], digests=digests)
    _, error = zoo("pull", "public", code=1)
    last = error.splitlines()[-1]
    assert last.startswith("error: no source has public@1")
    assert last.count("404") == 2
    assert conversions.calls == []


def test_files_from_a_folder_need_no_network(published, conversions, tmp_path, home):
    digests = {"/a.pth": hashlib.sha256(CHECKPOINT).hexdigest()}
    server = published(["/a.pth"], digests=digests)
    folder = tmp_path / "stick"
    folder.mkdir()
    _, error = zoo("pull", "public", "--offline", "--from", folder, code=1)
    assert "they are a.pth" in error
    (folder / "a.pth").write_bytes(CHECKPOINT[::-1])
    _, error = zoo("pull", "public", "--offline", "--from", folder, code=1)
    assert "wrong bytes" in error
    assert conversions.calls == []
    (folder / "a.pth").write_bytes(CHECKPOINT)
    zoo("pull", "public", "--offline", "--from", folder)
    ((files, (source,)),) = conversions.calls
    assert files == {"a.pth": CHECKPOINT}
    assert (source.name, source.sha256) == (f"{server.url}/a.pth", digests["/a.pth"])
    assert (folder / "a.pth").read_bytes() == CHECKPOINT  # it stays


def test_a_mirror_is_asked_first_and_never_gives_other_weights(
    published, conversions, tmp_path, home
):
    digests = {"/a.pth": hashlib.sha256(CHECKPOINT).hexdigest()}
    server = published(["/a.pth"], digests=digests)
    copy = tmp_path / "mirror" / f"localhost:{server.port}" / "a.pth"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CHECKPOINT)
    (server.www / "a.pth").unlink()
    mirror = {"ZOO_MIRROR": str(tmp_path / "mirror")}
    zoo("pull", "public", **mirror)
    assert conversions.calls[-1][0] == {"a.pth": CHECKPOINT}
    shutil.rmtree(home)
    copy.write_bytes(CHECKPOINT[::-1])
    _, error = zoo("pull", "public", code=1, **mirror)
    assert "wrong bytes" in error
    assert "its publisher is asked" in error
    (server.www / "a.pth").write_bytes(CHECKPOINT)
    zoo("pull", "public", **mirror)
    assert len(conversions.calls) == 2


def test_a_mirror_is_not_believed_where_no_digest_is_known(published, conversions, tmp_path, home):
    server = published(["/a.pth"])
    copy = tmp_path / "mirror" / f"localhost:{server.port}" / "a.pth"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(CHECKPOINT[::-1])
    mirror = ("--mirror", str(tmp_path / "mirror"))
    assert "no digest of it is known" in zoo("pull", "public", *mirror)[1]
    assert conversions.calls[-1][0] == {"a.pth": CHECKPOINT}
    space = read_package(home / "packages" / "public" / "1").manifest.space
    shutil.rmtree(home)
    zoo("pull", "public", *mirror, "--digest", space)  # the weights will be proven
    assert conversions.calls[-1][0] == {"a.pth": CHECKPOINT[::-1]}


def test_a_dry_run_says_what_would_be_fetched_and_does_nothing(published, conversions, home):
    server = published(["/a.pth"], sizes={"/a.pth": len(CHECKPOINT)})
    out, error = zoo("pull", "public", "--dry-run", "--offline")
    assert out == f"0.4 MB  {server.url}/a.pth\n"
    assert "0.4 MB to fetch; with what is made of it 0.8 MB in" in error
    plan = json.loads(zoo("pull", "public", "--dry-run", "--json")[0])
    assert plan["files"] == [{"address": f"{server.url}/a.pth", "bytes": len(CHECKPOINT)}]
    assert (plan["bytes"], plan["needed"]) == (len(CHECKPOINT), 2 * len(CHECKPOINT))
    assert plan["free"] > 0
    assert conversions.calls == []
    assert not home.exists()


def test_a_dry_run_of_a_registry(registry, home):
    server, expected = registry()
    plan = json.loads(
        zoo("pull", "tiny", "--registry", f"{server.url}/zoo", "--dry-run", "--json")[0]
    )
    assert {f["address"].rpartition("/")[2]: f["bytes"] for f in plan["files"]} == {
        name: len(data) for name, data in expected.items() if name != "model.json"
    }
    assert plan["model"] == "tiny@1"
    assert not (home / "digests").exists()
    assert installed() == []


def test_a_conversion_that_fails_is_not_replaced_by_another_source(published, conversions):
    published(["/a.pth", "/b.pth"])
    conversions.fails = PackageError("a tensor does not fit")
    _, error = zoo("pull", "public", code=1)
    assert "a tensor does not fit" in error
    (kept,) = unfinished()
    assert kept.bytes >= len(CHECKPOINT)
    conversions.fails = None
    zoo("pull", "public", "--offline")  # what is here is not asked for again
    assert [files for files, _ in conversions.calls] == [{"a.pth": CHECKPOINT}] * 2


def test_what_an_address_first_gave_it_must_give_ever_after(published, conversions, home):
    server = published(["/a.pth"])
    zoo("pull", "public")
    shutil.rmtree(home / "packages")
    (server.www / "a.pth").write_bytes(CHECKPOINT[::-1])
    _, error = zoo("pull", "public", code=1)
    assert "its first download" in error
    assert len(conversions.calls) == 1


def test_what_is_no_checkpoint_is_neither_kept_nor_held_to(published, conversions, home):
    server = published(["/a.pth"])
    (server.www / "a.pth").write_text("<!doctype html> Log in to this network")
    conversions.fails = CheckpointError("a.pth: not a whole PyTorch file")
    _, error = zoo("pull", "public", code=1)
    assert "not a whole PyTorch file" in error
    assert unfinished() == []
    assert [p for p in home.rglob("*") if p.is_file()] == []
    conversions.fails = None
    (server.www / "a.pth").write_bytes(CHECKPOINT)
    zoo("pull", "public")
    assert conversions.calls[-1][0] == {"a.pth": CHECKPOINT}


def test_a_licence_must_be_accepted(published, conversions):
    published(["/a.pth"], weights_licence="CC-BY-NC-4.0")
    _, error = zoo("pull", "public", code=1)
    assert "CC-BY-NC-4.0" in error
    assert "--accept-licence" in error
    assert conversions.calls == []
    zoo("pull", "public", "--accept-licence")


def test_what_to_install_is_said_before_anything_is_downloaded(published, home, monkeypatch):
    published(["/a.pth"])
    monkeypatch.setitem(sys.modules, "torch", None)
    _, error = zoo("pull", "public", code=1)
    assert "encoder-zoo[cpu,export]" in error
    assert "Nothing was downloaded" in error
    assert not (home / "partial").exists()


def test_a_checkpoint_has_no_signature_to_demand(published, conversions):
    published(["/a.pth"])
    key = minisign.KeyPair.generate().public_key.to_base64().decode()
    _, error = zoo("pull", "public", "--trusted-key", key, code=1)
    assert "has no signature" in error
    assert conversions.calls == []


def test_what_is_installed_already_is_held_to_a_demanded_digest(published, conversions):
    published(["/a.pth"])
    zoo("pull", "public")
    wrong = "0" * 64
    assert wrong in zoo("pull", "public", "--digest", wrong, code=1)[1]
