"""A cluster in trouble: a partition without a leader holds up no other, and a topic replaced in a blink is noticed."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from city import metrics
from city.kafka import open_log_reader, topic_for
from citywatch.embedded.kafka import ApacheKafka
from ingest import ledger
from tests.ingest.brokers import SecondBroker
from tests.ingest.conftest import City, event, now_us
from tests.ingest.test_kills import start

__all__ = ["start"]
pytestmark = pytest.mark.only(broker="kafka")

TRAFFIC = topic_for("traffic")


def readings(first: int, count: int, *, start_us: int) -> list[bytes | None]:
    return [event(f"VVK-{i % 50:03}", start_us + i * 1000, {"speed_kmh": i % 90}) for i in range(first, first + count)]


async def differences(city: City) -> list[str]:
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        found = await ledger.verify(city.pool, reader, [TRAFFIC], wait_s=10)
    return [difference.code for difference in found]


def away() -> float:
    for sample in metrics.PARTITIONS_AWAY.collect()[0].samples:
        if sample.labels["group"] == "citywatch-ingest":
            return sample.value
    return 0.0


async def until_away(count: int) -> None:
    deadline = time.monotonic() + 30
    while away() != count:
        assert time.monotonic() < deadline, away()
        await asyncio.sleep(0.05)


async def add_partition_on_second(city: City) -> None:
    """Partition 6 of the topic, led by node 2 alone."""
    admin = AdminClient({"bootstrap.servers": city.settings.kafka_bootstrap})
    for attempt in range(100):
        (creation,) = admin.create_partitions([NewPartitions(TRAFFIC, 7, replica_assignment=[[2]])]).values()
        try:
            await asyncio.to_thread(creation.result)
        except KafkaException:  # the node has not registered yet
            assert attempt < 99
            await asyncio.sleep(0.2)
        else:
            return


async def test_a_partition_without_a_leader_holds_up_no_other(
    city: City, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    now = now_us()
    async with city.worker():  # the group's own topic is made now, on node 1
        await city.publish(readings(0, 10, start_us=now), partition=0)
        await city.until_total(10)
    second = SecondBroker(tmp_path / "second", apache_kafka)
    second.start()
    try:
        await add_partition_on_second(city)
        await city.publish(readings(1000, 50, start_us=now), partition=6)
        await asyncio.to_thread(second.stop)
        async with city.worker():  # finds the partition without a leader
            await city.publish(readings(10, 90, start_us=now), partition=0)
            await city.until_total(100)
            await until_away(1)
            await city.publish(readings(100, 100, start_us=now), partition=1)
            began = time.monotonic()
            await city.until_total(200)
            assert time.monotonic() - began < 10
            second.start()
            await city.until_total(250)
            await until_away(0)
            await asyncio.to_thread(second.stop)  # and now loses it while running
            await until_away(1)
            await city.publish(readings(200, 100, start_us=now), partition=0)
            await city.until_total(350)
            second.start()
            await city.publish(readings(1050, 50, start_us=now), partition=6)
            books = await city.until_total(400)
        assert (books["stored"], books["duplicate"]) == (400, 0)
        assert await differences(city) == []
    finally:
        second.stop()


async def test_a_topic_replaced_and_refilled_between_two_fetches_is_another_log(
    city: City, start: Callable[[str], subprocess.Popen[bytes]]
) -> None:
    """The worker is paused, which its broker doesn't notice: no connection breaks, no fetch meets a missing topic."""
    now = now_us()
    admin = AdminClient({"bootstrap.servers": city.settings.kafka_bootstrap})
    await city.publish(readings(0, 300, start_us=now), partition=0)
    worker = start("one")
    await city.until_total(300)
    await asyncio.sleep(1)
    worker.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1)  # the fetch under way comes to its end, before the topic does
    await _replace(admin)
    await city.publish(readings(1000, 500, start_us=now), partition=0)
    worker.send_signal(signal.SIGCONT)
    books = await city.until_total(800)
    assert (books["stored"], books["duplicate"], books["no_record"]) == (800, 0, 0)
    assert await city.pool.fetchval("SELECT max(generation) FROM ledger WHERE topic = $1", TRAFFIC) == 2
    assert await differences(city) == []


async def _replace(admin: AdminClient) -> None:
    """Delete the topic and make it again as soon as the name is free."""
    for deletion in admin.delete_topics([TRAFFIC]).values():
        await asyncio.to_thread(deletion.result)
    configuration = {"message.timestamp.type": "LogAppendTime"}
    for attempt in range(200):
        (creation,) = admin.create_topics([NewTopic(TRAFFIC, 6, 1, config=configuration)]).values()
        try:
            await asyncio.to_thread(creation.result)
        except KafkaException:
            assert attempt < 199
            await asyncio.sleep(0.005)
        else:
            return
