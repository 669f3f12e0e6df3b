"""What production runs from is right as far as that can be told without an engine for containers."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import city.metrics
from city.settings import Settings
from citywatch.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OWN = [name for name, service in COMPOSE["services"].items() if service["image"].startswith("citywatch")]
ONE_SHOT = {"migrate", "rules"}


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="apt-get install docker-compose")
def test_compose_itself_accepts_the_file() -> None:
    command = ["docker-compose", "-f", str(ROOT / "docker-compose.yml"), "--profile", "demo", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_service_restarts_and_is_checked_for_health() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["restart"] == ("on-failure" if name in ONE_SHOT else "unless-stopped"), name
        assert service["healthcheck"].get("disable") is (True if name in ONE_SHOT else None), name
        assert name in ONE_SHOT or service["healthcheck"]["test"], name


def test_every_service_of_ours_is_a_command_with_settings_that_exist() -> None:
    assert set(OWN) == {"migrate", "rules", "ingest", "alerts", "center", "simulate"}
    known = {f"CITYWATCH_{name.upper()}" for name in Settings.model_fields}
    for name in OWN:
        service = COMPOSE["services"][name]
        assert service["command"][0] in COMMANDS
        assert set(service["environment"]) <= known
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert set(re.findall(r"CITYWATCH_\w+", dockerfile)) <= known


def test_kafka_stamps_records_itself_and_nothing_is_published_beyond_this_machine() -> None:
    assert COMPOSE["services"]["kafka"]["environment"]["KAFKA_LOG_MESSAGE_TIMESTAMP_TYPE"] == "LogAppendTime"
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_copies_what_exists_and_runs_unprivileged() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), source
    assert "\nUSER citywatch\n" in dockerfile


def test_the_dashboard_shows_metrics_that_exist() -> None:
    exported = {metric.name for metric in REGISTRY.collect()} | {
        sample.name for metric in REGISTRY.collect() for sample in metric.samples
    }
    assert city.metrics.serve_metrics(0) == 0
    stems = {re.sub(r"_(total|bucket|created|sum|count)$", "", name) for name in exported}
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/citywatch.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 15
    for query in queries:
        for name in re.findall(r"(?:citywatch|process)_\w+", query):
            assert re.sub(r"_(total|bucket)$", "", name) in stems, name


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "deploy/requirements.lock"])
def test_locks_have_a_hash_for_every_package_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert len(entries) > 20
    assert all("--hash=sha256:" in entry for entry in entries)


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z-]+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert named - {"sure"} <= targets
