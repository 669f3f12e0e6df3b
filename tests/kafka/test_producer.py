"""Publishing: every record acknowledged with its place, or refused, or honestly unknown."""

import asyncio
import time
from typing import Any

import pytest

from city.kafka import KafkaError, Producer, PublishRefused, PublishUnknown, TopicPartition, open_log_reader
from city.settings import Settings
from tests.kafka.conftest import Book, MakeTopic

TOPIC = "city.traffic.events"


@pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
async def test_what_is_sent_arrives_with_its_place(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book, compression: Any
) -> None:
    await make_topic(TOPIC, 2)
    async with Producer(kafka_settings, compression=compression) as producer:
        futures = [
            await producer.send(TOPIC, b"%d" % n, key=b"%d" % (n % 7), headers=[("ce_id", b"%d" % n)])
            for n in range(500)
        ]
        sent = await asyncio.gather(*futures)
        only = await producer.publish(TOPIC, None, key=b"k", partition=1, timestamp_us=1_795_331_220_123_456)
    assert len(set(sent)) == 500
    assert only.partition == 1
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: len(book.records) == 501)
    places = {(tp.partition, record.offset): record for tp, record in book.records}
    for number, place in enumerate(sent):
        record = places[place.partition, place.offset]
        assert (record.value, record.headers) == (b"%d" % number, (("ce_id", b"%d" % number),))
    if kafka_settings.broker == "embedded":
        assert places[only.partition, only.offset].timestamp_us == 1_795_331_220_123_000


async def test_a_record_too_large_is_refused_at_once(kafka_settings: Settings, make_topic: MakeTopic) -> None:
    await make_topic(TOPIC, 1)
    async with Producer(kafka_settings) as producer:
        with pytest.raises(PublishRefused, match=r"city\.traffic\.events"):
            await producer.publish(TOPIC, b"x" * (2 << 20))
        assert (await producer.publish(TOPIC, b"small")).offset == 0
        with pytest.raises(PublishRefused, match="key or value"):
            await producer.publish(TOPIC, None)
        with pytest.raises(PublishRefused, match="partition"):
            await producer.publish(TOPIC, b"x", partition=9)


async def test_a_broker_that_goes_away_leaves_it_unknown_and_comes_back(
    kafka_settings: Settings, make_topic: MakeTopic, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("apache_kafka" if kafka_settings.broker == "kafka" else "embedded_broker")
    await make_topic(TOPIC, 1)
    async with Producer(kafka_settings) as producer:
        await producer.publish(TOPIC, b"before")
        server.stop()
        began = time.monotonic()
        with pytest.raises(PublishUnknown, match="safe to send again"):
            await producer.publish(TOPIC, b"lost")
        assert time.monotonic() - began < 25
        server.start()
        if kafka_settings.broker == "embedded":
            await make_topic(TOPIC, 1)
        deadline = time.monotonic() + 30
        while True:
            try:
                await producer.publish(TOPIC, b"after")
                break
            except PublishUnknown:
                assert time.monotonic() < deadline
    async with open_log_reader(kafka_settings) as log:
        assert await log.end_offset(TopicPartition(TOPIC, 0)) >= 1


async def test_a_producer_that_is_not_open_says_so(kafka_settings: Settings) -> None:
    with pytest.raises(KafkaError, match="async with"):
        await Producer(kafka_settings).send(TOPIC, b"x")
