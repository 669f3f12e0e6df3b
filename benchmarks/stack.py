"""What the center's benchmarks run on: a database, a broker, and the services as processes of their own."""

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from city.kafka import ensure_topics
from city.migrations import migrate
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.postgres import EmbeddedPostgres

Row = dict[str, Any]
START_S = 60.0


def row(name: str, value: float, unit: str, budget: float, *, at_least: bool = False, digits: int | None = 2) -> Row:
    """One figure of the report, met when it is below its budget, or (`at_least`) not below it."""
    met = bool(value >= budget if at_least else value < budget)
    return {"name": name, "value": round(value, digits), "unit": unit, "budget": budget, "met": met}


@contextlib.asynccontextmanager
async def servers() -> AsyncIterator[tuple[Settings, asyncpg.Pool]]:
    """A database (CITYWATCH_BENCH_DSN, an empty one, or embedded) and the embedded broker, with schema and topics."""
    with tempfile.TemporaryDirectory(prefix="citywatch-bench-") as folder:
        postgres = EmbeddedPostgres(Path(folder) / "pg")
        broker = EmbeddedBroker()
        dsn = os.environ.get("CITYWATCH_BENCH_DSN", "")
        try:
            if not dsn:
                postgres.start()
                postgres.create_database("citywatch")
                dsn = postgres.dsn()
            broker.start()
            settings = Settings(database_dsn=dsn, kafka_bootstrap=broker.bootstrap, broker="embedded", sign_in="off")
            await migrate(dsn, "auto")
            await ensure_topics(settings, Catalogue.load(settings.city))
            async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
                yield settings, pool
        finally:
            broker.stop()
            postgres.stop()


@contextlib.contextmanager
def process(arguments: Sequence[str], settings: Settings) -> Iterator["subprocess.Popen[str]"]:
    """A process of this interpreter that knows the servers; ended with the block."""
    environment = {
        **os.environ,
        "CITYWATCH_DATABASE_DSN": settings.database_dsn,
        "CITYWATCH_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
        "CITYWATCH_BROKER": settings.broker,
        "CITYWATCH_SIGN_IN": settings.sign_in,
        "CITYWATCH_LOG_LEVEL": "WARNING",
    }
    started = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        if started.stdout is not None:
            started.stdout.close()


@contextlib.contextmanager
def center(settings: Settings) -> Iterator[int]:
    """A center process; its port."""
    with process(["-m", "citywatch", "center", "--port", "0"], settings) as started:
        yield int(awaited(started, r"center listens on http://[^ ]+:(\d+)"))


def awaited(started: "subprocess.Popen[str]", pattern: str) -> str:
    """The first group of the first line of output that matches. Raises RuntimeError if the process ends first."""
    assert started.stdout is not None
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        line = started.stdout.readline()
        if not line:
            break
        if found := re.search(pattern, line):
            return found[1]
    raise RuntimeError(f"the process did not say {pattern!r}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
