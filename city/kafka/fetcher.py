"""Fetches ahead for the assigned partitions, one request at a time to each broker, within a bound of memory."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from aiokafka import errors as remote

from city import metrics
from city.events import FUTURE_TOLERANCE_US
from city.kafka.byid import INCONSISTENT_TOPIC_ID, UNKNOWN_TOPIC_ID, Fetch
from city.kafka.client import Client, backoff
from city.kafka.errors import BrokerUnavailable, OffsetGone
from city.kafka.inflate import Inflater
from city.kafka.links import CONNECTION, Links
from city.kafka.log import READ_COMMITTED, FetchedPart, LogReader, fetched_parts
from city.kafka.partition import PARTITION_BYTES, PartitionState
from city.kafka.records import TopicPartition
from city.kafka.topics import sector_of
from city.kafka.unpack import Unpacker
from city.settings import Settings

FETCH_BYTES: Final = 4 * 1024 * 1024
"""Of one response, all partitions together; a single larger record batch still comes."""
PARTITION_BYTES_MOST: Final = 64 * 1024 * 1024
BUFFER_BYTES: Final = 16 * 1024 * 1024
"""Of fetched and not yet taken responses; nothing more is fetched above it."""
PARTITION_BUFFER: Final = 2 * 1024 * 1024
MOST_PATIENCE_MS: Final = 500
"""The embedded broker hands out only what it finds within the wait, so a reader that is behind and gets nothing waits
longer each time, up to this."""
_FULL_PAUSE_S: Final = 0.05
_SAY_AGAIN_S: Final = 60.0

log = structlog.get_logger(__name__)


class Fetcher:
    """Fills the buffers of `partitions`; the consumer takes from them and calls `wake` when it has.

    A partition is put into `doubtful` when the log behind it may be another one: its connection was lost, its topic
    was away, or it ends before our position. It is not read on until the consumer has settled it.
    """

    def __init__(self, client: Client, group: str, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._client = client
        self._reader = LogReader(client)
        self._group = group
        self._max_wait_ms = settings.fetch_max_wait_ms
        self._broker_times = settings.broker == "kafka"
        self._patience_ms: dict[int, int] = {}
        self._on_ready = on_ready
        self._wake = asyncio.Event()
        self._links = Links(client, group)
        self.inflater = Inflater()
        self.partitions: dict[TopicPartition, PartitionState] = {}
        self.doubtful: set[TopicPartition] = set()
        self.gone: deque[OffsetGone] = deque()
        self.gone_at: dict[TopicPartition, float] = {}
        self._bytes = metrics.FETCHED_BYTES.labels(group)

    def wake(self) -> None:
        """Look again at what there is to fetch."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch until cancelled."""
        under_way: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                self._wake.clear()
                pause = 1.0
                for node, states in self._wanted().items():
                    if node in under_way:
                        continue
                    wait = self._links.wait(node)
                    if wait > 0:
                        pause = min(pause, wait)
                        continue
                    under_way[node] = asyncio.create_task(self._fetch(node, states))
                pause = min(pause, self._soonest())
                woken = asyncio.create_task(self._wake.wait())
                try:
                    await asyncio.wait([woken, *under_way.values()], timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    woken.cancel()
                for node in [node for node, task in under_way.items() if task.done()]:
                    under_way.pop(node).result()
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    def _fetchable(self) -> Iterable[PartitionState]:
        now = time.monotonic()
        for state in self.partitions.values():
            if not (state.paused or state.tp in self.doubtful or state.tp in self.gone_at or now < state.not_before):
                yield state

    def _soonest(self) -> float:
        """Seconds until a partition that waits for its backoff may be fetched."""
        now = time.monotonic()
        waits = [state.not_before - now for state in self.partitions.values() if state.not_before > now]
        return max(0.001, min(waits, default=1.0))

    def _wanted(self) -> dict[int, list[PartitionState]]:
        """Partitions to fetch now by the broker that leads them."""
        wanted: dict[int, list[PartitionState]] = {}
        if sum(state.buffered for state in self.partitions.values()) >= BUFFER_BYTES:
            return wanted
        for state in self._fetchable():
            if state.reach is None or state.buffered >= PARTITION_BUFFER:
                continue
            leader = self._client.cluster.leader_for_partition(state.tp)
            if leader is None or leader == -1:
                self._away(state, "no leader")
                continue
            wanted.setdefault(leader, []).append(state)
        return wanted

    async def _fetch(self, node: int, states: list[PartitionState]) -> None:
        """One request and what becomes of its answer. Errors end in a backoff and a log line, never in an exception."""
        full = any(
            state.reach is None or state.buffered >= PARTITION_BUFFER
            for state in self._fetchable()
            if self._client.cluster.leader_for_partition(state.tp) == node
        )
        wait_ms = max(1 if full else self._max_wait_ms, self._patience_ms.get(node, 0))
        topics: dict[str, list[tuple[int, int, int]]] = {}
        ids: dict[str, bytes] = {}
        versions: dict[TopicPartition, object] = {}
        most = FETCH_BYTES
        for state in states:
            assert state.reach is not None
            topics.setdefault(state.tp.topic, []).append((state.tp.partition, state.reach, state.fetch_bytes))
            most = max(most, state.fetch_bytes)
            versions[state.tp] = state.version
            if state.topic_id is not None:
                ids[state.tp.topic] = state.topic_id
        request = Fetch(wait_ms, most, READ_COMMITTED, list(topics.items()), ids)
        try:
            answer = await self._client.ask(node, request, group=CONNECTION, wait_s=wait_ms / 1000)
        except BrokerUnavailable as error:
            self._links.lost(node, error)
            return
        if self._links.answered(node):
            self._doubt(
                state
                for state in self.partitions.values()
                if self._client.cluster.leader_for_partition(state.tp) == node or state in states
            )
            return
        got = False
        for tp, part in fetched_parts(answer, {id_: topic for topic, id_ in ids.items()}):
            state_now = self.partitions.get(tp)
            if state_now is None or state_now.version is not versions.get(tp):
                continue
            got |= await self._receive(state_now, part)
        starved = not got and any(state.reach is not None and state.end > state.reach for state in states)
        self._patience_ms[node] = min(wait_ms * 2 + 10, MOST_PATIENCE_MS) if starved else 0
        self._on_ready()
        if full and not got:
            self._links.rest(node, _FULL_PAUSE_S)

    async def _receive(self, state: PartitionState, part: FetchedPart) -> bool:
        """Take in one partition's part of an answer; True when it brought records."""
        error = remote.for_code(part.error)
        if error is remote.NoError:
            return self._accept(state, part)
        metrics.FETCH_ERRORS.labels(self._group, error.__name__).inc()
        if error is remote.OffsetOutOfRangeError:
            await self._out_of_range(state)
            return False
        if part.error in (UNKNOWN_TOPIC_ID, INCONSISTENT_TOPIC_ID):
            await self._other_topic(state)
            return False
        self._away(state, error.__name__)
        if issubclass(error, remote.UnknownTopicOrPartitionError):
            state.was_away = True
        return False

    def _accept(self, state: PartitionState, part: FetchedPart) -> bool:
        if state.failures:
            log.info("partition is back", topic=state.tp.topic, partition=state.tp.partition)
            state.failures = 0
        state.end, state.as_of = part.end, time.monotonic()
        reach = state.reach
        assert reach is not None
        if part.end < reach or state.was_away:
            self._doubt([state])
            return False
        if not part.data:
            return False
        self._bytes.inc(len(part.data))
        chunk = self._unpacker(state, part, reach)
        state.reach = chunk.reach()
        if state.reach == reach:  # not one whole batch: ask for more next time
            if state.fetch_bytes < PARTITION_BYTES_MOST:
                state.fetch_bytes *= 2
            else:
                self._away(state, "a record batch larger than 64 MiB")
            return False
        state.fetch_bytes = PARTITION_BYTES
        state.put(chunk, len(part.data))
        return True

    def _unpacker(self, state: PartitionState, part: FetchedPart, reach: int) -> Unpacker:
        """Records of sectors are bounded, and never later than our clock allows: producers may write any time.

        On Apache Kafka their times must be the broker's; where a topic was changed since, it is said again and again.
        """
        if sector_of(state.tp.topic) is None:
            return Unpacker(part.data, reach, end=part.end, aborted=part.aborted, inflater=self.inflater)
        chunk = Unpacker(
            part.data,
            reach,
            end=part.end,
            aborted=part.aborted,
            inflater=self.inflater,
            bounded=True,
            latest_us=time.time_ns() // 1000 + FUTURE_TOLERANCE_US,
        )
        if self._broker_times and (batches := chunk.producer_timed()):
            metrics.PRODUCER_TIMED.labels(self._group, state.tp.topic).inc(batches)
            if time.monotonic() - state.said >= _SAY_AGAIN_S or not state.said:
                state.said = time.monotonic()
                log.error(
                    "record times are the producers', not the broker's: lateness and ages can't be trusted; "
                    "set message.timestamp.type=LogAppendTime, as `citywatch migrate` tells",
                    topic=state.tp.topic,
                    partition=state.tp.partition,
                )
        return chunk

    async def _out_of_range(self, state: PartitionState) -> None:
        """Before the log's start: retention took it. After its end: another log."""
        version = state.version
        try:
            log_start = await self._reader.log_start(state.tp)
        except BrokerUnavailable as error:
            self._away(state, str(error))
            return
        if state.version is not version or state.reach is None:
            return
        if state.reach >= log_start:
            self._doubt([state])
        elif not state.chunks:
            self.gone.append(OffsetGone(state.tp, state.position, log_start))
            self.gone_at[state.tp] = time.monotonic()
        else:
            state.rest(0.5)  # first what was fetched is taken

    async def _other_topic(self, state: PartitionState) -> None:
        """The topic that was verified is gone: another one of its name is another log; without one, wait for it."""
        version = state.version
        try:
            now = (await self._reader.topic_ids({state.tp.topic})).get(state.tp.topic)
        except BrokerUnavailable:
            now = None
        if state.version is not version:
            return
        if now in (None, state.topic_id):
            self._away(state, "the topic was deleted")
        else:
            self._doubt([state])

    def _away(self, state: PartitionState, why: str) -> None:
        """Nothing to be had from this partition now: new metadata, and a pause that grows to 2 s."""
        if state.failures == 0:
            log.warning("partition is away; trying again", topic=state.tp.topic, partition=state.tp.partition, why=why)
        state.rest(backoff(state.failures))
        state.failures += 1
        self._client.force_metadata_update()

    def _doubt(self, states: Iterable[PartitionState]) -> None:
        for state in states:
            if state.tp in self.partitions:
                self.doubtful.add(state.tp)
        self._on_ready()
