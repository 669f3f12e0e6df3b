"""The HTTP door's way into Kafka: judges events as ingest would, publishes what may pass, keeps what may not.

An event is *accepted* when all in-sync replicas have it. Without that word in time its fate is *unknown*, and it is
safe to send again: the first of two equal readings wins. What is refused becomes a dead letter of source `http`.
"""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from access.policy import Denied, Principal, require
from center.letters import Letters
from center.rooms import Rooms
from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS
from city.decoding import Decoder
from city.events import MAX_EVENT_BYTES, Reading, Refusal, Report
from city.kafka import KafkaError, Producer, PublishRefused, topic_for
from city.sectors import Catalogue
from city.settings import Settings
from city.timestamps import format_time
from city.zones import ZoneMap
from ingest.ends import KnownEnds
from ingest.letters import headers_to_json

DAY_US: Final = 86_400_000_000
_TYPE: Final = re.compile(rb"city\.([a-z][a-z0-9_]*)\.[a-z]+\.v\d+")
SLICE_S: Final = 0.005
"""Seconds of judging after which others have their turn."""
TELL_S: Final = 1.0
"""How often the books are told what the embedded broker acknowledged: what dies with it unread is to be a number."""
LETTERS_S: Final = 1.0
"""How long an answer waits until its refusals are kept: who is refused may look them up at once."""


@dataclass(frozen=True)
class Event:
    """One event as it goes to Kafka."""

    value: bytes
    headers: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True)
class Accepted:
    """Every in-sync replica has it."""


@dataclass(frozen=True)
class Unknown:
    """No acknowledgement in time; safe to send again."""

    detail: str


Outcome = Accepted | Refusal | Unknown


