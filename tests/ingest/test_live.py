"""Newly stored latest values reach `city.live` soon, each series' newest once a frame, and old ones never."""

import asyncio
import json
import time

import numpy as np
from aiokafka.admin import AIOKafkaAdminClient

from city.kafka import DEADLETTERS, LIVE, GroupConsumer, TopicPartition
from ingest.latest import Latest
from tests.ingest.conftest import City, event, now_us


async def test_frames_carry_what_is_new(city: City) -> None:
    now = now_us()

    async def from_start(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    got: dict[int, tuple[int, float]] = {}
    async with city.worker(), GroupConsumer(city.settings, "watch", [LIVE], on_assigned=from_start) as live:
        await city.publish([event("VVK-1", now + i, {"speed_kmh": i}) for i in range(50)], partition=0)
        await city.until_total(50)
        await city.publish([event("VVK-1", now - 5, {"speed_kmh": 99}), event("VVK-1", now + 49, {"speed_kmh": 49})])
        await city.publish([event("VVK-1", now + 60, {"speed_kmh": 60})])
        await city.until_total(53)
        deadline = time.monotonic() + 20
        while (now + 60, 60.0) not in got.values():
            assert time.monotonic() < deadline
            for batch in await live.getmany(100, 0.5):
                for record in batch.records:
                    for series, at, value in json.loads(record.value or b""):
                        assert at > got.get(series, (0, 0.0))[0], "never older than what was sent"
                        got[series] = (at, value)
    assert got == {await city.pool.fetchval("SELECT id FROM series"): (now + 60, 60.0)}


async def test_watchers_are_told_of_dead_letters(city: City) -> None:
    async def from_start(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    told: list[dict[str, object]] = []
    async with city.worker(), GroupConsumer(city.settings, "watch", [DEADLETTERS], on_assigned=from_start) as watch:
        await city.publish([b"{", b"[]"], partition=0)
        deadline = time.monotonic() + 20
        while len(told) < 2:
            assert time.monotonic() < deadline
            for batch in await watch.getmany(100, 0.5):
                told += [json.loads(record.value or b"") for record in batch.records]
    assert [(n["topic"], n["first_offset"], n["reason"]) for n in told] == [
        ("city.traffic.events", 0, "not_json"),
        ("city.traffic.events", 1, "bad_envelope"),
    ]


async def test_frames_go_on_while_nobody_can_be_told_of_dead_letters(city: City) -> None:
    """A topic that is gone costs each notice ten seconds; values must not wait for that."""

    async def from_start(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    admin = AIOKafkaAdminClient(bootstrap_servers=city.settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([DEADLETTERS])
    finally:
        await admin.close()
    now = now_us()
    seen: set[float] = set()
    async with city.worker(), GroupConsumer(city.settings, "watch", [LIVE], on_assigned=from_start) as live:
        await city.publish([b"{"] * 20, partition=0)
        await city.until_total(20)
        await asyncio.sleep(0.5)
        started = time.monotonic()
        for i in range(3):
            await city.publish([event("VVK-1", now + i, {"speed_kmh": i})], partition=0)
            while i not in seen:
                assert time.monotonic() - started < 15
                for batch in await live.getmany(100, 0.5):
                    for record in batch.records:
                        seen |= {value for _, _, value in json.loads(record.value or b"")}


def test_latest_keeps_the_newest_of_each_series() -> None:
    latest = Latest()
    latest.offer(np.array([3, 3, 5000]), np.array([10, 20, 7]), np.array([1.0, 2.0, 3.0]))
    latest.offer(np.array([3, 5000]), np.array([15, 9]), np.array([9.0, 4.0]))
    sent = latest.take_unsent()
    assert (sent.series.tolist(), sent.time.tolist(), sent.value.tolist()) == ([3, 5000], [20, 9], [2.0, 4.0])
    assert len(latest.take_unsent().series) == 0
    seen = latest.take_unseen()
    assert seen.series.tolist() == [3, 5000]
    latest.put_back_unseen(seen)
    assert latest.take_unseen().series.tolist() == [3, 5000]
    latest.offer(np.array([], np.int64), np.array([], np.int64), np.array([]))


async def test_last_seen_is_the_newest_event(city: City) -> None:
    from ingest.series import Series

    now = now_us()
    async with city.worker():
        await city.publish([event("VVK-1", now, {"speed_kmh": 1})])
        await city.until_total(1)
    series = await city.pool.fetchval("SELECT id FROM series")
    latest = Latest()
    latest.offer(np.array([series]), np.array([now + 1_000_000]), np.array([1.0]))
    await Series(city.pool, city.catalogue).flush_last_seen(latest)
    assert await city.pool.fetchval("SELECT to_us(last_seen) FROM asset") == now + 1_000_000
    latest.offer(np.array([series]), np.array([now + 2_000_000]), np.array([1.0]))
    latest._time[series] = now
    await Series(city.pool, city.catalogue).flush_last_seen(latest)
    assert await city.pool.fetchval("SELECT to_us(last_seen) FROM asset") == now + 1_000_000
