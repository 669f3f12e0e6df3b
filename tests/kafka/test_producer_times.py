"""A topic that was made to keep its producers' times is noticed by whoever reads it, whenever that was."""

import time

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from city.kafka import GroupConsumer, Producer, Record, TopicPartition, ensure_topics, topic_for
from city.metrics import PRODUCER_TIMED
from city.sectors import Catalogue
from city.settings import Settings
from citywatch.embedded.kafka import ApacheKafka

TRAFFIC = topic_for("traffic")
CHANGE = {"message.timestamp.type": "CreateTime"}


async def test_batches_with_their_producers_times_are_counted(apache_kafka: ApacheKafka) -> None:
    settings = Settings(kafka_bootstrap=apache_kafka.bootstrap, broker="kafka", _env_file=None)
    await ensure_topics(settings, Catalogue.load(settings.city))
    got: list[Record] = []

    async def from_start(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(partitions, 0)

    async with (
        Producer(settings) as producer,
        GroupConsumer(settings, "times", [TRAFFIC], on_assigned=from_start) as consumer,
    ):

        async def publish_and_read(total: int) -> None:
            soon = time.time_ns() // 1000 + 60_000_000
            await producer.publish(TRAFFIC, b"{}", partition=0, timestamp_us=soon)
            deadline = time.monotonic() + 40
            while len(got) < total:
                assert time.monotonic() < deadline
                got.extend(record for batch in await consumer.getmany(100, 0.5) for record in batch.records)

        counted = PRODUCER_TIMED.labels("times", TRAFFIC)
        await publish_and_read(1)
        assert counted._value.get() == 0
        admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
        await admin.start()
        try:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TRAFFIC, CHANGE)])
        finally:
            await admin.close()
        total, deadline = 1, time.monotonic() + 40
        while not counted._value.get():  # the broker follows the change a moment later
            assert time.monotonic() < deadline
            total += 1
            await publish_and_read(total)
