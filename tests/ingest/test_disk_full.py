"""The database's whole disk is full, its log included: ingest says so, waits within bounds, and goes on by itself."""

import asyncio
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from city.kafka import ensure_topics, open_log_reader, topic_for
from city.migrations import migrate
from city.settings import Settings
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres
from citywatch.embedded.process import free_port
from ingest import ledger
from tests.ingest.conftest import City, event, now_us

TRAFFIC = topic_for("traffic")
MIB = 1024 * 1024
SMALL = {"shared_buffers": "32MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
BUDGET_BYTES = 250 * MIB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", folder], check=False).returncode != 0:
        pytest.skip("may not mount a file system here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
async def full_city(disk: Path, tmp_path: Path, settings: Settings) -> AsyncIterator[tuple[EmbeddedPostgres, City]]:
    """A city whose database lives on the small disk."""
    server = EmbeddedPostgres(disk / "pg", tuning=FOR_TESTS | SMALL, log=tmp_path / "postgres.log")
    server.start()
    server.create_database("citywatch")
    await migrate(server.dsn(), "plain")
    pool = await asyncpg.create_pool(server.dsn(), min_size=0, max_size=2)
    city = City(settings.model_copy(update={"database_dsn": server.dsn(), "metrics_port": free_port()}), pool)
    await ensure_topics(city.settings, city.catalogue)
    try:
        yield server, city
    finally:
        pool.terminate()
        server.stop()


@pytest.fixture
def worker(full_city: tuple[EmbeddedPostgres, City], tmp_path: Path) -> Iterator[psutil.Process]:
    """An ingest worker as a process of its own, so that its memory is its own."""
    chosen = full_city[1].settings
    environment = {
        "CITYWATCH_DATABASE_DSN": chosen.database_dsn,
        "CITYWATCH_KAFKA_BOOTSTRAP": chosen.kafka_bootstrap,
        "CITYWATCH_BROKER": chosen.broker,
        "CITYWATCH_METRICS_PORT": str(chosen.metrics_port),
    }
    with (tmp_path / "ingest.log").open("wb") as log:
        command = [sys.executable, "-m", "citywatch", "ingest"]
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


def readings(first: int, count: int, *, start_us: int) -> list[bytes | None]:
    return [
        event(f"VVK-{i % 50:03}", start_us + i * 1000, {"speed_kmh": i % 90, "flow_vph": 7})
        for i in range(first, first + count)
    ]


def retries(city: City) -> dict[str, float]:
    """Transactions tried again by SQLSTATE, as a dashboard sees them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{city.settings.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    return {
        state: float(count)
        for state, count in re.findall(r'^citywatch_write_retries_total\{sqlstate="(\w+)"\} (\S+)', text, re.M)
    }


def fill(disk: Path) -> Path:
    """Leave nothing of the disk."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(64 * 1024))
        except OSError:
            return ballast


async def until_refused(city: City) -> None:
    deadline = time.monotonic() + 60
    while not retries(city).get("53100"):
        assert time.monotonic() < deadline, retries(city)
        await asyncio.sleep(0.2)


async def test_a_full_disk_is_waited_out(
    full_city: tuple[EmbeddedPostgres, City], worker: psutil.Process, disk: Path, tmp_path: Path
) -> None:
    server, city = full_city
    now = now_us()
    await city.publish(readings(0, 2000, start_us=now))
    await city.until_total(2000)
    ballast = fill(disk)
    await city.publish(readings(2000, 8000, start_us=now))
    await until_refused(city)
    assert "DiskFullError" in (tmp_path / "ingest.log").read_text()

    tried, began, memory = sum(retries(city).values()), time.monotonic(), worker.memory_info().rss
    await city.publish(readings(10_000, 20_000, start_us=now))
    await asyncio.sleep(5)
    elapsed = time.monotonic() - began
    assert worker.is_running()
    assert sum(retries(city).values()) - tried <= 3 * (elapsed + 6)  # three places that wait, each soon for two seconds
    assert worker.memory_info().rss < min(BUDGET_BYTES, memory + 64 * MIB)

    ballast.unlink()
    if server.pid is None:  # it could not even write its log, and ended: whoever supervises it starts it again
        server.launch()
        await asyncio.to_thread(server.wait_ready)
    await city.pool.expire_connections()
    books = await city.until_total(30_000, within=90)
    assert (books["stored"], books["duplicate"], books["readings_stored"]) == (30_000, 0, 60_000)
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 60_000
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        assert await ledger.verify(city.pool, reader, [TRAFFIC], wait_s=5) == []
    assert worker.is_running()
