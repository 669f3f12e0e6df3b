"""A town whose clock the test moves: a real worker, ingest, broker and database live through twenty minutes in seconds.

Records carry the times of the story (on Apache Kafka the topic is told to keep their producer's), the worker's clock is
the machine's, moved; so nothing waits for time to pass.
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition as ClientTopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from alerts.runner import SectorRunner
from alerts.worker import Worker
from city.clock import SystemClock
from city.decoding import Decoder
from city.kafka import TopicPartition, open_log_reader, topic_for
from city.timestamps import format_time
from city.zones import ZoneMap
from ingest.worker import run as ingest
from tests.alerts.conftest import City

US: Final = 1_000_000
TOPIC: Final = topic_for("environment")
STEP_S: Final = 20
"""The clock moves on by this much at a time: less than what makes a feed of ten seconds look dead."""

Line = Sequence[tuple[float, float]]
"""From when on (seconds of the story) which value; the first is what was before."""


class MovedClock(SystemClock):
    """The machine's clock, moved to the time of the story, where it goes on."""

    def __init__(self, start_us: int) -> None:
        self.start_us = start_us
        self._moved_us = 0
        self.set(0)

    def set(self, second: float) -> None:
        """It is now so many seconds into the story; never earlier than before."""
        self._moved_us = self.start_us + round(second * US) - time.monotonic_ns() // 1000

    def now_us(self) -> int:
        return time.monotonic_ns() // 1000 + self._moved_us

    def monotonic(self) -> float:
        return self.now_us() / US


class Sensor(msgspec.Struct, frozen=True):
    """What it measures when, and every `every` seconds it says so, but not while silent (from, to)."""

    metric: str
    line: Line
    every: int = 10
    zone: str | None = None
    silent: tuple[tuple[float, float], ...] = ()

    def value(self, second: float) -> float | None:
        """What it says at that time; None: nothing."""
        if second % self.every or any(begin < second < end for begin, end in self.silent):
            return None
        return next(value for begin, value in reversed(self.line) if begin <= second)


