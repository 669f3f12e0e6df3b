"""How far the rules have come, as the database knows it: of an engine at work, behind, taken over, and frozen."""

import asyncio
import signal
import time

import pytest

from alerts.progress import Reached
from center.engine import STALLED_S
from city.kafka import Progress, TopicPartition
from tests.alerts.conftest import City
from tests.alerts.test_kill import Workers, owner, workers

__all__ = ["workers"]

AGES = """
SELECT sector, extract(epoch FROM clock_timestamp() - through)::float8 AS behind_s,
       extract(epoch FROM clock_timestamp() - at)::float8 AS silent_s FROM engine_progress
"""
A, B = TopicPartition("city.traffic.events", 0), TopicPartition("city.traffic.events", 1)


async def worst(city: City) -> tuple[float, float]:
    """Of all sectors the longest behind and the longest silent, in seconds; infinite where one says nothing."""
    rows = await city.pool.fetch(AGES)
    if len(rows) < len(city.catalogue.sectors) or any(row["behind_s"] is None for row in rows):
        return float("inf"), float("inf")
    return max(row["behind_s"] for row in rows), max(row["silent_s"] for row in rows)


async def at_work(city: City) -> None:
    """Wait until every sector has told how far it is."""
    async with asyncio.timeout(60):
        while (await worst(city))[0] > 3:
            await asyncio.sleep(0.05)


def test_everything_is_judged_up_to_when_the_end_was_told() -> None:
    reached = Reached()
    reached.move({A: Progress(0, -1, 0.0)})
    assert reached.age(5.0) is None, "the broker has told nothing yet"
    reached.move({A: Progress(7, 7, 10.0), B: Progress(3, 3, 9.0)})
    assert reached.age(12.0) == 3.0, "the partition that was heard longest ago counts"


def test_a_backlog_is_told_by_its_age_and_not_by_its_size() -> None:
    reached = Reached()
    reached.move({A: Progress(100, 100, 10.0)})
    reached.move({A: Progress(100, 9_000, 11.0)})
    reached.move({A: Progress(5_000, 12_000, 20.0)})
    assert reached.age(21.0) == 11.0, "of the 9,000 that were there at 11 not all are judged"
    reached.move({A: Progress(9_000, 15_000, 30.0)})
    assert reached.age(31.0) == 20.0, "those of 11 are, those of 30 are not"
    reached.move({A: Progress(15_000, 15_000, 32.0)})
    assert reached.age(32.0) == 0.0


def test_a_broker_that_says_nothing_more_ages_what_is_judged() -> None:
    reached = Reached()
    for now in (10.0, 11.0, 40.0):
        reached.move({A: Progress(7, 7, 10.0)})
        assert reached.age(now) == now - 10.0


async def test_a_quiet_city_is_judged_all_the_time(city: City) -> None:
    async with city.worker():
        await at_work(city)
        until = time.monotonic() + 12
        while time.monotonic() < until:
            behind, silent = await worst(city)
            assert behind < 4, "no reading at all, and yet the rules have come as far as there is anything"
            assert silent < 4
            await asyncio.sleep(0.1)


async def test_a_worker_that_was_fenced_says_nothing_of_the_sector(city: City) -> None:
    async with city.worker():
        await at_work(city)
    await city.pool.execute("UPDATE alert_owner SET epoch = epoch + 1")
    before = await city.pool.fetch("SELECT sector, at FROM engine_progress ORDER BY sector")
    await city.pool.execute("SELECT engine_beat(ARRAY['traffic'], ARRAY[1::bigint], ARRAY[0.0::float8])")
    assert await city.pool.fetch("SELECT sector, at FROM engine_progress ORDER BY sector") == before


@pytest.mark.parametrize("alone", [True, False])
async def test_a_frozen_worker_falls_silent_and_a_takeover_hardly_does(
    city: City, workers: Workers, alone: bool
) -> None:
    workers.start("one")
    await city.owned(seconds=60)
    if not alone:
        workers.start("two")
        async with asyncio.timeout(60):
            while len(await city.pool.fetch("SELECT DISTINCT owner FROM alert_owner")) < 2:
                await asyncio.sleep(0.1)
    await at_work(city)
    workers.send(await owner(city), signal.SIGSTOP)
    frozen = time.monotonic()
    longest = 0.0
    while time.monotonic() - frozen < 15:
        await asyncio.sleep(0.1)
        longest = max(longest, *(await worst(city)))
    print(f"\nlongest without a word: {longest:.1f} s")
    behind, silent = await worst(city)
    if alone:
        assert behind > 14
        assert silent > 13
    else:
        assert longest < STALLED_S, "a takeover must not look like a dead engine, which the wall shows"
        assert behind < 4
