"""A broker, topics on it, and a reader that checks the books of every batch it gets."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from city.kafka import Batch, GroupConsumer, OffsetGone, Record, Refused, TopicPartition
from city.settings import Settings
from tests.conftest import BROKER

MakeTopic = Callable[[str, int], Awaitable[None]]

only_on_kafka = pytest.mark.only(broker="kafka")
only_on_embedded = pytest.mark.only(broker="embedded")


@pytest.fixture
def kafka_settings(fresh_broker: str) -> Settings:
    """Settings that know only the broker."""
    kind = "kafka" if BROKER == "kafka" else "embedded"
    return Settings(kafka_bootstrap=fresh_broker, broker=kind, _env_file=None)


@pytest.fixture
def make_topic(kafka_settings: Settings) -> MakeTopic:
    """Create a topic with so many partitions."""

    async def make(name: str, partitions: int) -> None:
        await create_topic(kafka_settings, name, partitions)

    return make


async def create_topic(settings: Settings, name: str, partitions: int, config: dict[str, str] | None = None) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])
        assert [code for _, code, *_ in answer.topic_errors] == [0]  # type: ignore[attr-defined]
    finally:
        await admin.close()


async def raw_produce(settings: Settings, topic: str, partition: int, batch: bytes) -> int:
    """Send bytes as they are; returns the broker's error code, 0 when it took them."""
    client = AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap)
    try:
        await client.bootstrap()
        await client.set_topics([topic])
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        answer = await client.send(leader, ProduceRequest(None, -1, 5000, [(topic, [(partition, batch)])]))
        code: int = answer.topics[0][1][0][1]
        return code
    finally:
        await client.close()


class Book:
    """Stands in for the ledger: says where to start, checks that every offset is told exactly once."""

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = {}
        self.hashes: dict[TopicPartition, bytes] = {}
        self.records: list[tuple[TopicPartition, Record]] = []
        self.refused: list[Refused] = []
        self.no_record = 0
        self.assigned: list[list[TopicPartition]] = []
        self.revoked: list[list[TopicPartition]] = []

    async def on_assigned(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        self.assigned.append(partitions)
        return {tp: self.next.setdefault(tp, 0) for tp in partitions}

    async def on_revoked(self, partitions: list[TopicPartition]) -> None:
        self.revoked.append(partitions)

    def book(self, batch: Batch) -> None:
        assert batch.first_offset == self.next[batch.tp]
        refused = sum(part.next_offset - part.first_offset for part in batch.refused)
        assert batch.next_offset - batch.first_offset == len(batch.records) + refused + batch.no_record
        assert batch.no_record >= 0
        assert batch.end >= batch.next_offset
        self.next[batch.tp] = batch.next_offset
        self.hashes[batch.tp] = batch.last_hash
        self.records += [(batch.tp, record) for record in batch.records]
        self.refused += batch.refused
        self.no_record += batch.no_record

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for _, record in self.records]

    def consumer(self, settings: Settings, *topics: str, group: str = "test") -> GroupConsumer:
        return GroupConsumer(settings, group, topics, on_assigned=self.on_assigned, on_revoked=self.on_revoked)

    async def read_until(self, consumer: GroupConsumer, enough: Callable[[], bool], seconds: float = 30) -> None:
        """Read and book until `enough`; a range that is gone is stepped over."""
        deadline = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < deadline, f"not enough after {seconds} s: {self.next} {len(self.records)}"
            try:
                for batch in await consumer.getmany(1000, 0.5):
                    self.book(batch)
            except OffsetGone as gone:
                self.next[gone.tp] = gone.log_start
                consumer.seek(gone.tp, gone.log_start)
            await asyncio.sleep(0)


@pytest.fixture
def book() -> Book:
    return Book()
