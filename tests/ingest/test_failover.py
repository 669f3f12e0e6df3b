"""A database that comes back in an older state: what it forgot is read again, and no reading changes its asset."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from city.kafka import ensure_topics
from city.migrations import migrate
from city.settings import Settings
from citywatch.embedded.postgres import FOR_TESTS, EmbeddedPostgres
from tests.ingest.conftest import City, event, now_us

VALUES = "SELECT a.name, r.value FROM reading r JOIN series s ON s.id = r.series_id JOIN asset a ON a.id = s.asset_id"


@pytest.fixture
async def replaceable(tmp_path: Path, settings: Settings) -> AsyncIterator[tuple[EmbeddedPostgres, City]]:
    """A city with a database server of its own, whose files the test may replace."""
    server = EmbeddedPostgres(tmp_path / "pg", tuning=FOR_TESTS)
    server.start()
    server.create_database("citywatch")
    changed = settings.model_copy(update={"database_dsn": server.dsn()})
    await migrate(server.dsn(), "plain")
    pool = await asyncpg.create_pool(server.dsn(), min_size=0, max_size=2)
    city = City(changed, pool)
    await ensure_topics(changed, city.catalogue)
    try:
        yield server, city
    finally:
        pool.terminate()
        server.stop()


async def restart(server: EmbeddedPostgres, city: City, *commands: list[str]) -> None:
    """Stop the server, run what changes its files, and start it again."""
    await asyncio.to_thread(server.stop)
    for command in commands:
        await asyncio.to_thread(subprocess.run, command, check=True)
    server.launch()
    await asyncio.to_thread(server.wait_ready)
    await city.pool.expire_connections()


async def test_what_an_older_state_allocates_anew_is_never_mixed_up(
    replaceable: tuple[EmbeddedPostgres, City], tmp_path: Path
) -> None:
    server, city = replaceable
    now, data, kept = now_us(), str(server.directory / "data"), str(tmp_path / "kept")
    async with city.worker():
        await city.publish([event("A", now, {"speed_kmh": 1})], partition=0)
        await city.until_total(1)
    await restart(server, city, ["cp", "-a", data, kept])
    async with city.worker():
        await city.publish([event("B", now, {"speed_kmh": 2})], partition=0)
        await city.until_total(2)
        await restart(server, city, ["rm", "-r", data], ["cp", "-a", kept, data])
        await city.publish([event("C", now, {"speed_kmh": 3}), event("B", now + 1, {"speed_kmh": 2})], partition=0)
        books = await city.until_total(4)
    assert books["stored"] == 4
    rows = await city.pool.fetch(VALUES)
    assert sorted(tuple(row) for row in rows) == [("A", 1), ("B", 2), ("B", 2), ("C", 3)]
