"""A reader that is behind everywhere: no partition waits until the others are read."""

import asyncio
from collections import Counter

from city.kafka import Producer, TopicPartition
from city.settings import Settings
from tests.kafka.conftest import Book, MakeTopic

PARTITIONS = 12
RECORDS = 100
VALUE = bytes(100_000)
"""All of a partition is more than the reader's buffer, and all partitions far more than one answer of the broker."""


async def preload(settings: Settings, topic: str) -> None:
    async with Producer(settings, linger_ms=0) as producer, asyncio.TaskGroup() as sending:
        for partition in range(PARTITIONS):
            for _ in range(RECORDS):
                sending.create_task(producer.publish(topic, VALUE, partition=partition))


async def test_everybody_has_had_some_when_half_is_read(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic("far-behind", PARTITIONS)
    await preload(kafka_settings, "far-behind")
    async with book.consumer(kafka_settings, "far-behind") as consumer:
        await book.read_until(consumer, lambda: len(book.records) * 2 >= PARTITIONS * RECORDS)
        had = Counter(tp.partition for tp, _ in book.records)
        assert set(had) == set(range(PARTITIONS)), had
        await book.read_until(consumer, lambda: len(book.records) == PARTITIONS * RECORDS, 60)
    assert Counter(tp for tp, _ in book.records) == {
        TopicPartition("far-behind", number): RECORDS for number in range(PARTITIONS)
    }
