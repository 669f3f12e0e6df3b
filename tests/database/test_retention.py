"""Retention erases what has had its time and nothing else: raw readings, minutes, hours, dead letters, conflicts."""

import asyncio

import pytest

from city.clock import ManualClock
from city.readings import history
from city.rollup.plan import DAY, HOUR, MINUTE, floor
from tests.database.aggregates import assert_equal, assert_whole, summed_up
from tests.database.conftest import NOW_US, Store


async def test_retention_erases_raw_days_and_no_aggregate(store: Store) -> None:
    series = await store.series()
    times = [NOW_US - 95 * DAY + hour * 6 * HOUR for hour in range(4 * 7)] + [NOW_US - HOUR]
    values = [float(number) for number in range(len(times))]
    await store.write(series, times, values)
    # The history was summed up while its readings were there.
    await store.catch_up(NOW_US - 88 * DAY)
    await store.catch_up()
    assert await store.retain() == 5
    oldest = await store.pool.fetchval("SELECT to_us(min(time)) FROM reading")
    assert NOW_US - 91 * DAY < oldest <= NOW_US - 90 * DAY + DAY
    await assert_whole(store, series, times, values)
    await store.catch_up(NOW_US + MINUTE)
    await assert_whole(store, series, times, values)
    assert await store.retain() == 0


async def test_minutes_and_hours_have_retentions_of_their_own(store: Store) -> None:
    series, other = await store.series("A"), await store.series("B")
    old, middle = floor(NOW_US - 800 * DAY, HOUR), floor(NOW_US - 400 * DAY, HOUR)
    times = [start + 90_000_000 * number for start in (old, middle, NOW_US - 2 * HOUR) for number in range(60)]
    values = [float(number % 17) for number in range(len(times))]
    for each in (series, other):
        await store.write(each, times, values)
    await store.catch_up(old + DAY)
    await store.catch_up(middle + DAY)
    await _sum_up_history(store, old)
    await store.catch_up()
    await assert_whole(store, series, times, values)
    assert await store.retain() >= 3  # two raw days, and the minutes of the older one
    for each in (series, other):
        assert_equal(await store.buckets("1h", each), summed_up(times, values, HOUR))
        assert_equal(await store.buckets("1m", each), summed_up(times[60:], values[60:], MINUTE))
    shown = await history(store.pool, [series], old, old + HOUR, 1000)
    assert (shown.level, [point.readings for point in shown.points[series]]) == ("1h", [40])
    assert (await history(store.pool, [series], middle, middle + HOUR, 1000)).level == "1m"

    await store.write(series, [old + 1], [1000.0])  # so late that ingest would refuse it
    await store.catch_up(NOW_US + MINUTE)
    assert_equal(await store.buckets("1h", series), summed_up(times, values, HOUR))
    store.rollup.settings.hour_retention_days = 1  # means no less than the minutes'
    await store.retain()
    assert_equal(await store.buckets("1h", series), summed_up(times[60:], values[60:], HOUR))
    assert await store.retain() == 0


async def _sum_up_history(store: Store, start: int) -> None:
    """On TimescaleDB, what the job did in the years that this test skips."""
    if store.timescale:
        for level in ("1m", "1h"):
            await store.pool.execute(
                f"CALL refresh_continuous_aggregate('reading_{level}', from_us($1), from_us($2))", start - DAY, NOW_US
            )


async def test_late_row_in_an_erased_day_does_not_erase_its_history(store: Store) -> None:
    series = await store.series()
    old = NOW_US - 92 * DAY
    times = [floor(old, MINUTE) + 5_000_000 * number for number in range(10)] + [NOW_US - HOUR]
    values = [float(number) for number in range(11)]
    await store.write(series, times, values)
    if store.timescale:
        for level in ("1m", "1h"):
            await store.pool.execute(
                f"CALL refresh_continuous_aggregate('reading_{level}', from_us($1), from_us($2))", old - DAY, NOW_US
            )
    await store.catch_up()
    assert await store.retain() == 1
    await store.write(series, [times[3] + 1], [1000.0])
    await store.catch_up(NOW_US + MINUTE)
    await store.catch_up(NOW_US + 2 * MINUTE)
    await assert_whole(store, series, times, values)


async def test_raising_the_retention_does_not_erase_history(store: Store) -> None:
    series = await store.series()
    old = NOW_US - 92 * DAY
    times = [floor(old, MINUTE) + 5_000_000 * number for number in range(10)] + [NOW_US - HOUR]
    await store.write(series, times, [1.0] * 11)
    if store.timescale:
        for level in ("1m", "1h"):
            await store.pool.execute(
                f"CALL refresh_continuous_aggregate('reading_{level}', from_us($1), from_us($2))", old - DAY, NOW_US
            )
    await store.catch_up()
    assert await store.retain() == 1
    store.rollup.settings.raw_retention_days = 4000
    await store.write(series, [times[3] + 1], [1000.0])
    await store.catch_up(NOW_US + MINUTE)
    await assert_whole(store, series, times, [1.0] * 11)


class _Ahead(ManualClock):
    """A host whose clock is a year ahead; tells when the job rests."""

    def __init__(self) -> None:
        super().__init__(NOW_US + 365 * DAY)
        self.resting = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.resting.set()
        await super().sleep(seconds)


@pytest.mark.only(store="plain")  # the job is the same, and there a few old readings are no chunk
async def test_a_host_whose_clock_is_ahead_erases_nothing_before_its_time(store: Store) -> None:
    series = await store.series()
    now = await store.pool.fetchval("SELECT to_us(now())")
    old, recent = now - 120 * DAY, now - 2 * DAY
    await store.write(series, [old, recent], [1.0, 2.0])
    store.rollup.clock = clock = _Ahead()
    assert await store.rollup.lease.acquire()
    working = asyncio.create_task(store.rollup.work())
    async with asyncio.timeout(20):
        await clock.resting.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    kept = await store.pool.fetch("SELECT to_us(time) AS time FROM reading")
    assert [row["time"] for row in kept] == [recent]


@pytest.mark.only(store="plain")  # neither table is a hypertable
async def test_dead_letters_and_conflicts_have_their_time(store: Store) -> None:
    await store.pool.execute(
        """
        INSERT INTO dead_letter (source, reason, detail, at)
        SELECT 'http', 'late', i::text, from_us($1) - make_interval(days => i) FROM generate_series(1, 200) AS i
        """,
        NOW_US,
    )
    await store.pool.execute(
        """
        INSERT INTO conflict (series_id, time, kept, refused, at)
        SELECT 1, from_us($1), 1, i, from_us($1) - make_interval(days => 1 + i % 100)
          FROM generate_series(1, 12000) AS i
        """,
        NOW_US,
    )
    await store.retain()
    assert await store.pool.fetchval("SELECT count(*) FROM dead_letter") == 90
    assert await store.pool.fetchval("SELECT max(detail::int) FROM dead_letter") == 90
    assert await store.pool.fetchval("SELECT count(*) FROM conflict") == 120 * 90
