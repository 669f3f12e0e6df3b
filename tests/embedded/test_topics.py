"""Topics are on an embedded broker before anybody's records, and what its logs held is known when it dies."""

import asyncio
import time

import asyncpg
import pytest
from aiokafka.client import AIOKafkaClient

from city.kafka import Producer, TopicPartition, ensure_topics, open_log_reader, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.embedded.broker import EmbeddedBroker
from citywatch.embedded.topics import create_topics
from citywatch.supervisor.ends import LogEnds
from tests.kafka.batches import simple
from tests.kafka.test_fresh_broker import put_unasked

pytestmark = pytest.mark.only(broker="embedded")
TRAFFIC = topic_for("traffic")


async def test_a_broker_that_was_used_before_it_had_topics_is_started_anew(
    settings: Settings, embedded_broker: EmbeddedBroker
) -> None:
    told: list[str] = []
    assert await put_unasked(settings, simple(0, 2)) == 0
    cluster = embedded_broker.cluster_id
    await create_topics(embedded_broker, settings, told.append)
    assert embedded_broker.cluster_id != cluster
    assert len(told) == 1
    assert f"took records before it had topics ({TRAFFIC}/0)" in told[0]
    async with Producer(settings) as producer:
        assert (await producer.publish(TRAFFIC, b"first", partition=0)).offset == 0

    embedded_broker.stop()
    embedded_broker.start()
    cluster = embedded_broker.cluster_id
    await create_topics(embedded_broker, settings, told.append)
    assert (embedded_broker.cluster_id, len(told)) == (cluster, 1)


async def test_a_topic_that_another_client_made_by_asking_is_made_anew(
    settings: Settings, embedded_broker: EmbeddedBroker
) -> None:
    client = AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap)
    try:
        await client.bootstrap()
        await client.set_topics([TRAFFIC])  # leave to create it is the library's habit
        async with asyncio.timeout(10):
            while not client.cluster.partitions_for_topic(TRAFFIC):
                await client.force_metadata_update()
    finally:
        await client.close()
    told: list[str] = []
    began = time.monotonic()
    await create_topics(embedded_broker, settings, told.append)
    assert time.monotonic() - began < 2
    assert len(told) == 1
    async with open_log_reader(settings, [TRAFFIC]) as reader:
        assert len(await reader.partitions(TRAFFIC)) == 2


async def test_the_ends_of_all_logs_are_known_to_who_looks(settings: Settings, embedded_broker: EmbeddedBroker) -> None:
    await ensure_topics(settings, Catalogue.load(settings.city))
    ends = LogEnds(settings)
    await ends.tell()
    async with Producer(settings) as producer:
        for number in range(7):
            await producer.publish(TRAFFIC, b"%d" % number, partition=number % 2)
        await producer.publish("city.live", b"no sector's")
    async with open_log_reader(settings, [TRAFFIC]) as reader:
        assert await reader.ends([TRAFFIC]) == {TopicPartition(TRAFFIC, 0): 4, TopicPartition(TRAFFIC, 1): 3}
    await ends.look()
    cluster = embedded_broker.cluster_id
    embedded_broker.stop()
    await ends.look()
    await ends.tell()
    connection = await asyncpg.connect(settings.database_dsn)
    try:
        rows = await connection.fetch("SELECT cluster, topic, partition, known_end FROM log_end ORDER BY partition")
        assert [tuple(row) for row in rows] == [(cluster, TRAFFIC, 0, 4), (cluster, TRAFFIC, 1, 3)]
    finally:
        await connection.close()
