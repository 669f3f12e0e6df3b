"""What ticks alone bring is journalled wherever it changes the state, told or not: whoever succeeds a worker that was
killed after it stands where it stood."""

import asyncio
import signal
import time

import msgspec

from alerts.freeze import freeze
from alerts.frozen import encode
from alerts.journal import Entry, Step
from alerts.recovery import recover
from alerts.runner import SectorRunner
from alerts.worker import Worker
from city.clock import SystemClock
from city.decoding import Decoder
from city.kafka import GroupConsumer, TopicPartition, open_log_reader, topic_for
from city.settings import Settings
from city.zones import ZoneMap
from tests.alerts.conftest import City
from tests.alerts.test_kill import Workers, workers

__all__ = ["workers"]

HEAD = "rule: {0}\ntitle: {{vi: a, en: b}}\nshort: {{vi: a, en: b}}\nsector: environment\nmetric: flood_cm\n"
LATE = HEAD.format("late") + "lateness: 2s\nraise: {warning: {changed_by: {value: 10, within: 10m}}}"
LASTING = HEAD.format("lasting") + "lateness: 3s\nraise: {warning: {above: 15, for: 1m}}"
MEAN = HEAD.format("mean") + "measure: {mean: 1m}\nraise: {warning: {above: 15}}"
ABSENT = HEAD.format("absent") + "raise: {warning: {absent: 30s}}"


async def steps(city: City) -> list[Step]:
    """The sector's journalled steps since the last snapshot but one."""
    rows = await city.pool.fetch("SELECT body FROM engine_journal WHERE sector = 'environment' ORDER BY step")
    return [step for row in rows for step in msgspec.msgpack.decode(row["body"], type=Entry).steps]


def are_ticks(some: list[Step]) -> int:
    return sum(step.kind == "records" and step.at_end and not step.ranges for step in some)


async def rules(city: City) -> set[str]:
    """Those that have told something."""
    return {rule for _, rule, _ in await city.history()}


async def test_a_reading_let_go_by_a_tick_stays_gone_when_the_worker_is_killed(city: City, workers: Workers) -> None:
    """The reading has waited out its lateness; what is older than it then comes too late, whoever takes it."""
    await city.apply(LATE)
    workers.start("doomed")
    await city.owned(seconds=60)
    sent = await city.send("F-1", flood_cm=20)
    async with asyncio.timeout(30):
        while not are_ticks(await steps(city)):
            await asyncio.sleep(0.1)
    assert await city.history() == []
    workers.send("doomed", signal.SIGKILL)
    await workers.died("doomed")
    await city.send("F-1", age_s=time.time() - sent / 1e6 + 1, flood_cm=0)
    await city.send("F-2", flood_cm=0)
    await city.send("F-2", flood_cm=20)
    workers.start("heir")
    async with asyncio.timeout(60):
        while not await city.history():
            await asyncio.sleep(0.1)
        await city.send("F-3", flood_cm=0)
        await city.send("F-3", flood_cm=20)
        while len(await city.history()) < 2:  # it is raised by a later tick, before which there is nothing else
            await asyncio.sleep(0.1)
    assert await city.history() == [("raised", "late", "F-2"), ("raised", "late", "F-3")]


async def test_the_heir_of_a_killed_worker_stands_where_it_stood(city: City, settings: Settings) -> None:
    """Ticks have let go readings, ended the feed of an instrument (which nobody is told), found an absence."""
    await city.apply(LATE, LASTING, MEAN, ABSENT)
    decoder, stop = Decoder(city.catalogue, ZoneMap.load(settings.city)), asyncio.Event()
    worker = Worker(settings, city.pool, decoder, "one", SystemClock())
    task = asyncio.create_task(worker.run(stop))
    await city.owned()
    await city.send("N-1", noise_db=50)
    await city.send("F-0", flood_cm=9)
    runner, number = worker._runners["environment"], 0
    async with asyncio.timeout(90):
        while not await city.history() or not runner.engine.roster.kinds[("noise_db",)].dead:
            number += 1
            await city.send(f"F-{1 + number % 3}", flood_cm=20 if number % 5 else 3)
            await asyncio.sleep(1)
        while await rules(city) != {"late", "absent"} or are_ticks(await steps(city)) < 3 or runner._unwritten:
            await asyncio.sleep(0.05)
    task.cancel()
    stood = encode(freeze(runner.engine))
    await asyncio.gather(task, return_exceptions=True)
    assert await rules(city) == {"late", "absent"}

    topic = topic_for("environment")
    async with open_log_reader(settings, [topic]) as reader:
        zones = decoder.zones
        heir = await recover(city.pool, reader, "environment", "two", city.catalogue, zones, time.time_ns() // 1000)
    assert heir.way == "journal"
    assert heir.replay is not None
    taking = SectorRunner(heir, decoder, SystemClock())

    async def start(partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {tp: heir.start[tp.partition] for tp in partitions}

    async with GroupConsumer(settings, "heir", [topic], on_assigned=start) as consumer, asyncio.timeout(30):
        while not heir.replay.done:
            pieces = [taking._piece(batch) for batch in await consumer.getmany(100, 0.2)]
            heir.replay.feed([piece for piece in pieces if piece is not None])
    assert encode(freeze(heir.engine)) == stood
