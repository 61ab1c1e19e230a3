"""Settings from a folder of secrets, by a real gateway."""

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import Settings
from tests.service.conftest import ROOT, check_answer, check_problem, run_gateway
from tests.service.databases import DATABASES, empty_database

KEY = "a-key-that-is-in-no-log"


@pytest.mark.parametrize("kind", DATABASES)
def test_keys_and_database_are_read_from_files(tmp_path: Path, kind: str):
    home, folder = tmp_path / "home", tmp_path / "secrets"
    folder.mkdir()
    with empty_database(kind, tmp_path) as url:
        (folder / "zoo_database_url").write_text(f"{url}\n")
        (folder / "zoo_api_keys").write_text(f"{KEY}\n")
        (folder / "zoo_max_items").write_text("1")
        # What the environment says comes before a file.
        settings = {"ZOO_SECRETS_DIR": str(folder), "ZOO_MAX_ITEMS": "2"}
        with run_gateway(home, **settings) as gateway:
            with gateway.client() as client:
                check_problem(client.get("/v1/models"), 401)
            with gateway.client(headers={"Authorization": f"Bearer {KEY}"}) as client:
                dim = check_answer(client.put("/v1/collections/c", json={}), 201)["dim"]
                items = [{"id": str(i), "vector": [1.0] * dim} for i in range(3)]
                check_answer(client.post("/v1/collections/c/items", json={"items": items[:2]}))
                check_problem(client.post("/v1/collections/c/items", json={"items": items}), 413)
            assert KEY not in gateway.log.read_text()
    assert not (home / "gateway.db").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ZOO_RUNTIME": "openvino", "ZOO_DEVICE": "cuda"}, "ZOO_DEVICE=cuda is of onnxruntime"),
        ({"ZOO_RUNTIME": "fastest", "ZOO_DEVICE": "cuda"}, "ZOO_RUNTIME=fastest does not heed it"),
        ({"ZOO_RUNTIME": "fastest", "ZOO_PRECISION": "int8"}, "fastest chooses the precision"),
        ({"ZOO_RUNTIME": "tvm"}, "'tvm' is no runtime: give onnxruntime, openvino, triton or fas"),
        ({"ZOO_PRECISION": "fp8"}, "'fp32', 'fp16', 'bf16' or 'int8'"),
    ],
)
def test_settings_that_would_be_passed_over_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], message: str
):
    for name, value in (settings | {"ZOO_API_KEYS": "s3cret"}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=message) as refused:
        Settings()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("what", ["absent", "a file"])
def test_a_folder_that_is_none_is_refused(tmp_path: Path, what: str):
    folder = tmp_path / "secrets"
    if what == "a file":
        folder.touch()
    result = subprocess.run(
        [sys.executable, "-m", "cli", "serve", "--port", "1"],
        cwd=ROOT,
        env={"ZOO_SECRETS_DIR": str(folder), "ZOO_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 1
    assert "secrets_dir" in result.stderr
    assert "directory" in result.stderr
    assert "Traceback" not in result.stderr
