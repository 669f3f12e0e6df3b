"""An embedded broker dies with records that nobody has read: how many is in the books until somebody accepts it."""

import asyncio
import json
from typing import Any

import pytest

from city.kafka import TopicPartition, ensure_topics, open_log_reader, topic_for
from citywatch.embedded.broker import EmbeddedBroker
from ingest.ends import KnownEnds
from ingest.ownership import Owned, Ownership
from tests.ingest.conftest import City, event, now_us
from tests.ingest.test_ledger_command import environment, ledger

pytestmark = [pytest.mark.only(broker="embedded"), pytest.mark.usefixtures("environment")]
__all__ = ["environment"]

TRAFFIC = topic_for("traffic")
BOOKS = "SELECT cluster, generation, closed_at FROM ledger WHERE topic = $1 AND partition = 0"
LOST = "SELECT cluster, topic, partition, lost FROM ledger_lost WHERE lost > 0"


def readings(first: int, count: int) -> list[bytes | None]:
    start = now_us()
    return [event(f"VVK-{n}", start + n, {"speed_kmh": 1}) for n in range(first, first + count)]


async def die(city: City, broker: EmbeddedBroker) -> None:
    """Its process is killed, and another one begins empty."""
    assert broker.process is not None
    broker.process.kill()
    broker.process.wait()
    broker.start()
    await ensure_topics(city.settings, city.catalogue)


async def tell(city: City, cluster: str, ends: dict[int, int], topic: str = TRAFFIC) -> None:
    known = KnownEnds()
    known.note({(cluster, TopicPartition(topic, partition)): end for partition, end in ends.items()})
    await known.tell(city.pool)


async def lost(city: City) -> list[tuple[str, str, int, int]]:
    return [tuple(row) for row in await city.pool.fetch(LOST)]


async def test_what_was_acknowledged_while_ingest_was_away_is_a_number_until_accepted(
    city: City, embedded_broker: EmbeddedBroker
) -> None:
    gone = embedded_broker.cluster_id
    await city.publish(readings(0, 30), partition=0)
    async with city.worker():
        await city.until_total(30)
    await city.publish(readings(30, 12), partition=0)
    await tell(city, gone, {0: 42})
    await tell(city, gone, {0: 40})  # is known to be more
    await die(city, embedded_broker)
    code, output = await asyncio.to_thread(ledger, "--verify", "--wait", "0")
    assert (code, f"lost {TRAFFIC}/0: 12 records up to offset 42 were never read" in output) == (1, True), output

    await city.publish(readings(50, 5), partition=0)
    async with city.worker():
        await city.until(lambda books: books["stored"] == 35)
        assert await lost(city) == [(gone, TRAFFIC, 0, 12)]
        code, output = await asyncio.to_thread(ledger, "--verify")
        assert code == 1
        assert output.count("were never read, the log is gone") == 1
        assert f"lost {TRAFFIC}/0: 12 records of generation 1 of {gone} were never read" in output
        code, output = await asyncio.to_thread(ledger, "--accept-lost")
        assert (code, output.startswith("accepted the loss of 12 records")) == (0, True)
        assert (await asyncio.to_thread(ledger, "--accept-lost"))[1].startswith("no log was lost unread")
        code, output = await asyncio.to_thread(ledger, "--verify")
        assert (code, "the books agree with the broker" in output) == (0, True), output
        assert "accepted: 12" in output

        await tell(city, gone, {0: 43})  # a word that came late counts as well
        code, output = await asyncio.to_thread(ledger, "--verify")
        assert (code, "1 records up to offset 43" in output) == (1, True), output
    detail = await city.pool.fetchval("SELECT after FROM audit WHERE action = 'ledger.accept'")
    assert json.loads(detail) == {"what": "lost", "records": 12, "partitions": [f"{TRAFFIC}/0: 12"]}


async def test_what_ingest_saw_and_could_not_write_is_lost_with_the_log(
    city: City, embedded_broker: EmbeddedBroker
) -> None:
    gone = embedded_broker.cluster_id
    async with city.worker(), city.pool.acquire() as holder:
        await city.publish(readings(0, 10), partition=0)
        await city.until_total(10)
        async with holder.transaction():
            await holder.execute("LOCK TABLE reading IN EXCLUSIVE MODE")
            await city.publish(readings(0, 10), partition=0)  # is being written while the broker dies
            await asyncio.sleep(1)
            await die(city, embedded_broker)
            async with asyncio.timeout(30):
                while not await lost(city):  # the one that hangs is given up, and what it carried with it
                    await asyncio.sleep(0.1)
        await city.publish(readings(0, 5), partition=0)
        await city.until(lambda books: books["stored"] == 15)
        assert await lost(city) == [(gone, TRAFFIC, 0, 10)]
        closed = await city.pool.fetch("SELECT DISTINCT cluster FROM ledger WHERE closed_at IS NOT NULL")
        assert [row["cluster"] for row in closed] == [gone]


