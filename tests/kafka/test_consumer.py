"""The group consumer on a real broker: where it starts, what it delivers, and what it survives."""

import asyncio
import struct
import time
import zlib
from typing import Any

import confluent_kafka
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete
from aiokafka.structs import TopicPartition as ClientTopicPartition

from city.kafka import Batch, GroupConsumer, OffsetGone, Producer, TopicPartition
from city.settings import Settings
from tests.kafka.batches import HEADER, simple, with_body, with_wrong_checksum
from tests.kafka.conftest import Book, MakeTopic, create_topic, only_on_embedded, only_on_kafka, raw_produce

TOPIC = "city.traffic.events"
FIRST = TopicPartition(TOPIC, 0)


def librdkafka(settings: Settings, **options: Any) -> confluent_kafka.Producer:
    return confluent_kafka.Producer({"bootstrap.servers": settings.kafka_bootstrap, "acks": "all", **options})


async def publish(settings: Settings, values: list[bytes | None], partition: int = 0) -> None:
    async with Producer(settings) as producer:
        sent = [await producer.send(TOPIC, value, key=b"k", partition=partition) for value in values]
        await asyncio.gather(*sent)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_every_codec_of_librdkafka_by_its_own_partitioner(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book, codec: str
) -> None:
    await make_topic(TOPIC, 3)
    producer = librdkafka(kafka_settings, **{"compression.type": codec, "linger.ms": 20})
    for number in range(500):
        producer.produce(TOPIC, b"value %d" % number, key=b"VVK-%d" % (number % 50), headers={"ce_id": b"%d" % number})
    for number in range(20):
        producer.produce(TOPIC, b"no key %d" % number)
    assert producer.flush(10) == 0
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: len(book.records) == 520)
    assert sorted(value or b"" for value in book.values) == sorted(
        [b"value %d" % n for n in range(500)] + [b"no key %d" % n for n in range(20)]
    )
    assert len({tp for tp, _ in book.records}) == 3
    assert not book.refused
    record = next(record for _, record in book.records if record.value == b"value 7")
    assert record.key == b"VVK-7"
    assert record.headers == (("ce_id", b"7"),)
    assert abs(record.timestamp_us / 1e6 - time.time()) < 60


async def test_it_starts_where_the_callback_says_and_commits_nothing(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"%d" % n for n in range(10)])
    for start in (4, 8, 4):
        again = Book()
        again.next[FIRST] = start
        async with again.consumer(kafka_settings, TOPIC) as consumer:
            await again.read_until(consumer, lambda: again.next.get(FIRST) == 10)  # noqa: B023
            assert consumer.progress()[FIRST][:2] == (10, 10)
        assert again.values == [b"%d" % n for n in range(start, 10)]


async def test_at_most_so_many_records_and_every_one_in_order(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 2)
    for partition in (0, 1):
        await publish(kafka_settings, [b"%d" % n for n in range(100)], partition)
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        while len(book.records) < 200:
            batches = await consumer.getmany(7, 10)
            assert 0 < sum(len(batch.records) for batch in batches) <= 7
            for one in batches:
                book.book(one)
        before = time.monotonic()
        assert await consumer.getmany(7, 0.2) == []
        assert 0.15 < time.monotonic() - before < 1
    for partition in (0, 1):
        assert [r.value for tp, r in book.records if tp.partition == partition] == [b"%d" % n for n in range(100)]


async def test_tombstones_are_delivered_and_a_seek_goes_back(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"a", None, b""])
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.next.get(FIRST) == 3)
        consumer.seek(FIRST, 1)
        book.next[FIRST] = 1
        await book.read_until(consumer, lambda: book.next[FIRST] == 3)
    assert book.values == [b"a", None, b"", None, b""]


async def test_a_paused_partition_rests_and_the_others_go_on(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 2)
    other = TopicPartition(TOPIC, 1)
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: len(consumer.assignment) == 2)
        consumer.pause(FIRST)
        await publish(kafka_settings, [b"0"], 0)
        await publish(kafka_settings, [b"1"], 1)
        await book.read_until(consumer, lambda: book.next[other] == 1)
        assert await consumer.getmany(10, 0.7) == []
        consumer.resume(FIRST)
        await book.read_until(consumer, lambda: book.next[FIRST] == 1)


