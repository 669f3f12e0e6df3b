"""Apache Kafka drops records while ingest is down: counted to the record, told until accepted, and reading goes on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from confluent_kafka import TopicPartition as Offset
from confluent_kafka.admin import AdminClient

from city.kafka import open_log_reader, topic_for
from tests.ingest.conftest import City, event, now_us
from tests.ingest.test_ledger_command import environment, ledger

pytestmark = pytest.mark.only(broker="kafka")  # the embedded one never forgets
__all__ = ["environment"]

TRAFFIC = topic_for("traffic")


def readings(first: int, count: int, *, start_us: int) -> list[bytes | None]:
    return [event(f"VVK-{i % 50:03}", start_us + i * 1000, {"speed_kmh": i % 90}) for i in range(first, first + count)]


async def delete_before(city: City, partition: int, offset: int) -> None:
    """What retention does, at an offset that the test knows."""
    admin = AdminClient({"bootstrap.servers": city.settings.kafka_bootstrap})
    for deletion in admin.delete_records([Offset(TRAFFIC, partition, offset)]).values():
        done = await asyncio.to_thread(deletion.result)
        assert done.low_watermark == offset


@asynccontextmanager
async def kept_for(city: City, milliseconds: int) -> AsyncIterator[None]:
    """The topic keeps its records for so long while inside, and then for ever."""
    admin = AIOKafkaAdminClient(bootstrap_servers=city.settings.kafka_bootstrap)
    await admin.start()

    async def keep(value: int) -> None:
        configs: Any = {"retention.ms": str(value), "message.timestamp.type": "LogAppendTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TRAFFIC, configs=configs)])

    try:
        await keep(milliseconds)
        yield
        await keep(-1)
    finally:
        await admin.close()


async def log_starts(city: City) -> list[int]:
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        return [await reader.log_start(tp) for tp in await reader.partitions(TRAFFIC)]


async def expired(city: City) -> dict[int, int]:
    rows = await city.pool.fetch("SELECT partition, expired FROM ledger WHERE topic = $1 AND expired > 0", TRAFFIC)
    return dict(rows)


async def prove_and_accept(lost: dict[int, int]) -> None:
    """The proof names each loss and fails until the command accepts it."""
    code, output = await asyncio.to_thread(ledger, "--verify", "--wait", "20")
    assert code == 1
    for partition, records in lost.items():
        assert f"expired {TRAFFIC}/{partition}: retention took {records} records before they were read" in output
    assert output.count("retention took") == len(lost)
    code, output = await asyncio.to_thread(ledger, "--accept-expired")
    assert (code, f"accepted the loss of {sum(lost.values())} records" in output) == (0, True)
    code, output = await asyncio.to_thread(ledger, "--verify")
    assert code == 0, output
    assert "the books agree with the broker" in output


@pytest.mark.usefixtures("environment")
async def test_records_deleted_in_part_while_ingest_is_down(city: City) -> None:
    now = now_us()
    for partition in (0, 1):
        await city.publish(readings(partition * 1000, 300, start_us=now), partition=partition)
    async with city.worker():
        await city.until_total(600)
    for partition in (0, 1):
        await city.publish(readings(partition * 1000 + 300, 200, start_us=now), partition=partition)
    await delete_before(city, 0, 437)  # 137 unread are gone, 63 are left
    await delete_before(city, 1, 250)  # all of these were read
    async with city.worker():
        books = await city.until_total(1000)
        assert (books["stored"], books["expired"]) == (863, 137)
        assert await expired(city) == {0: 137}
        await city.publish(readings(500, 100, start_us=now), partition=0)
        books = await city.until_total(1100)
        await prove_and_accept({0: 137})
    assert (books["stored"], books["duplicate"], books["expired"]) == (963, 0, 137)
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 963


@pytest.mark.usefixtures("environment")
async def test_a_log_that_retention_emptied_while_ingest_was_down(city: City) -> None:
    now = now_us()
    await city.publish(readings(0, 300, start_us=now), partition=0)
    async with city.worker():
        await city.until_total(300)
    await city.publish(readings(300, 200, start_us=now), partition=0)
    await city.publish(readings(1000, 50, start_us=now), partition=1)
    async with kept_for(city, 1000):
        deadline = time.monotonic() + 60
        while (await log_starts(city))[:2] != [500, 50]:
            assert time.monotonic() < deadline, await log_starts(city)
            await asyncio.sleep(0.5)
    await city.publish(readings(500, 40, start_us=now), partition=0)
    async with city.worker():
        books = await city.until_total(590)
        assert (books["stored"], books["expired"]) == (340, 250)
        await prove_and_accept({0: 200, 1: 50})
    assert await city.pool.fetchval("SELECT count(*) FROM reading") == 340
