"""Keeps LatestValues current: notes where `city.live` ends, loads what the database has, then reads on from there.

Frames on the topic only ever say "newer"; a frame that was lost with its broker is made up for by the database, which
is read again whenever the log may be another one and every few minutes anyway.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

import asyncpg
import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import errors as remote
from aiokafka.structs import TopicPartition

from center.figures import AHEAD_US
from center.latest import LatestValues, SeriesPlace
from center.rows import Row, read_frame
from city import metrics
from city.clock import Clock
from city.database import STORE_ERRORS, load_sql
from city.kafka import LIVE, BrokerUnavailable, LogReader, open_log_reader
from city.readings import latest_values
from city.settings import Settings

PLACES: Final = load_sql("center", "series_places.sql")
FETCH_WAIT_MS: Final = 100
"""The embedded broker holds a fetch for the whole wait; frames come every 250 ms, screens are told every 500 ms."""
POLL_MS: Final = 1_000
PLACES_S: Final = 60.0
RELOAD_S: Final = 300.0
SAME_LOG_S: Final = 2.0
RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
STUCK_S: Final = 20.0
"""Longer than any step takes, connecting included, with a broker and a database that answer or refuse."""
LEAVE_S: Final = 3.0

log = structlog.get_logger(__name__)


class AnotherLog(Exception):
    """The broker is not the one that was read from."""


class Stuck(Exception):
    """A step neither ended nor failed."""


class LiveTail:
    """Reads `city.live` without a group: every center reads all of it."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool, latest: LatestValues, clock: Clock) -> None:
        self._settings = settings
        self._pool = pool
        self._latest = latest
        self._clock = clock
        self._answered = float("-inf")
        self._moved = 0.0
        self.connected = False

    @property
    def reading(self) -> bool:
        """Whether the broker has lately answered."""
        return self.connected and self._clock.monotonic() - self._answered < 3 * SAME_LOG_S

    async def run(self) -> None:
        """Reads until cancelled; a lost broker or database is tried again with bounded pauses."""
        failures = 0
        while True:
            before = self._clock.monotonic()
            try:
                await self._guarded()
            except (*STORE_ERRORS, remote.KafkaError, BrokerUnavailable, AnotherLog, Stuck) as lost:
                self.connected = False
                failures = 0 if self._clock.monotonic() - before > 30 else failures + 1
                pause = RETRY_S[min(failures, len(RETRY_S) - 1)]
                log.warning("live_lost", error=f"{type(lost).__name__}: {lost}", again_in_s=pause)
                await self._clock.sleep(pause)

    async def _guarded(self) -> None:
        """Tails until that fails. A step that hangs is given up, and left behind if it does not even end then: a wall
        that shows a dead feed while readings come would lie until somebody restarts the center."""
        self._moved = self._clock.monotonic()
        tailing = asyncio.create_task(self._tail(), name="live-tail")
        try:
            while not tailing.done():
                await asyncio.wait({tailing}, timeout=1.0)
                if self._clock.monotonic() - self._moved > STUCK_S and not tailing.done():
                    raise Stuck(f"no step for {STUCK_S:.0f} s")
            tailing.result()
        finally:
            if not tailing.done():
                tailing.cancel()
                await asyncio.wait({tailing}, timeout=2 * LEAVE_S)

    def _step(self) -> None:
        self._moved = self._clock.monotonic()

    async def _tail(self) -> None:
        await self._load()  # the screens have something to show while the broker is away
        self._step()
        async with open_log_reader(self._settings, [LIVE]) as reader:
            cluster = await reader.cluster_id()
            partitions = await reader.partitions(LIVE)
            if not partitions:
                raise BrokerUnavailable(f"topic {LIVE} does not exist yet")
            ends = {tp: await reader.end_offset(tp) for tp in partitions}
            self._step()
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap,
                group_id=None,
                auto_offset_reset="none",
                enable_auto_commit=False,
                fetch_max_wait_ms=FETCH_WAIT_MS if self._settings.broker == "embedded" else 500,
                max_partition_fetch_bytes=4 * 1024 * 1024,
            )
            await consumer.start()
            try:
                consumer.assign([TopicPartition(*tp) for tp in partitions])
                for tp, end in ends.items():
                    consumer.seek(TopicPartition(*tp), end)
                self._step()
                await self._load()
                await self._read_on(consumer, reader, cluster)
            finally:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LEAVE_S):
                        await consumer.stop()

    async def _read_on(self, consumer: AIOKafkaConsumer, reader: LogReader, cluster: str) -> None:
        self._answered = now = self._clock.monotonic()
        self.connected = True
        places_at, reload_at, same_at = now + PLACES_S, now + RELOAD_S, now + SAME_LOG_S
        while True:
            fetched = await consumer.getmany(timeout_ms=POLL_MS, max_records=500)
            now = self._clock.monotonic()
            self._step()
            await self._take([record.value for records in fetched.values() for record in records])
            if now > same_at:
                same_at = now + SAME_LOG_S
                if await reader.cluster_id() != cluster:
                    raise AnotherLog("the broker has another cluster id")
                self._answered = now
            if now > reload_at:
                reload_at, places_at = now + RELOAD_S, now + PLACES_S
                await self._load()
            elif now > places_at:
                places_at = now + PLACES_S
                await self._load_places(None)

    async def _take(self, frames: Sequence[bytes | None]) -> None:
        rows: list[Row] = []
        dropped = 0
        for frame in frames:
            read, wrong = read_frame(frame or b"[]")
            rows += read
            dropped += wrong
        if dropped:
            metrics.LIVE_UNREADABLE.inc(dropped)
            log.warning("live_rows_dropped", rows=dropped)
        if unknown := self._latest.unknown(row[0] for row in rows):
            await self._load_places(sorted(unknown))
        self._latest.offer(rows, self._clock.now_us() + AHEAD_US)

    async def _load_places(self, ids: list[int] | None) -> None:
        rows = await self._pool.fetch(PLACES, ids)
        self._latest.place(SeriesPlace(*row) for row in rows)

    async def _load(self) -> None:
        await self._load_places(None)
        async with self._pool.acquire() as connection:
            newest = await latest_values(connection)
        horizon = self._clock.now_us() + AHEAD_US
        self._latest.offer([one for one in newest if one.time <= horizon or self._latest.is_silent(one.series)])
        self._latest.ready = True