async def test_what_ingest_has_in_hand_when_the_log_dies_is_written(
    city: City, embedded_broker: EmbeddedBroker
) -> None:
    async with city.worker(), city.pool.acquire() as holder:
        await city.publish(readings(0, 10), partition=0)
        await city.until_total(10)
        async with holder.transaction():
            await holder.execute("LOCK TABLE series IN ACCESS EXCLUSIVE MODE")
            await city.publish(readings(10, 5), partition=0)  # new ones, which wait
            await asyncio.sleep(0.7)
            await city.publish(readings(15, 50), partition=0)  # and these behind them, in memory
            await asyncio.sleep(0.7)
            await die(city, embedded_broker)
            await asyncio.sleep(0.7)
        await city.publish(readings(70, 5), partition=0)
        await city.until(lambda books: books["stored"] == 70)
        assert await lost(city) == []


async def test_a_log_that_was_never_read_has_its_book(city: City, embedded_broker: EmbeddedBroker) -> None:
    gone = embedded_broker.cluster_id
    await city.publish(readings(0, 9), partition=1)
    await tell(city, gone, {1: 9})
    await die(city, embedded_broker)
    async with city.worker():
        await city.until(lambda _: True)
        while not await lost(city):
            await asyncio.sleep(0.05)
    assert await lost(city) == [(gone, TRAFFIC, 1, 9)]


async def test_a_log_that_was_read_to_its_end_loses_nothing(city: City, embedded_broker: EmbeddedBroker) -> None:
    gone = embedded_broker.cluster_id
    async with city.worker():
        await city.publish(readings(0, 40), partition=0)
        await city.until_total(40)
        await tell(city, gone, {0: 40, 1: 0})
        await die(city, embedded_broker)
        await city.publish(readings(40, 3), partition=0)
        await city.until(lambda books: books["stored"] == 43)
        code, output = await asyncio.to_thread(ledger, "--verify")
    assert (code, "the books agree with the broker" in output) == (0, True), output
    assert await lost(city) == []
    assert await city.pool.fetchval("SELECT count(*) FROM ledger WHERE cluster = $1 AND closed_at IS NULL", gone) == 0


@pytest.fixture
def before_the_epoch(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """A taker of the name `paused` stands between the broker's answers and the epoch: it is there; it may go on."""
    there, may_go_on = asyncio.Event(), asyncio.Event()
    real = Ownership._raise_epoch

    async def raise_epoch(self: Ownership, *arguments: Any) -> Owned:
        if self._owner == "paused" and not may_go_on.is_set():
            there.set()
            await may_go_on.wait()
        return await real(self, *arguments)

    monkeypatch.setattr(Ownership, "_raise_epoch", raise_epoch)
    return there, may_go_on


async def test_an_answer_from_before_a_pause_makes_no_other_log(
    city: City, before_the_epoch: tuple[asyncio.Event, asyncio.Event]
) -> None:
    there, may_go_on = before_the_epoch
    await city.publish(readings(0, 10), partition=0)
    tp = TopicPartition(TRAFFIC, 0)
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        taking = asyncio.create_task(Ownership(city.pool, reader, "paused").take([tp]))
        await there.wait()
        async with city.worker():
            await city.publish(readings(10, 10), partition=0)
            await city.until_total(20)
        may_go_on.set()
        assert await taking == {tp: 20}
    books = await city.pool.fetch(
        "SELECT generation, closed_at FROM ledger WHERE topic = $1 AND partition = 0", TRAFFIC
    )
    assert [tuple(book) for book in books] == [(1, None)]


async def test_who_was_paused_while_the_broker_died_closes_no_book_of_the_next(
    city: City, embedded_broker: EmbeddedBroker, before_the_epoch: tuple[asyncio.Event, asyncio.Event]
) -> None:
    there, may_go_on = before_the_epoch
    gone = embedded_broker.cluster_id
    await city.publish(readings(0, 10), partition=0)
    async with city.worker():
        await city.until_total(10)
    async with open_log_reader(city.settings, [TRAFFIC]) as reader:
        taking = asyncio.create_task(Ownership(city.pool, reader, "paused").take([TopicPartition(TRAFFIC, 0)]))
        await there.wait()
        await die(city, embedded_broker)
        async with city.worker():
            await city.publish(readings(10, 5), partition=0)
            await city.until_total(15)
        may_go_on.set()
        assert await taking == {}
    books = await city.pool.fetch(BOOKS, TRAFFIC)
    assert {book["cluster"]: book["closed_at"] is not None for book in books} == {
        gone: True,
        embedded_broker.cluster_id: False,
    }
    assert await lost(city) == []
