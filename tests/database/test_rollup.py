"""Aggregates equal the readings they sum up, whatever came when; retention erases raw readings and nothing else."""

import asyncio
import math
import random
from collections import defaultdict

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city import metrics
from city.clock import ManualClock
from city.dirty import RECENT_US, dirty_marks
from city.readings import history
from city.rollup.plan import DAY, HOUR, MINUTE, Mark, Span, floor, merge, plan
from tests.database.conftest import NOW_US, Store

Bucket = tuple[float, ...]


def summed_up(times: list[int], values: list[float], width: int) -> list[Bucket]:
    """What the aggregates must hold: the same, computed here."""
    by_bucket: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for time, value in zip(times, values, strict=True):
        by_bucket[floor(time, width)].append((time, value))
    return [
        (start, len(rows), math.fsum(of), min(of), max(of), min(rows)[1], max(rows)[1])
        for start, rows in sorted(by_bucket.items())
        for of in [[value for _, value in rows]]
    ]


def assert_equal(found: list[Bucket], expected: list[Bucket]) -> None:
    assert [row[:2] + row[3:] for row in found] == [row[:2] + row[3:] for row in expected]
    assert [row[2] for row in found] == pytest.approx([row[2] for row in expected])


async def assert_whole(store: Store, series: int, times: list[int], values: list[float]) -> None:
    assert_equal(await store.buckets("1m", series), summed_up(times, values, MINUTE))
    assert_equal(await store.buckets("1h", series), summed_up(times, values, HOUR))


def some_hours(hours: int, *, end: int = NOW_US, every: int = 10_000_000) -> tuple[list[int], list[float]]:
    times = list(range(end - hours * HOUR, end, every))
    return times, [round(40 + 20 * math.sin(at / 1e9) + at % 7, 3) for at in times]


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


# --- the pure parts ----------------------------------------------------------------------------------------------

TIMES = st.integers(0, 40 * DAY)
MARKS = st.builds(
    lambda series, first, length: Mark(series, first, first + length),
    st.sampled_from([None, 1, 2]),
    TIMES,
    st.sampled_from([0, 1, MINUTE - 1, MINUTE, HOUR, 3 * DAY, 25 * DAY]),
)


@given(st.lists(MARKS, max_size=8), TIMES, TIMES, TIMES)
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
def test_plan_covers_what_is_marked_and_nothing_erased(marks: list[Mark], a: int, b: int, raw_from: int) -> None:
    rolled_before, boundary = sorted((floor(a, MINUTE), floor(b, MINUTE)))
    raw_from = floor(raw_from, DAY)
    marks = [mark for mark in marks if mark.first < boundary]
    todo = plan(marks, rolled_before=rolled_before, boundary=boundary, raw_from=raw_from)

    def covered(series: int | None, at: int, spans: list[Span]) -> bool:
        return any(span.series == series and span.start <= at < span.end for span in spans)

    kept = [Span(mark.series, mark.first, mark.last + 1) for mark in todo.keep]
    for mark in marks:
        for at in {mark.first, mark.last, (mark.first + mark.last) // 2}:
            if at >= raw_from:
                assert covered(mark.series, at, todo.minutes) or covered(mark.series, at, kept)
    for span in todo.minutes:
        assert raw_from <= span.start < span.end <= boundary
        assert span.start % MINUTE == span.end % MINUTE == 0
        for at in {floor(span.start, HOUR), floor(span.end - 1, HOUR)}:
            if at < floor(boundary, HOUR):
                assert covered(span.series, at, todo.hours)
    for at in {rolled_before, boundary - 1}:
        if rolled_before <= at < floor(boundary, HOUR):
            assert covered(None, at, todo.hours)
    assert all(span.end <= floor(boundary, HOUR) for span in todo.hours)
    assert merge(todo.minutes) == todo.minutes
    assert merge(todo.hours) == todo.hours


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(-5 * HOUR, 5 * MINUTE)), min_size=1, max_size=60),
)
def test_marks_cover_every_reading(readings: list[tuple[int, int]]) -> None:
    series = np.array([series for series, _ in readings])
    times = np.array([NOW_US + offset for _, offset in readings])
    marks = dirty_marks(series, times, NOW_US)
    spans = list(zip(*marks, strict=True))
    for reading, at in zip(series, times, strict=True):
        assert any(of in (None, reading) and first <= at <= last for of, first, last in spans)
    assert len(spans) <= 1 + len(set(series.tolist()))
    assert sum(of is None for of in marks.series) <= 1
    assert all(first >= NOW_US - RECENT_US for of, first, _ in spans if of is None)


def test_a_live_batch_is_one_mark() -> None:
    times = NOW_US - np.arange(5000) * 1000
    assert dirty_marks(np.arange(5000), times, NOW_US) == ([None], [int(times.min())], [NOW_US])


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
