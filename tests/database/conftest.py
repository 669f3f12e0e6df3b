"""Both kinds of store: plain PostgreSQL, and TimescaleDB, in process under Node or native."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from city.clock import ManualClock
from city.database import open_pool
from city.dirty import MARK_DIRTY
from city.migrations import Kind, migrate
from city.rollup.job import Rollup
from city.settings import Settings
from tests.conftest import TIMESCALE_DSN, execute, with_database
from tests.packages import installed

TIMESCALE = Path(__file__).parents[1] / "timescale"
NOW_US = 1_795_331_220_000_000
"""2026-11-22T07:07:00Z, where the manual clock stands."""


@pytest.fixture(scope="session")
def timescale_server() -> Iterator[subprocess.Popen[str]]:
    """The Node process that serves TimescaleDB; its package is installed when it is not there yet."""
    environment = installed(TIMESCALE)
    node = shutil.which("node", path=environment["PATH"])
    assert node is not None
    with subprocess.Popen(
        [node, TIMESCALE / "server.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server


@pytest.fixture(scope="session")
def timescale_port(timescale_server: subprocess.Popen[str]) -> int:
    """Where it takes connections."""
    assert timescale_server.stdout is not None
    return int(timescale_server.stdout.readline())


@pytest.fixture
async def timescale_in_process(timescale_server: subprocess.Popen[str], timescale_port: int) -> AsyncIterator[str]:
    """Address of an empty database with TimescaleDB, of this test alone; it takes one connection at a time."""
    name = f"test_{os.urandom(8).hex()}"
    dsn = f"postgresql://postgres@127.0.0.1:{timescale_port}/{name}?sslmode=disable"
    made = await asyncpg.connect(dsn, timeout=120)  # the first to ask waits until the instance is there
    await made.close()
    yield dsn
    assert timescale_server.stdin is not None
    timescale_server.stdin.write(f"drop {name}\n")
    timescale_server.stdin.flush()


@pytest.fixture
async def timescale_native() -> AsyncIterator[str]:
    """Address of an empty database of this test alone on the server of CITYWATCH_TEST_TIMESCALE_DSN."""
    name = f"test_{os.urandom(8).hex()}"
    await execute(TIMESCALE_DSN, f"CREATE DATABASE {name}")
    yield with_database(TIMESCALE_DSN, name)
    await execute(TIMESCALE_DSN, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_timescale(request: pytest.FixtureRequest) -> str:
    """An empty database with TimescaleDB: native where there is one, else in process."""
    dsn: str = request.getfixturevalue("timescale_native" if TIMESCALE_DSN else "timescale_in_process")
    return dsn


class Store:
    """A migrated store, its rollup on a manual clock, and readings written as ingest writes them."""

    def __init__(self, dsn: str, pool: asyncpg.Pool, rollup: Rollup, *, timescale: bool) -> None:
        self.dsn = dsn
        self.pool = pool
        self.rollup = rollup
        self.timescale = timescale

    async def series(self, name: str = "VVK-0012", metric: str = "speed_kmh") -> int:
        """A new asset with one series; returns the series' id."""
        asset = await self.pool.fetchval("INSERT INTO asset (sector, name) VALUES ('traffic', $1) RETURNING id", name)
        series: int = await self.pool.fetchval(
            "INSERT INTO series (asset_id, metric, unit) VALUES ($1, $2, 'km/h') RETURNING id", asset, metric
        )
        return series

    async def write(self, series: int, times: list[int], values: list[float], *, everyone: bool = False) -> None:
        """Readings and their mark in one transaction."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO reading (time, series_id, value) "
                "SELECT from_us(time), $1, value FROM unnest($2::bigint[], $3::float[]) AS new (time, value)",
                series,
                times,
                values,
            )
            marked = None if everyone else series
            await connection.execute(MARK_DIRTY, [marked], [min(times)], [max(times)])

    async def buckets(self, level: str, series: int) -> list[tuple[float, ...]]:
        """(time in µs, count, sum, min, max, first, last) of every bucket of reading_1m or reading_1h, in order."""
        columns = "SELECT to_us(bucket), count, sum, min, max, first, last"
        rows = await self.pool.fetch(f"{columns} FROM reading_{level} WHERE series_id = $1 ORDER BY bucket", series)
        return [tuple(row) for row in rows]

    async def catch_up(self, now_us: int = NOW_US) -> None:
        """What the rollup does at this time, under its lease."""
        if self.rollup.lease.epoch is None:
            assert await self.rollup.lease.acquire()
        assert await self.rollup.catch_up(now_us, timescale=self.timescale)

    async def retain(self, now_us: int = NOW_US) -> int:
        """What retention does at this time; returns how many days it erased."""
        if self.rollup.lease.epoch is None:
            assert await self.rollup.lease.acquire()
        return await self.rollup.retain(now_us, timescale=self.timescale)


@pytest.fixture(params=["plain", "timescale"])
def kind_and_dsn(request: pytest.FixtureRequest) -> tuple[Kind, str]:
    """Each kind of store, and the address of a database of this test alone."""
    kind: Kind = request.param
    return kind, request.getfixturevalue("plain_database" if kind == "plain" else "empty_timescale")


@pytest.fixture
async def store(kind_and_dsn: tuple[Kind, str]) -> AsyncIterator[Store]:
    """A store of each kind, migrated, of this test alone."""
    kind, dsn = kind_and_dsn
    await migrate(dsn, kind)
    settings = Settings(database_dsn=dsn, raw_retention_days=90, _env_file=None)
    pool = await open_pool(settings, application="test", min_size=1, max_size=1)
    yield Store(dsn, pool, Rollup(pool, settings, ManualClock(NOW_US), "test"), timescale=kind == "timescale")
    await pool.close()


@pytest.fixture
def plain_database(request: pytest.FixtureRequest) -> str:
    """A migrated plain database of this test alone."""
    dsn: str = request.getfixturevalue("database")
    return dsn
