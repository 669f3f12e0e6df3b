"""History at the resolution asked for, newest values, conflicts: the same on both kinds of store."""

import pytest

from city.readings import Point, conflicts, history, latest_values, resolve
from city.rollup.plan import DAY, HOUR, MINUTE, floor
from tests.database.conftest import NOW_US, Store


@pytest.mark.parametrize(
    ("length", "points", "level", "step"),
    [
        (HOUR, 600, "raw", 6_000_000),
        (6 * HOUR, 360, "1m", MINUTE),
        (6 * HOUR, 720, "1m", MINUTE),
        (6 * HOUR, 721, "raw", -(-6 * HOUR // 721)),
        (DAY, 600, "1m", 3 * MINUTE),
        (30 * DAY, 720, "1h", HOUR),
        (30 * DAY, 1000, "1h", HOUR),
        (4 * DAY, 2000, "1m", 3 * MINUTE),
        (4 * DAY + 1, 2000, "1h", HOUR),
        (30 * DAY, 2000, "1h", HOUR),
        (30 * DAY, 300, "1h", 3 * HOUR),
        (365 * DAY, 1, "1h", 365 * DAY),
        (1, 1000, "raw", 1),
    ],
)
def test_coarsest_level_that_is_fine_enough(length: int, points: int, level: str, step: int) -> None:
    assert resolve(NOW_US, NOW_US + length, points) == (level, step)
    assert length / step <= points


async def test_each_level_sums_up_the_same_readings(store: Store) -> None:
    series = await store.series()
    start = floor(NOW_US, DAY) - 2 * DAY
    times = list(range(start, start + 6 * HOUR, 10_000_000))
    values = [float(number % 100) for number in range(len(times))]
    await store.write(series, times, values)
    await store.catch_up()
    async with store.pool.acquire() as connection:
        for points, level in ((3000, "raw"), (360, "1m"), (6, "1h"), (1, "1h")):
            found = await history(connection, [series, series + 1000], start, start + 6 * HOUR, points)
            assert found.level == level
            assert found.points.keys() == {series}
            line = found.points[series]
            assert len(line) <= points + 1
            assert [point.time for point in line] == sorted({point.time for point in line})
            assert sum(point.readings for point in line) == len(times)
            assert min(point.min for point in line) == 0.0
            assert max(point.max for point in line) == 99.0
            whole = sum(point.mean * point.readings for point in line)
            assert whole == pytest.approx(sum(values))


async def test_raw_level_gives_the_readings_themselves(store: Store) -> None:
    series = await store.series()
    times = [NOW_US - 5 * MINUTE + 12_345_678 * number for number in range(5)]
    await store.write(series, times, [1.0, 2.0, 3.0, 4.0, 5.0])
    async with store.pool.acquire() as connection:
        found = await history(connection, [series], times[0], times[-1] + 1, 1000)
        half_open = await history(connection, [series], times[0], times[-1], 1000)
    assert found.points[series] == [
        Point(time, value, value, value, 1) for time, value in zip(times, [1.0, 2.0, 3.0, 4.0, 5.0], strict=True)
    ]
    assert len(half_open.points[series]) == 4


async def test_minutes_stand_in_where_raw_readings_are_gone(store: Store) -> None:
    series = await store.series()
    old = floor(NOW_US - 89 * DAY, DAY)
    times = [old + 20_000_000 * number for number in range(30)]
    await store.write(series, times, [2.0] * 30)
    await store.catch_up()
    assert await store.retain(NOW_US + 2 * DAY) == 1
    async with store.pool.acquire() as connection:
        found = await history(connection, [series], old, old + 10 * MINUTE, 1000)
    assert found.level == "1m"
    assert [point.readings for point in found.points[series]] == [3] * 10


async def test_newest_value_of_each_series(store: Store) -> None:
    some, other, silent = [await store.series(name) for name in ("A", "B", "C")]
    await store.write(some, [NOW_US - HOUR, NOW_US - MINUTE], [1.0, 2.0])
    await store.write(other, [NOW_US - 3 * DAY], [7.0])
    async with store.pool.acquire() as connection:
        assert await latest_values(connection) == [(some, NOW_US - MINUTE, 2.0), (other, NOW_US - 3 * DAY, 7.0)]
        assert await latest_values(connection, NOW_US - DAY) == [(some, NOW_US - MINUTE, 2.0)]
    assert silent


async def test_conflicts_newest_first(store: Store) -> None:
    series = await store.series()
    for minute in range(3):
        await store.pool.execute(
            "INSERT INTO conflict VALUES ($1, from_us($2), 1, 2, from_us($2))", series, NOW_US + minute * MINUTE
        )
    async with store.pool.acquire() as connection:
        found = await conflicts(connection, series, 2)
        assert [conflict.time for conflict in found] == [NOW_US + 2 * MINUTE, NOW_US + MINUTE]
        assert len(await conflicts(connection)) == 3
        assert await conflicts(connection, series + 1) == []


async def test_senseless_range_is_refused(store: Store) -> None:
    async with store.pool.acquire() as connection:
        for start, end, points in ((NOW_US, NOW_US, 100), (NOW_US, NOW_US - 1, 100), (NOW_US, NOW_US + 1, 0)):
            with pytest.raises(ValueError, match="start < end and at least one point"):
                await history(connection, [1], start, end, points)


@pytest.mark.only(store="timescale")  # a plain store has rows only
async def test_late_reading_into_the_columnstore(store: Store) -> None:
    """What is old is kept as columns; a late reading still goes in, once."""
    series = await store.series()
    old = floor(NOW_US - 10 * DAY, DAY)
    times = [old + 10_000_000 * number for number in range(500)]
    await store.write(series, times, [1.0] * 500)
    converted = await store.pool.fetch(
        "SELECT compress_chunk(chunk) FROM show_chunks('reading', older_than => from_us($1)) AS chunk", NOW_US - 7 * DAY
    )
    assert len(converted) == 1
    assert await store.pool.fetchval("SELECT count(*) FROM timescaledb_information.chunks WHERE is_compressed") == 1
    for _ in range(2):
        await store.pool.execute(
            "INSERT INTO reading VALUES (from_us($1), $2, 5.0) ON CONFLICT DO NOTHING", old + 5_000_000, series
        )
        await store.pool.execute(
            "INSERT INTO reading VALUES (from_us($1), $2, 9.0) ON CONFLICT DO NOTHING", times[7], series
        )
    await store.catch_up()
    async with store.pool.acquire() as connection:
        found = await history(connection, [series], old, old + 500 * 10_000_000, 1)
    assert [(point.readings, point.max) for point in found.points[series]] == [(501, 5.0)]