class Door:
    """Takes events in; `run` keeps the way to the brokers open. A request holds one of `rooms` until it is answered."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, zones: ZoneMap, pool: asyncpg.Pool, clock: Clock
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._decoder = Decoder(catalogue, zones)
        self._sectors = frozenset(catalogue.sectors)
        self._producer: Producer | None = None
        self.rooms = Rooms(settings.door_room_bytes)
        self._letters = Letters(pool, clock)
        self._pool = pool
        self._ends = KnownEnds()

    @property
    def open(self) -> bool:
        """Whether the brokers were reached since the start."""
        return self._producer is not None

    async def run(self) -> None:
        """Connects, however long that takes, and disconnects when cancelled; writes dead letters meanwhile."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._letters.run(), name="http-letters")
            group.create_task(self._connect(), name="http-producer")

    async def _connect(self) -> None:
        async with Producer(self._settings) as producer:
            self._producer = producer
            try:
                while True:
                    await self._clock.sleep(TELL_S)
                    await self._tell_ends(producer)
            finally:
                self._producer = None

    async def _tell_ends(self, producer: Producer) -> None:
        """Tell what was acknowledged since; Apache Kafka keeps what it acknowledged."""
        ends = producer.take_ends()
        if self._settings.broker == "embedded":
            self._ends.note(ends)
            with contextlib.suppress(*STORE_ERRORS):
                await self._ends.tell(self._pool)

    async def take(self, events: Sequence[Event], who: Principal) -> list[Outcome]:
        """The fate of each event of this publisher, in order."""
        now_us = self._clock.now_us()
        judged = await self._judge_all(events, now_us, who)
        outcomes = await self._publish(events, judged)
        await self._keep(events, outcomes, now_us)
        _count(outcomes, judged)
        return outcomes

    async def _judge_all(
        self, events: Sequence[Event], now_us: int, who: Principal
    ) -> list[Reading | Report | Refusal]:
        """A batch of large events takes half a second; everyone else goes on meanwhile."""
        verdicts = []
        began = self._clock.monotonic()
        for event in events:
            verdicts.append(self._judge(event, now_us, who))
            if self._clock.monotonic() - began > SLICE_S:
                await asyncio.sleep(0)
                began = self._clock.monotonic()
        return verdicts

    def _judge(self, event: Event, now_us: int, who: Principal) -> Reading | Report | Refusal:
        decoded = self._decoder.decode(event.value, event.headers, sector=None, record_time_us=now_us)
        if decoded is None:
            return Refusal("not_json", "the event is empty; send one JSON object")
        oldest = now_us - self._settings.raw_retention_days * DAY_US
        if isinstance(decoded, Reading) and decoded.time < oldest:
            days = self._settings.raw_retention_days
            sentence = f"time {format_time(decoded.time)} is more than {days} days ago; nothing is kept so long"
            return Refusal("late", sentence)
        if not isinstance(decoded, Refusal):
            try:
                require(who, "events.publish", sector=decoded.sector, zone=decoded.zone)
            except Denied as denied:
                return Refusal("not_allowed", f"{denied.sentence} Use a key that was made for it.")
        return decoded

    async def _publish(self, events: Sequence[Event], judged: Sequence[Reading | Report | Refusal]) -> list[Outcome]:
        tasks = [
            None if isinstance(verdict, Refusal) else asyncio.create_task(self._send(event, verdict))
            for event, verdict in zip(events, judged, strict=True)
        ]
        sending = [task for task in tasks if task is not None]
        if sending:
            try:
                await asyncio.wait(sending, timeout=self._settings.door_patience_s)
            finally:
                for task in sending:
                    task.cancel()
        return [
            verdict if isinstance(verdict, Refusal) else self._outcome(task)
            for task, verdict in zip(tasks, judged, strict=True)
        ]

    def _outcome(self, task: "asyncio.Task[Outcome] | None") -> Outcome:
        if task is None or not task.done() or task.cancelled():
            return Unknown(f"the brokers did not acknowledge it within {self._settings.door_patience_s:g} s")
        return task.result()

    async def _send(self, event: Event, verdict: Reading | Report) -> Outcome:
        if self._producer is None:
            return Unknown("the brokers have not been reached yet")
        key = verdict.asset if isinstance(verdict, Reading) else verdict.subject
        try:
            await self._producer.publish(
                topic_for(verdict.sector),
                event.value,
                key=key.encode(),
                headers=event.headers,
                timestamp_us=self._clock.now_us(),
            )
        except PublishRefused as refused:
            return Refusal("too_large", f"the brokers refused the event: {refused}")
        except KafkaError as unknown:
            return Unknown(str(unknown))
        return Accepted()

    async def _keep(self, events: Sequence[Event], outcomes: Sequence[Outcome], now_us: int) -> None:
        """Dead letters of what was refused; while the database is away they wait, and the answer doesn't for long."""
        refused = False
        for event, refusal in zip(events, outcomes, strict=True):
            if isinstance(refusal, Refusal):
                refused = True
                kept, headers = event.value[:MAX_EVENT_BYTES], headers_to_json(event.headers)
                self._letters.note(now_us, refusal.reason, refusal.detail, kept, headers, self._topic(event))
        if refused:
            await self._letters.settled(LETTERS_S)

    def _topic(self, event: Event) -> str | None:
        """Where an event of its type goes; None if it names no sector of this city."""
        named = _TYPE.search(event.value) or next((m for _, v in event.headers if (m := _TYPE.search(v))), None)
        sector = "" if named is None else named[1].decode()
        return topic_for(sector) if sector in self._sectors else None


def _count(outcomes: Sequence[Outcome], judged: Sequence[Reading | Report | Refusal]) -> None:
    for outcome, verdict in zip(outcomes, judged, strict=True):
        match outcome:
            case Accepted():
                metrics.HTTP_EVENTS.labels("taken").inc()
            case Unknown():
                metrics.HTTP_EVENTS.labels("unknown").inc()
            case Refusal(reason=reason):
                sector = "" if isinstance(verdict, Refusal) else verdict.sector
                metrics.HTTP_EVENTS.labels("refused").inc()
                metrics.REFUSALS.labels("http", sector, reason).inc()
