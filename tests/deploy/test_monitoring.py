"""Prometheus over a real gateway: every expression of the dashboard and the alerts is answered."""

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from export.triton import Serving, write_repository
from tests.service.conftest import Gateway, parts, photos, run_gateway
from tests.service.triton import Triton
from tests.waiting import wait_for, wait_for_line
from zoo.store import builtin_package

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "gateway.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]

# What a gateway on the CPU has no figure of: an image dropped from the queue, and Triton's.
SILENT = re.compile(r"zoo_dropped_images_total|\bnv_\w+")


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One that takes an image at a time, so that it can be made to refuse."""
    with run_gateway(tmp_path_factory.mktemp("gateway"), ZOO_MAX_QUEUE="1") as running:
        yield running


def ask_for_everything(gateway: Gateway, seed: int) -> None:
    """Requests that move every figure: new and known images, one that is none, and too many."""
    new = photos("china", 8, seed)
    with gateway.client() as client, ThreadPoolExecutor(len(new)) as pool:
        for image in (new[0], new[0], b"no image"):
            client.post("/v1/embeddings", files=parts([image]))
        list(pool.map(lambda image: client.post("/v1/embeddings", files=parts([image])), new))


def test_the_gateway_exports_what_the_dashboard_and_the_alerts_show(gateway: Gateway):
    with gateway.client() as client:
        text = client.get("/metrics").text
    exported = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    exported |= {"up": "gauge"}  # Prometheus' own
    for expression in [*EXPRESSIONS, *alert_expressions()]:
        for name in re.findall(r"\b(?:zoo|process|up)\w*(?=[{\[)\s]|$)", expression):
            base = re.sub("_(bucket|sum|count)$", "", name)
            assert name in exported or exported[base] == "histogram", expression


def test_triton_exports_what_the_dashboard_shows(tmp_path: Path):
    """But for the GPU's own figures, which it has only where there is one."""
    write_repository([builtin_package()], tmp_path / "models", Serving("python"))
    server = Triton(tmp_path / "models", tmp_path)
    server.start()
    try:
        text = httpx.get(f"{server.url('metrics')}/metrics").text
    finally:
        server.kill()
    exported = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    shown = set(re.findall(r"\bnv_\w+", " ".join(EXPRESSIONS)))
    assert shown - exported == {"nv_gpu_utilization", "nv_gpu_memory_used_bytes"}


def alert_expressions() -> list[str]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def test_the_alerts_tell_trouble_from_health():
    needs("promtool")
    tests = Path(__file__).parent / "alerts_test.yml"
    subprocess.run(["promtool", "test", "rules", tests], check=True, timeout=120)


def test_prometheus_takes_the_configuration():
    needs("promtool")
    config = DEPLOY / "prometheus" / "prometheus.yml"
    subprocess.run(["promtool", "check", "config", config], check=True, timeout=120)


@pytest.fixture
def prometheus(gateway: Gateway, tmp_path: Path) -> Iterator[httpx.Client]:
    """A server with the alerts as they are, which scrapes the gateway every half second."""
    needs("prometheus")
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / "alerts.yml")]
    target = gateway.url.removeprefix("http://")
    config["scrape_configs"] = [{"job_name": "gateway", "static_configs": [{"targets": [target]}]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus", f"--config.file={tmp_path / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address={address}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=60) as client:
            ready = wait_for_line(
                process, tmp_path / "log", "Server is ready to receive web requests"
            )
            assert ready, (tmp_path / "log").read_text()
            yield client
    finally:
        process.kill()
        process.wait()


def test_prometheus_answers_every_panel_and_alert(gateway: Gateway, prometheus: httpx.Client):
    def query(expression: str) -> list[Any]:
        text = expression.replace("$__rate_interval", "1m")
        answer = prometheus.get("/api/v1/query", params={"query": text}).json()
        assert answer["status"] == "success", (expression, answer)
        result: list[Any] = answer["data"]["result"]
        return result

    seeds = count()

    def figures() -> bool:
        """More requests, until Prometheus has seen two states of each figure."""
        ask_for_everything(gateway, next(seeds))
        return all(numbers(query(e)) for e in EXPRESSIONS if not SILENT.search(e))

    def numbers(result: list[Any]) -> bool:
        return bool(result) and all(float(point["value"][1]) >= 0 for point in result)

    wait_for(figures, "a number for every panel")
    for expression in [*EXPRESSIONS, *alert_expressions()]:
        query(expression)
    rules = prometheus.get("/api/v1/rules").json()["data"]["groups"]
    assert [rule["health"] for group in rules for rule in group["rules"]] == ["ok"] * 3


def test_the_panels_are_laid_out_and_ask_the_provisioned_source():
    source = yaml.safe_load(
        (DEPLOY / "grafana" / "provisioning" / "datasources" / "prometheus.yml").read_text()
    )["datasources"][0]
    for panel in PANELS:
        assert {t["datasource"]["uid"] for t in panel["targets"]} == {source["uid"]}
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (column, row)
        for panel in DASHBOARD["panels"]
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))  # no panel lies over another
    assert max(column for column, _ in cells) == 23
