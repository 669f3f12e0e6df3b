"""A worker killed or paused at any instant, the named ones included: the next one goes on, and the books hold."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from city.kafka import open_log_reader, topic_for
from city.settings import Settings
from ingest import ledger
from tests.ingest.conftest import City, event, now_us

TRAFFIC = topic_for("traffic")
TAKEOVER_S = 40.0
"""Patience on a loaded machine; what it takes on a quiet one is measured by `make bench`."""
Process = subprocess.Popen[bytes]
Start = Callable[..., Process]


@pytest.fixture
def start(settings: Settings, tmp_path: Path) -> Iterator[Start]:
    """Starts `citywatch ingest` processes; all are gone at the end."""
    processes: list[Process] = []

    def starting(name: str, failpoint: str = "") -> Process:
        environment = {
            "CITYWATCH_DATABASE_DSN": settings.database_dsn,
            "CITYWATCH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "CITYWATCH_BROKER": settings.broker,
            "CITYWATCH_WORKER": name,
            "CITYWATCH_FAILPOINT": failpoint,
        }
        with (tmp_path / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "citywatch", "ingest"]
            process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        processes.append(process)
        return process

    yield starting
    for process in processes:
        process.kill()
        process.wait()


def readings(first: int, count: int, start_us: int) -> list[bytes | None]:
    return [
        event(f"VVK-{i % 50:03}", start_us + i * 1000, {"speed_kmh": i % 90, "flow_vph": 7})
        for i in range(first, first + count)
    ]


async def flow(city: City, start_us: int, count: int, pace_s: float = 0.1) -> None:
    """Publish so many records, a hundred at a time, to both partitions."""
    for first in range(0, count, 100):
        await city.publish(readings(first, 100, start_us), partition=first // 100 % 2)
        await asyncio.sleep(pace_s)


async def until(condition: Callable[[], bool], within: float = 40) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def joined(city: City, failpoint: str) -> None:
    """Wait until the worker owns its partitions, so that what flows comes in many batches (it may die before that)."""
    if not failpoint.startswith("during_takeover"):
        await until_owned(city)


async def until_owned(city: City) -> None:
    deadline = time.monotonic() + 40
    while not await city.pool.fetchval("SELECT count(*) FROM ledger WHERE topic = $1", TRAFFIC) > 0:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)


async def holds(city: City, records: int) -> None:
    """Each record stored once, the books agree with the broker."""
    books = await city.until_total(records)
    assert (books["stored"], books["duplicate"], books["dead"], books["late"]) == (records, 0, 0, 0)
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 2 * records == books["readings_stored"]
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        assert await ledger.verify(city.pool, reader, [TRAFFIC], wait_s=5) == []


def instants(action: str) -> list[object]:
    """The hardest one always; the others with the kill tests, which take minutes."""
    others = (f"after_commit_before_fetch:4:{action}", f"during_takeover:2:{action}")
    return [f"mid_copy:5:{action}", *(pytest.param(other, marks=pytest.mark.kill) for other in others)]


@pytest.mark.parametrize("failpoint", instants("kill"))
async def test_killed_at_a_named_instant(city: City, start: Start, failpoint: str) -> None:
    doomed = start("doomed", failpoint)
    await joined(city, failpoint)
    flowing = asyncio.create_task(flow(city, now_us(), 2000))
    await until(lambda: doomed.poll() is not None)
    assert doomed.returncode == -signal.SIGKILL
    before = await city.books()
    start("heir")
    await city.until(lambda books: books["total"] > before["total"], within=TAKEOVER_S)
    await flowing
    await holds(city, 2000)


@pytest.mark.parametrize("failpoint", instants("stop"))
async def test_paused_at_a_named_instant_and_continued_after_the_takeover(
    city: City, start: Start, failpoint: str
) -> None:
    paused = start("paused", failpoint)
    await joined(city, failpoint)
    flowing = asyncio.create_task(flow(city, now_us(), 3000))
    await until(lambda: psutil.Process(paused.pid).status() == psutil.STATUS_STOPPED)
    before = await city.books()
    start("heir")
    await city.until(lambda books: books["total"] > before["total"] + 200, within=TAKEOVER_S)
    paused.send_signal(signal.SIGCONT)
    await flowing
    await holds(city, 3000)
    assert paused.poll() is None, "a worker that was paused goes on as a member"


@pytest.mark.kill
async def test_killed_again_and_again_while_two_share(city: City, start: Start) -> None:
    flowing = asyncio.create_task(flow(city, now_us(), 6000, pace_s=0.2))
    workers = [start("left"), start("right")]
    for turn in range(4):
        await asyncio.sleep(2.3)
        workers[turn % 2].kill()
        workers[turn % 2].wait()
        workers[turn % 2] = start(("left", "right")[turn % 2])
    await flowing
    await holds(city, 6000)


async def test_ends_cleanly_on_sigterm(city: City, start: Start) -> None:
    worker = start("polite")
    await city.publish(readings(0, 100, now_us()))
    await city.until_total(100)
    worker.terminate()
    await until(lambda: worker.poll() is not None, within=20)
    assert worker.returncode == 0