async def test_a_callback_that_raises_is_called_again(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"a"])
    calls = 0

    async def on_assigned(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ConnectionError("the database is away")
        return dict.fromkeys(partitions, 0) if calls > 3 else {}

    raised = 0
    async with GroupConsumer(kafka_settings, "g", [TOPIC], on_assigned=on_assigned) as consumer:
        batches: list[Batch] = []
        while not batches:
            try:
                batches = await consumer.getmany(10, 10)
            except ConnectionError:
                raised += 1
        assert batches[0].records[0].value == b"a"
    assert (raised, calls) == (2, 4)  # left out of the third answer, it was asked about again


@only_on_kafka
async def test_an_offset_that_retention_took_is_told_for_its_partition_alone(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 2)
    for partition in (0, 1):
        await publish(kafka_settings, [b"%d" % n for n in range(10)], partition)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_records({ClientTopicPartition(TOPIC, 0): RecordsToDelete(before_offset=6)})
    finally:
        await admin.close()
    book.next = {FIRST: 2, TopicPartition(TOPIC, 1): 2}
    gone = []
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        while len(book.records) < 12:
            try:
                for one in await consumer.getmany(100, 5):
                    book.book(one)
            except OffsetGone as error:
                gone.append((error.tp, error.position, error.log_start, error.code))
                book.next[FIRST] = error.log_start
                consumer.seek(error.tp, error.log_start)
    assert gone == [(FIRST, 2, 6, "offset_gone")]


@only_on_kafka
async def test_new_partitions_are_read_while_running(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 1)
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: len(consumer.assignment) == 1)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.kafka_bootstrap)
        await admin.start()
        try:
            await admin.create_partitions({TOPIC: NewPartitions(3)})
        finally:
            await admin.close()
        assert len(await consumer.log.partitions(TOPIC)) == 3
        await publish(kafka_settings, [b"new"], 2)
        await book.read_until(consumer, lambda: book.values == [b"new"])
        assert book.assigned[0] == [FIRST]
        assert FIRST not in book.assigned[1]
        assert book.revoked == []


async def test_topics_made_later_are_read(kafka_settings: Settings, make_topic: MakeTopic, book: Book) -> None:
    await make_topic(TOPIC, 1)
    async with book.consumer(kafka_settings, TOPIC, "city.energy.events") as consumer:
        await book.read_until(consumer, lambda: len(consumer.assignment) == 1)
        await make_topic("city.energy.events", 1)
        await book.read_until(consumer, lambda: len(consumer.assignment) == 2)


async def test_two_members_share_and_one_takes_over(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 4)
    async with book.consumer(kafka_settings, TOPIC) as one:
        await book.read_until(one, lambda: len(one.assignment) == 4)
        kept_from = len(book.assigned)
        second = Book()
        second.next = book.next
        async with second.consumer(kafka_settings, TOPIC) as two:
            deadline = time.monotonic() + 30
            while not (len(one.assignment) == len(two.assignment) == 2):
                assert time.monotonic() < deadline
                await asyncio.gather(one.getmany(10, 0.2), two.getmany(10, 0.2))
            assert not one.assignment & two.assignment
            assert len(book.assigned) == kept_from  # what it kept was not taken again
            for partition in range(4):
                await publish(kafka_settings, [b"%d" % partition], partition)
            while len(book.records) + len(second.records) < 4:
                for reader, owner in ((one, book), (two, second)):
                    for batch_ in await reader.getmany(10, 0.2):
                        owner.book(batch_)
        left = time.monotonic()
        await book.read_until(one, lambda: len(one.assignment) == 4)
        assert time.monotonic() - left < 10


@only_on_embedded
async def test_a_broker_that_restarts_empty_is_another_log(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book, embedded_broker: Any
) -> None:
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"old %d" % n for n in range(1000)])
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.next.get(FIRST) == 1000)
        cluster = await consumer.log.cluster_id()
        assert await consumer.log.last_record_hash(FIRST, 999) == book.hashes[FIRST]
        calls = len(book.assigned)

        async def another_log(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
            book.assigned.append(partitions)
            for tp in partitions:
                if book.next[tp] and await consumer.log.last_record_hash(tp, book.next[tp] - 1) != book.hashes[tp]:
                    book.next[tp] = 0
            return {tp: book.next[tp] for tp in partitions}

        consumer._on_assigned = another_log
        embedded_broker.stop()
        assert await consumer.getmany(10, 1.5) == []
        embedded_broker.start()
        await create_topic(kafka_settings, TOPIC, 1)
        await publish(kafka_settings, [b"new %d" % n for n in range(1200)])
        await book.read_until(consumer, lambda: book.next[FIRST] == 1200)
        assert await consumer.log.cluster_id() != cluster
        assert len(book.assigned) > calls
    assert book.values == [b"old %d" % n for n in range(1000)] + [b"new %d" % n for n in range(1200)]


@only_on_kafka
async def test_a_broker_that_restarts_with_its_log_is_read_on(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book, apache_kafka: Any
) -> None:
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"%d" % n for n in range(100)])
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.next.get(FIRST) == 100)
        calls = len(book.assigned)
        apache_kafka.stop()
        assert await consumer.getmany(10, 1.5) == []
        apache_kafka.start()
        await publish(kafka_settings, [b"%d" % n for n in range(100, 200)])
        await book.read_until(consumer, lambda: book.next[FIRST] == 200, seconds=60)
        assert len(book.assigned) > calls  # the connection was lost: the log's identity has to be verified
        assert await consumer.log.last_record_hash(FIRST, 199) == book.hashes[FIRST]
    assert book.values == [b"%d" % n for n in range(200)]


