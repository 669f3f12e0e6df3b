"""The alert worker on this test's broker and database, with the rules of the default city."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest

from alerts.journal import Entry
from alerts.rulebook import apply_rules, revision
from alerts.rulefile import load_rules, parse_rules
from alerts.service import run
from city.database import open_pool
from city.kafka import Producer, ensure_topics, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import format_time
from tests.alerts.streets import FLOOD

STORE_ASSET = "INSERT INTO asset (sector, name) VALUES ('environment', $1) ON CONFLICT DO NOTHING"
STORE_SERIES = """
INSERT INTO series (asset_id, metric, unit) SELECT id, $2, '' FROM asset WHERE name = $1 ON CONFLICT DO NOTHING
"""
STORE = """
INSERT INTO reading (time, series_id, value)
SELECT from_us($3), series.id, $4 FROM series JOIN asset ON asset.id = asset_id WHERE name = $1 AND metric = $2
"""
NEWEST_ENTRY = "SELECT body FROM engine_journal WHERE sector = 'environment' ORDER BY step DESC LIMIT 1"


class City:
    """What a test does to the city and sees of its alerts."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, producer: Producer) -> None:
        self.settings = settings
        self.pool = pool
        self.producer = producer
        self.catalogue = Catalogue.load(settings.city)
        self._number = 0

    async def send(
        self, asset: str, age_s: float = 0.0, partition: int | None = None, sector: str = "environment", **values: float
    ) -> int:
        """Publish one reading, `age_s` old, acknowledged; its time (µs)."""
        self._number += 1
        time_us = time.time_ns() // 1000 - round(age_s * 1e6)
        event = {
            "specversion": "1.0",
            "id": f"{asset}-{self._number}",
            "source": "//test",
            "type": f"city.{sector}.reading.v1",
            "subject": asset,
            "time": format_time(time_us),
            "data": {"measurements": values},
        }
        await self.producer.publish(
            topic_for(sector), json.dumps(event).encode(), key=asset.encode(), partition=partition
        )
        return time_us

    async def stored(self, time_us: int, asset: str, **values: float) -> None:
        """Store a reading, as ingest would."""
        for metric, value in values.items():
            await self.pool.execute(STORE_ASSET, asset)
            await self.pool.execute(STORE_SERIES, asset, metric)
            await self.pool.execute(STORE, asset, metric, time_us, value)

    async def history(self) -> list[tuple[str, str, str]]:
        """Kind, rule and group of every transition, in order of seq, which must have no gap."""
        rows = await self.pool.fetch("SELECT seq, kind, body FROM alert_history ORDER BY seq")
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        bodies = [json.loads(row["body"]) for row in rows]
        return [(row["kind"], body["rule"], body["group"]) for row, body in zip(rows, bodies, strict=True)]

    async def alarms(self) -> list[tuple[str, str]]:
        """Kind and group of what the flood rule did."""
        return [(kind, group) for kind, rule, group in await self.history() if rule == "flooded"]

    async def until(self, seen: Callable[[list[tuple[str, str]]], bool], seconds: float = 20) -> float:
        """Wait until the flood rule's history is as wished; how many seconds that took."""
        began = time.monotonic()
        while not seen(await self.alarms()):
            assert time.monotonic() - began < seconds, await self.history()
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def owned(self, count: int | None = None, seconds: float = 30) -> None:
        """Wait until every sector (or `count` of them) has an owner that went live."""
        wanted = count if count is not None else len(self.catalogue.sectors)
        began = time.monotonic()
        while await self.pool.fetchval("SELECT count(*) FROM alert_owner WHERE step >= 2") < wanted:
            assert time.monotonic() - began < seconds
            await asyncio.sleep(0.05)

    async def ruled(self, seconds: float = 20) -> None:
        """Wait until the worker of the environment's sector goes by the rules in force, as it journals."""
        began = time.monotonic()
        while not (body := await self.pool.fetchval(NEWEST_ENTRY)) or _revision(body) != await revision(self.pool):
            assert time.monotonic() - began < seconds
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def worker(self, name: str = "one") -> AsyncIterator[asyncio.Task[None]]:
        """A worker in this process, stopped in order at the end unless it was cancelled."""
        stop = asyncio.Event()
        task = asyncio.create_task(run(self.settings.model_copy(update={"worker": name}), stop))
        try:
            yield task
        finally:
            stop.set()
            try:
                async with asyncio.timeout(20):
                    await task
            except asyncio.CancelledError:
                assert task.cancelled()

    async def apply(self, *texts: str) -> None:
        """Put these rules in force and nothing else."""
        await apply_rules(self.pool, [rule for text in texts for rule in parse_rules(text, self.catalogue)], "test")


def _revision(body: bytes) -> int:
    """Of a journal's entry."""
    return msgspec.msgpack.decode(body, type=Entry).place.revision


@pytest.fixture
async def city(settings: Settings) -> AsyncIterator[City]:
    """A city with one rule: flooded streets."""
    await ensure_topics(settings, Catalogue.load(settings.city))
    async with await open_pool(settings, application="test") as pool, Producer(settings, linger_ms=0) as producer:
        city = City(settings, pool, producer)
        await city.apply(FLOOD)
        yield city


@pytest.fixture
def default_rules(settings: Settings) -> Path:
    folder = settings.city / "rules"
    assert load_rules(folder, Catalogue.load(settings.city))
    return folder
