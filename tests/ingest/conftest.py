"""A city under test: a real broker and database, a producer of events, and workers that can be started and stopped."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from city.kafka import Producer, ensure_topics, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import format_time
from city.zones import ZoneMap
from ingest.worker import run

PATIENCE_S = 40.0
OUTCOMES = ("stored", "duplicate", "late", "dead", "no_record", "expired")
Books = dict[str, int]


def now_us() -> int:
    return time.time_ns() // 1000


def event(
    subject: str,
    time_us: int,
    measurements: dict[str, Any] | None = None,
    *,
    kind: str = "reading",
    sector: str = "traffic",
    **data: Any,
) -> bytes:
    """A structured CloudEvent as an ordinary publisher writes it."""
    body: dict[str, Any] = dict(data)
    if measurements is not None:
        body["measurements"] = measurements
    envelope = {
        "specversion": "1.0",
        "id": f"{subject}-{time_us}",
        "source": "//test.example",
        "type": f"city.{sector}.{kind}.v1",
        "subject": subject,
        "time": format_time(time_us),
        "data": body,
    }
    return json.dumps(envelope).encode()


class City:
    """What a test holds: settings, a pool of its own, and the ways to publish, run workers and read the books."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        self.settings = settings
        self.pool = pool
        self.catalogue = Catalogue.load(settings.city)

    def catalogue_zones(self) -> list[str]:
        """Codes of the city's zones."""
        return sorted(ZoneMap.load(self.settings.city).zones)

    async def publish(
        self, values: Sequence[bytes | None], sector: str = "traffic", *, partition: int | None = None, **options: Any
    ) -> None:
        """Send records and wait until the broker has all of them."""
        async with Producer(self.settings, linger_ms=20) as producer:
            sent = []
            for value in values:
                key = {"key": b"k"} if value is None else {}
                sent.append(await producer.send(topic_for(sector), value, partition=partition, **{**key, **options}))
            await producer.flush()
            for future in sent:
                await future

    @asynccontextmanager
    async def worker(self, name: str = "one", **changes: Any) -> AsyncIterator[asyncio.Task[None]]:
        """An ingest worker in this process, stopped and drained at the end."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(self.settings.model_copy(update={"worker": name, **changes}), stop))
        try:
            yield task
        finally:
            stop.set()
            await task

    async def books(self, sector: str = "traffic") -> Books:
        """The sums of the ledger over all partitions and generations of a sector's topic."""
        sums = {name: name for name in (*OUTCOMES, *READINGS)} | {"total": "next_offset - first_offset"}
        columns = ", ".join(f"coalesce(sum({what}), 0)::bigint AS {name}" for name, what in sums.items())
        row = await self.pool.fetchrow(f"SELECT {columns} FROM ledger WHERE topic = $1", topic_for(sector))
        assert row is not None
        return dict(row)

    async def until(self, done: Callable[[Books], bool], sector: str = "traffic", within: float = PATIENCE_S) -> Books:
        """Wait until the books of a sector look as wanted."""
        deadline = time.monotonic() + within
        while True:
            books = await self.books(sector)
            if done(books):
                return books
            assert time.monotonic() < deadline, f"the books stand at {books}"
            await asyncio.sleep(0.05)

    async def until_total(self, total: int, sector: str = "traffic", within: float = PATIENCE_S) -> Books:
        """Wait until so many offsets are accounted for; more would be an error."""
        books = await self.until(lambda b: b["total"] >= total, sector, within)
        assert books["total"] == total
        assert sum(books[outcome] for outcome in OUTCOMES) == total
        return books


READINGS = ("readings_stored", "readings_duplicate", "readings_conflict")


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    """A migrated database and a broker with the city's topics."""
    await ensure_topics(settings, Catalogue.load(settings.city))
    pool = await asyncpg.create_pool(settings.database_dsn, min_size=1, max_size=2)
    try:
        yield City(settings, pool)
    finally:
        await pool.close()
