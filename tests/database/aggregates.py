"""What aggregates must hold, computed here, and readings to sum up."""

import math
from collections import defaultdict

import pytest

from city.rollup.plan import HOUR, MINUTE, floor
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
