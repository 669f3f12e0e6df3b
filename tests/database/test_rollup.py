"""Aggregates equal the readings they sum up, whatever came when."""

import asyncio
import random

import asyncpg
import pytest

from city import metrics
from city.rollup.plan import DAY, HOUR, MINUTE, floor
from tests.database.aggregates import assert_whole, some_hours
from tests.database.conftest import NOW_US, Store


async def test_equal_before_and_after_the_rollup(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(5)
    await store.write(series, times, values)
    await assert_whole(store, series, times, values)
    await store.catch_up()
    await assert_whole(store, series, times, values)


@pytest.mark.only(store="plain")  # TimescaleDB keeps its own account of what waits
async def test_what_waits_for_the_rollup_is_shown(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(1)
    await store.write(series, times, values)
    await store.catch_up()  # up to two minutes ago
    assert metrics.ROLLUP_QUEUE.collect()[0].samples[0].value == 1
    await store.catch_up(NOW_US + 10 * MINUTE)
    assert metrics.ROLLUP_QUEUE.collect()[0].samples[0].value == 0


async def test_tail_behind_the_rollup_is_seen_at_once(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(3)
    await store.write(series, times, values)
    await store.catch_up()
    more = [NOW_US + 1_000_000 * second for second in range(90)]
    await store.write(series, more, [1.5] * 90, everyone=True)
    await assert_whole(store, series, times + more, values + [1.5] * 90)
    await store.catch_up(NOW_US + 10 * MINUTE)
    await assert_whole(store, series, times + more, values + [1.5] * 90)


async def test_late_rows_are_summed_up_again(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(3, every=30_000_000)
    await store.write(series, times, values)
    await store.catch_up()
    late = [time + 1_234_567 for time in times[10:300:17]] + [NOW_US - 20 * DAY]
    await store.write(series, late, [99.0] * len(late))
    await store.catch_up(NOW_US + MINUTE)
    await assert_whole(store, series, times + late, values + [99.0] * len(late))


async def test_late_rows_under_a_mark_for_every_series(store: Store) -> None:
    series, other = await store.series("A"), await store.series("B")
    times, values = some_hours(2, every=60_000_000)
    for each in (series, other):
        await store.write(each, times, values, everyone=True)
    await store.catch_up()
    await store.write(series, [times[5] + 7], [1.0], everyone=True)
    await store.catch_up(NOW_US + MINUTE)
    await assert_whole(store, series, [*times, times[5] + 7], [*values, 1.0])
    await assert_whole(store, other, times, values)


async def test_hour_is_whole_though_its_minutes_came_one_rollup_at_a_time(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(2, end=floor(NOW_US, HOUR) + HOUR, every=60_000_000)
    for at in range(0, len(times), 7):
        await store.write(series, times[at : at + 7], values[at : at + 7], everyone=True)
        await store.catch_up(times[min(at + 6, len(times) - 1)] + 3 * MINUTE)
    await store.catch_up(times[-1] + 10 * MINUTE)
    await assert_whole(store, series, times, values)


async def test_backfill_of_years_is_summed_up(store: Store) -> None:
    series = await store.series()
    store.rollup.settings.raw_retention_days = 4000
    times = [NOW_US - 3 * 365 * DAY + 8 * HOUR * number for number in range(3 * 365 * 3 if not store.timescale else 60)]
    values = [float(number % 50) for number in range(len(times))]
    await store.write(series, times, values)
    await store.catch_up()
    await assert_whole(store, series, times, values)


@pytest.mark.only(store="plain")  # TimescaleDB keeps its own account of what is materialized
async def test_rollup_that_lost_its_lease_writes_nothing(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(1)
    await store.write(series, times, values)
    assert await store.rollup.lease.acquire()
    await store.pool.execute("UPDATE lease SET owner = 'other', epoch = epoch + 1")
    with pytest.raises(Exception, match="no longer held"):
        await store.rollup.catch_up(NOW_US, timescale=False)
    assert await store.pool.fetchval("SELECT count(*) FROM reading_1m_rolled") == 0
    assert await store.pool.fetchval("SELECT count(*) FROM rollup_dirty") == 1


@pytest.mark.only(store="plain")  # one connection at a time
async def test_uncommitted_readings_are_summed_up_when_they_commit(store: Store) -> None:
    series = await store.series()
    times, values = some_hours(1)
    writer = await asyncpg.connect(store.dsn)
    transaction = writer.transaction()
    await transaction.start()
    await writer.executemany("INSERT INTO reading VALUES (from_us($1), $2, $3)", [(times[0], series, values[0])])
    await writer.execute("SELECT mark_dirty(ARRAY[NULL]::int[], ARRAY[$1]::bigint[], ARRAY[$1]::bigint[])", times[0])
    await store.catch_up()
    assert await store.buckets("1m", series) == []
    await transaction.commit()
    await writer.close()
    await store.catch_up(NOW_US + MINUTE)
    await assert_whole(store, series, times[:1], values[:1])


@pytest.mark.only(store="plain")  # TimescaleDB keeps its own account of what changed
async def test_any_order_of_writes_and_rollups_ends_in_the_same_aggregates(store: Store) -> None:
    """Seeded: batches of many ages, rollups between them as time goes on; the end is what the readings sum up to."""
    for seed in range(12):
        chance = random.Random(seed)
        ids = [await store.series(f"{seed}-{number}") for number in range(3)]
        written: dict[int, dict[int, float]] = {series: {} for series in ids}
        now = NOW_US + seed * DAY
        for _ in range(25):
            series = chance.choice(ids)
            age = chance.choice([0, MINUTE, 5 * MINUTE, HOUR, 3 * HOUR, 30 * DAY])
            times = {now - age - chance.randrange(10 * MINUTE) for _ in range(chance.randrange(1, 20))}
            fresh = sorted(times - written[series].keys())
            if fresh:
                values = [chance.random() for _ in fresh]
                written[series] |= dict(zip(fresh, values, strict=True))
                await store.write(series, fresh, values, everyone=chance.random() < 0.3 and age <= 5 * MINUTE)
            if chance.random() < 0.4:
                now += chance.randrange(20 * MINUTE)
                await store.catch_up(now)
        if chance.random() < 0.5:
            await store.catch_up(now + HOUR)
        for series in ids:
            await store.catch_up(now)
            await assert_whole(store, series, list(written[series]), list(written[series].values()))


@pytest.mark.only(store="plain")  # what is materialized is TimescaleDB's own account
async def test_job_works_until_cancelled_and_gives_its_lease_back(store: Store) -> None:
    series = await store.series()
    now = await store.pool.fetchval("SELECT to_us(now())")
    times, values = some_hours(1, end=now)
    await store.write(series, times, values)
    running = asyncio.create_task(store.rollup.run())
    async with asyncio.timeout(10):
        while await store.pool.fetchval("SELECT rolled_before < from_us($1) FROM rollup_state", now - HOUR):
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert await store.pool.fetchval("SELECT expires_at < now() FROM lease WHERE name = 'rollup'")
    await assert_whole(store, series, times, values)
