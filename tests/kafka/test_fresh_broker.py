"""The embedded broker just after its start, and while many publish at once: nothing acknowledged is passed over."""

import asyncio
import time
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from city.kafka import KafkaError, Producer, TopicPartition
from city.kafka.chain import Chain
from city.kafka.client import Client
from city.kafka.intake import HOLE_S, Intake
from city.kafka.log import FetchedPart
from city.kafka.partition import PartitionState
from city.settings import Settings
from tests.kafka.batches import simple
from tests.kafka.conftest import Book, MakeTopic, only_on_embedded

TOPIC = "city.traffic.events"
FIRST = TopicPartition(TOPIC, 0)


async def put_unasked(settings: Settings, batch: bytes) -> int:
    """As a publisher that believes in topics of before; returns the broker's error code."""
    client = AIOKafkaClient(bootstrap_servers=settings.kafka_bootstrap)
    try:
        await client.bootstrap()
        (node,) = client.cluster.brokers()
        answer = await client.send(node.nodeId, ProduceRequest(None, -1, 5000, [(TOPIC, [(0, batch)])]))
        code: int = answer.topics[0][1][0][1]
        return code
    finally:
        await client.close()


@only_on_embedded
async def test_producers_wait_for_the_topics_of_a_broker_that_came_back_empty(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book, embedded_broker: Any
) -> None:
    await make_topic(TOPIC, 1)
    acknowledged: list[tuple[float, bytes]] = []
    done = asyncio.Event()

    async def publish(producer: Producer, value: bytes) -> None:
        try:
            await producer.publish(TOPIC, value, partition=0)
        except KafkaError:
            return  # said to be unknown
        acknowledged.append((time.monotonic(), value))

    async def flow(name: int) -> None:
        async with Producer(kafka_settings) as producer, asyncio.TaskGroup() as sending:
            number = 0
            while not done.is_set():
                number += 1
                sending.create_task(publish(producer, b"%d-%d" % (name, number)))
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as flows:
        for name in range(3):
            flows.create_task(flow(name))
        await asyncio.sleep(1)
        embedded_broker.process.kill()
        embedded_broker.process.wait()
        await asyncio.sleep(0.3)  # what the dead one had answered is read by now
        died = time.monotonic()
        embedded_broker.start()
        await asyncio.sleep(1)  # whoever sends now by what it knew before is acknowledged and lost
        await make_topic(TOPIC, 1)
        async with asyncio.timeout(30):
            while sum(at > died for at, _ in acknowledged) <= 100:
                await asyncio.sleep(0.1)
        done.set()
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        end = await consumer.log.end_offset(FIRST)
        await book.read_until(consumer, lambda: book.next.get(FIRST) == end)
    assert book.refused == []
    assert book.no_record == 0
    later = {value for at, value in acknowledged if at > died}
    assert len(later) > 100
    assert later <= set(book.values)


@only_on_embedded
async def test_a_hole_is_waited_for_and_is_no_record_when_it_stays(
    kafka_settings: Settings, make_topic: MakeTopic, book: Book
) -> None:
    assert await put_unasked(kafka_settings, simple(0, 1)) == 0
    await make_topic(TOPIC, 1)  # numbers from 0 again
    assert await put_unasked(kafka_settings, simple(0, 3)) != 0  # takes three numbers and is not kept
    assert await put_unasked(kafka_settings, simple(0, 2)) == 0
    async with book.consumer(kafka_settings, TOPIC) as consumer:
        await book.read_until(consumer, lambda: book.next.get(FIRST) == 1)
        began = time.monotonic()
        await book.read_until(consumer, lambda: book.next[FIRST] == 5)
        assert time.monotonic() - began >= HOLE_S - 0.5
    assert (len(book.records), book.no_record) == (3, 2)


def accept(intake: Intake, state: PartitionState, data: bytes, end: int) -> list[int]:
    intake._accept(state, FetchedPart(0, end, 0, [], data))
    batch = state.take(1000)
    return [] if batch is None else [record.offset for record in batch.records]


async def test_an_earlier_batch_that_is_filed_after_a_later_one_is_read(kafka_settings: Settings) -> None:
    """What the embedded broker shows when two publish in the same instant: 5 is there, 3 and 4 not yet."""
    client = Client(kafka_settings, "test")
    embedded = kafka_settings.model_copy(update={"broker": "embedded"})
    intake = Intake(client, "test", embedded, lambda: None)
    state = intake.partitions[FIRST] = PartitionState(FIRST, 0)
    assert accept(intake, state, simple(0, 3) + simple(5, 2), 7) == [0, 1, 2]
    assert accept(intake, state, simple(5, 2), 7) == []
    assert accept(intake, state, simple(3, 2) + simple(5, 2), 7) == [3, 4, 5, 6]
    await client.close()


@pytest.mark.parametrize(
    ("position", "batches", "whole"),
    [
        (0, [(0, 3), (3, 2)], 2),
        (1, [(0, 3), (3, 2)], 2),
        (0, [(0, 3), (4, 2)], 1),
        (0, [(1, 3)], 0),
        (9, [(8, 1)], 1),
        (0, [(0, 2), (2, 2), (9, 1), (10, 1)], 2),
    ],
)
def test_where_the_first_hole_is(position: int, batches: list[tuple[int, int]], whole: int) -> None:
    made = [simple(base, count) for base, count in batches]
    assert Chain(b"".join(made), 100).before_hole(position) == sum(map(len, made[:whole]))