class Past:
    """The story under test."""

    def __init__(self, city: City, sensors: Mapping[str, Sensor], reports: Mapping[str, tuple[float, str]]) -> None:
        self.city = city
        self.clock = MovedClock((time.time_ns() // 10**9 - 86_400) * US)
        self.sensors = sensors
        self.reports = reports
        self.told = 0
        """Up to when the sensors have spoken, seconds of the story."""
        self._worker: Worker | None = None

    @property
    def runner(self) -> SectorRunner:
        """That of the worker that runs."""
        assert self._worker is not None
        return self._worker._runners["environment"]

    async def keep_times(self) -> None:
        """Have the broker keep the times that records are sent with."""
        if self.city.settings.broker == "embedded":
            return
        admin = AIOKafkaAdminClient(bootstrap_servers=self.city.settings.kafka_bootstrap)
        await admin.start()
        configs = {"message.timestamp.type": "CreateTime"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TOPIC, configs)])
        await admin.close()

    async def tell(self, until: int) -> None:
        """All that is said after what was told, up to a second of the story."""
        sent = []
        for second in range(self.told + 1, until + 1):
            for name, sensor in self.sensors.items():
                value = sensor.value(second)
                if value is not None:
                    data: dict[str, Any] = {"measurements": {sensor.metric: value}}
                    if sensor.zone is not None:
                        data["zone"] = sensor.zone
                    sent.append(await self.send("reading", name, second, data))
            for name, (when, zone) in self.reports.items():
                if when == second:
                    data = {"category": "flooding", "severity": "warning", "title": "t", "status": "open", "zone": zone}
                    sent.append(await self.send("report", name, second, data))
        await asyncio.gather(*sent)
        self.told = until

    async def send(
        self, kind: str, subject: str, second: float, data: Mapping[str, Any], recorded: float | None = None
    ) -> "asyncio.Future[Any]":
        """One event of that time, recorded then or at another."""
        at = self.clock.start_us + round(second * US)
        event = {
            "specversion": "1.0",
            "id": f"{subject}-{second}",
            "source": "//test",
            "type": f"city.environment.{kind}.v1",
            "subject": subject,
            "time": format_time(at),
            "data": data,
        }
        record_us = at if recorded is None else self.clock.start_us + round(recorded * US)
        return await self.city.producer.send(
            TOPIC, json.dumps(event).encode(), key=subject.encode(), timestamp_us=record_us
        )

    async def ends(self) -> dict[TopicPartition, int]:
        """The end of each partition."""
        async with open_log_reader(self.city.settings, [TOPIC]) as reader:
            return {tp: await reader.end_offset(tp) for tp in await reader.partitions(TOPIC)}

    async def delete(self) -> None:
        """The broker keeps nothing of what was sent, as after its retention."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.city.settings.kafka_bootstrap)
        await admin.start()
        ends = {
            ClientTopicPartition(*tp): RecordsToDelete(before_offset=end) for tp, end in (await self.ends()).items()
        }
        await admin.delete_records(ends)
        await admin.close()

    async def read(self) -> None:
        """Wait until the worker has judged all that was sent, and has found that it has."""
        assert self._worker is not None
        ends, began = await self.ends(), time.monotonic()
        while True:
            runner = self._worker._runners.get("environment")
            if runner is not None and all(runner.judged(tp.partition) == end for tp, end in ends.items()):
                return
            assert time.monotonic() - began < 60, "the worker does not get there"
            await asyncio.sleep(0.02)

    async def live(self, until: int) -> None:
        """The worker runs meanwhile, and time goes on with what the sensors say."""
        for second in range(self.told + STEP_S, until + 1, STEP_S):
            self.clock.set(second)
            await self.tell(second)
            await self.read()
            await asyncio.sleep(0.05)

    async def ticked(self) -> None:
        """Wait until the worker has looked at what time brings, twice, with everything read: a third look begins when
        the second is over."""
        assert self._worker is not None
        for _ in range(3):
            self.clock.set((self.clock.now_us() - self.clock.start_us) / US + 1.1)
            now, began = self.clock.monotonic(), time.monotonic()
            while self._worker._ticked < now:
                assert time.monotonic() - began < 20, "the worker looks no more"
                await asyncio.sleep(0.02)

    async def stored(self) -> None:
        """Wait until ingest has stored all that was sent."""
        total, began = sum((await self.ends()).values()), time.monotonic()
        newest = (
            "SELECT sum(next_offset) FROM ledger WHERE topic = $1 AND generation = "
            "(SELECT max(generation) FROM ledger WHERE topic = $1) AND cluster = $2"
        )
        async with open_log_reader(self.city.settings, [TOPIC]) as reader:
            cluster = await reader.cluster_id()
        while await self.city.pool.fetchval(newest, TOPIC, cluster) != total:
            assert time.monotonic() - began < 60, "ingest does not get there"
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def worker(self, name: str, *, killed: bool = False) -> AsyncIterator[Worker]:
        """A worker with the story's clock; `killed`: it has no time to hand over."""
        settings = self.city.settings.model_copy(update={"worker": name})
        stop = asyncio.Event()
        decoder = Decoder(self.city.catalogue, ZoneMap.load(settings.city))
        self._worker = worker = Worker(settings, self.city.pool, decoder, name, self.clock)
        task = asyncio.create_task(worker.run(stop))
        try:
            yield worker
        finally:
            self._worker = None
            if killed:
                task.cancel()
            stop.set()
            await asyncio.gather(task, return_exceptions=killed)

    @asynccontextmanager
    async def ingesting(self) -> AsyncIterator[None]:
        """Ingest runs meanwhile."""
        stop = asyncio.Event()
        task = asyncio.create_task(ingest(self.city.settings.model_copy(update={"worker": "ingest"}), stop))
        try:
            yield
        finally:
            stop.set()
            await task

    async def came(self) -> dict[str, list[tuple[str, float]]]:
        """By 'rule group': kinds of transitions in order of seq, each with its second of the story."""
        await self.city.history()  # asserts that the numbers have no gap
        found: dict[str, list[tuple[str, float]]] = defaultdict(list)
        rows = await self.city.pool.fetch(
            "SELECT kind, body, to_us(event_time) AS at FROM alert_history WHERE kind <> 'superseded' ORDER BY seq"
        )
        for row in rows:
            body = json.loads(row["body"])
            second = (row["at"] - self.clock.start_us) / US
            found[f"{body['rule']} {body['group']}"].append((row["kind"], second))
        return dict(found)
