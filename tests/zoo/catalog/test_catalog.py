"""The catalog is data that agrees with itself, and what is asked for is found or suggested."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.architectures import ResNetArchitecture
from zoo.catalog import FOLDER, CatalogFile, find, load_catalog, search
from zoo.errors import CatalogError, UnknownModelError
from zoo.manifest import split_reference

ENTRIES = {entry.name: entry for entry in load_catalog()}
RESNETS = {name: entry for name, entry in ENTRIES.items() if entry.sources}


def test_every_file_is_the_entry_it_is_named_after():
    assert sorted(ENTRIES) == sorted(path.stem for path in FOLDER.glob("*.toml"))
    assert len(ENTRIES) == len(load_catalog())


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_an_entry_agrees_with_itself(entry):
    assert split_reference(entry.reference) == (entry.name, entry.version)
    assert entry.published or not entry.verified
    assert all(0 < metric.value < 1 and metric.source == "published" for metric in entry.published)


@pytest.mark.parametrize("entry", RESNETS.values(), ids=RESNETS)
def test_a_residual_network_reads_as_its_publisher_trained_it(entry):
    network = entry.architecture
    assert entry.dim == 64 * 8 * network.width * (4 if network.depth >= 50 else 1)
    # Whatever Google trained reads [0, 1] and pools as TensorFlow does; the others are PyTorch's.
    google = entry.sources[0].layout == "google-simclr"
    assert network.stem.endswith("-same") == google
    assert (entry.input.mean == (0, 0, 0)) == google
    for source in entry.sources:
        endings = [file.name.rpartition(".")[2] for file in source.files]
        if source.format == "tf-bundle":
            assert endings in (["index", "data-00000-of-00001"], ["zip"])
        else:
            assert len(endings) == 1 and endings[0] in ("pth", "torch", "ckpt", "tar")


def test_the_published_figures_of_simclr():
    figures = {width: ENTRIES[f"simclr-r50x{width}"].published[0].value for width in (1, 2, 4)}
    assert figures == {1: 0.691, 2: 0.742, 4: 0.766}


def test_every_known_checkpoint_is_listed():
    methods = {entry.method for entry in ENTRIES.values()}
    assert methods == {
        "simclr", "simclr-v2", "supervised", "moco-v1", "moco-v2", "rotation", "jigsaw", "npid",
        "npid-pp", "pirl", "clusterfit", "deepcluster-v2", "swav", "cpc-v2",
    }  # fmt: skip
    networks = [e.architecture for e in RESNETS.values() if e.method == "simclr-v2"]
    second = {
        (n.depth, n.width, n.selective_kernels)
        for n in networks
        if isinstance(n, ResNetArchitecture)
    }
    small = {(d, w, sk) for d in (50, 101, 152) for w in (1, 2) for sk in (False, True)}
    assert second == small | {(152, 3, True)}


def test_no_two_entries_share_a_file():
    urls = [f.url for e in ENTRIES.values() for s in e.sources for f in s.files]
    assert len(urls) == len(set(urls))
    # VISSL's width 4 is another, weaker model than Google's.
    assert ENTRIES["vissl-simclr-r50w4"].published[0].value == 0.7161


def test_what_must_be_accepted_first_is_marked():
    assert {name for name, e in ENTRIES.items() if e.non_commercial} == {
        "deepcluster-v2-r50",
        "swav-r50",
    }


def test_find_takes_a_name_with_and_without_its_version():
    assert find("simclr-r50x4") is find("simclr-r50x4@2")


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("simclr-r50x5", "did you mean simclr-r50x"),
        ("SimCLR-R50x4", "did you mean simclr-r50x4"),
        ("simclr-r50x4@7", "there is simclr-r50x4@2"),
        ("../../etc/passwd", "zoo list --remote"),
    ],
)
def test_an_unknown_name_is_answered_with_what_there_is(reference, says):
    with pytest.raises(UnknownModelError, match=says):
        find(reference)


def test_search_wants_every_word():
    assert {entry.name for entry in search(["SIMCLR", "width 4"])} >= {"simclr-r50x4"}
    assert all("simclr" in entry.name for entry in search(["simclr"]))
    assert search(["simclr", "no such word"]) == ()


@pytest.mark.parametrize("url", ["http://example.org/a.pth", "https://example.org/", "file:///a"])
def test_only_https_addresses_of_files(url):
    with pytest.raises(ValueError, match="https address of a file"):
        CatalogFile(url=url)


def own(folder: Path, name: str, change: Callable[[str], str] = lambda text: text) -> Path:
    text = (FOLDER / "moco-v2-r50-800ep.toml").read_text()
    path = folder / f"{name}.toml"
    path.write_text(change(text.replace('"moco-v2-r50-800ep"', f'"{name}"', 1)))
    return path


def test_a_catalog_of_ones_own_is_added(tmp_path, monkeypatch):
    own(tmp_path, "our-moco")
    monkeypatch.setenv("ZOO_CATALOG", str(tmp_path))
    assert find("our-moco").method == "moco-v2"
    assert {entry.name for entry in load_catalog()} == {*ENTRIES, "our-moco"}
    monkeypatch.delenv("ZOO_CATALOG")
    assert {entry.name for entry in load_catalog()} == {*ENTRIES}


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("simclr-r50x1", lambda text: text, "has a 'simclr-r50x1' already: rename one"),
        ("ours", lambda text: text.replace("https:", "http:"), "sources.0.files.0.url"),
        ("ours", lambda text: text + "x", "not a file of the catalog"),
        ("ours", lambda text: text.replace("dim = 2048", ""), "dim: Field required"),
    ],
)
def test_a_file_of_ones_own_that_is_wrong_is_named(tmp_path, monkeypatch, name, change, says):
    path = own(tmp_path, name, change)
    monkeypatch.setenv("ZOO_CATALOG", str(tmp_path))
    with pytest.raises(CatalogError, match=re.escape(says)) as error:
        load_catalog()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_folder_that_is_missing_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CATALOG", str(tmp_path / "none"))
    with pytest.raises(CatalogError, match="none is no folder"):
        find("simclr-r50x1")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/cpc/epoch%3D85.ckpt", "epoch=85.ckpt"),
        ("https://a.example/a%20b.pth", "a b.pth"),
    ],
)
def test_a_file_has_the_name_that_a_browser_gives_it(url, name):
    assert CatalogFile(url=url).name == name


@pytest.mark.parametrize("last", ["..%2F..%2Fetc", "%2e%2e", "a%00b", "a%0Ab"])
def test_a_file_never_has_a_name_that_leads_elsewhere(last):
    with pytest.raises(ValueError, match="not the https address of a file"):
        CatalogFile(url=f"https://a.example/{last}")