async def test_a_topic_created_anew_is_another_log(kafka_settings: Settings, make_topic: MakeTopic, book: Book) -> None:
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"old"] * 5)
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.next.get(FIRST) == 5)
        old = book.hashes[FIRST]
        calls = len(book.assigned)
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_settings.kafka_bootstrap)
        await admin.start()
        try:
            await admin.delete_topics([TOPIC])
        finally:
            await admin.close()
        await asyncio.sleep(1)
        await make_topic(TOPIC, 1)
        await publish(kafka_settings, [b"new"] * 5)
        deadline = time.monotonic() + 30
        while len(book.assigned) == calls:
            assert time.monotonic() < deadline
            await consumer.getmany(10, 0.5)
        assert await consumer.log.last_record_hash(FIRST, 4) not in (None, old)


async def test_a_reader_without_a_broker_waits_and_then_reads(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("apache_kafka" if kafka_settings.broker == "kafka" else "embedded_broker")
    server.stop()
    consumer = book.consumer(kafka_settings, TOPIC)
    entering = asyncio.create_task(consumer.__aenter__())
    cpu = time.process_time()
    await asyncio.sleep(2)
    assert not entering.done()
    assert time.process_time() - cpu < 0.5
    server.start()
    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"a"])
    await entering
    try:
        await book.read_until(consumer, lambda: book.values == [b"a"])
    finally:
        await consumer.close()


def bomb_of_records(mebibytes: int) -> bytes:
    """Valid records of zeros that inflate to so much: a broker that checks its batches takes it."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(_zeros_record(_varint(delta), 1 << 20)) for delta in range(mebibytes))
    return with_body(0, mebibytes, 1, body + packer.flush())


def _zeros_record(offset: bytes, size: int) -> bytes:
    payload = b"\0\0" + offset + b"\x01" + _varint(size) + bytes(size) + b"\0"
    return _varint(len(payload)) + payload


def _varint(number: int) -> bytes:
    zigzag, out = number << 1, b""
    while zigzag >= 0x80:
        out += bytes([zigzag & 0x7F | 0x80])
        zigzag >>= 7
    return out + bytes([zigzag])


async def test_a_bomb_and_bad_batches_on_a_broker_block_nothing(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    import psutil

    await make_topic(TOPIC, 1)
    await publish(kafka_settings, [b"before"])
    bombs = [code := await raw_produce(kafka_settings, TOPIC, 0, bomb_of_records(300))]
    wrong = await raw_produce(kafka_settings, TOPIC, 0, with_wrong_checksum(simple(0, 3)))
    await publish(kafka_settings, [b"after"])
    resident = psutil.Process().memory_info().rss
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.values[-1:] == [b"after"])
    assert (psutil.Process().memory_info().rss - resident) / 2**20 < 60
    assert book.values == [b"before", b"after"]
    reasons = [(part.reason, part.next_offset - part.first_offset) for part in book.refused]
    assert code == 0, f"the broker did not take the bomb: {bombs}"
    assert ("too_large", 300) in reasons
    if wrong == 0:
        assert ("bad_batch", 3) in reasons


@only_on_kafka
async def test_aborted_transactions_and_markers_are_no_record(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 1)
    producer = librdkafka(kafka_settings, **{"transactional.id": "t"})

    def transaction(value: bytes, commit: bool) -> None:
        producer.begin_transaction()
        for _ in range(10):
            producer.produce(TOPIC, value, key=b"k")
        producer.flush(10)
        producer.commit_transaction(10) if commit else producer.abort_transaction(10)

    await asyncio.to_thread(producer.init_transactions, 10)
    await asyncio.to_thread(transaction, b"kept", True)
    await asyncio.to_thread(transaction, b"aborted", False)
    await asyncio.to_thread(transaction, b"kept too", True)
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.next.get(FIRST) == 33)
        assert book.no_record == 13
        assert await consumer.log.last_record_hash(FIRST, 32) == book.hashes[FIRST]
        assert await consumer.log.record_time(FIRST, 10) == await consumer.log.record_time(FIRST, 22) is not None
        assert await consumer.log.record_time(FIRST, 32) is None
        await asyncio.to_thread(producer.begin_transaction)
        producer.produce(TOPIC, b"open", key=b"k")
        await asyncio.to_thread(producer.flush, 10)
        assert await consumer.getmany(10, 1) == []
        assert await consumer.log.end_offset(FIRST) == 33  # stable, although the log is longer
        await asyncio.to_thread(producer.abort_transaction, 10)
    assert book.values == [b"kept"] * 10 + [b"kept too"] * 10


async def test_an_idle_consumer_costs_little_and_closes_fast(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    await make_topic(TOPIC, 4)
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: len(consumer.assignment) == 4)
        cpu, wall = time.process_time(), time.monotonic()
        await consumer.getmany(10, 3)
        share = (time.process_time() - cpu) / (time.monotonic() - wall)
        closing = time.monotonic()
    assert time.monotonic() - closing < 4
    assert share < 0.35


def test_the_bomb_is_what_it_says() -> None:
    made = bomb_of_records(3)
    assert struct.unpack_from(">i", made, 57)[0] == 3
    assert len(zlib.decompress(made[HEADER:], 31)) > 3 << 20
