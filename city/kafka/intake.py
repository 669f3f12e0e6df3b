"""What becomes of a partition's part of an answer: records to its buffer, or a reason why there are none."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import structlog
from aiokafka import errors as remote

from city import metrics
from city.events import FUTURE_TOLERANCE_US
from city.kafka.byid import INCONSISTENT_TOPIC_ID, UNKNOWN_TOPIC_ID
from city.kafka.chain import Chain
from city.kafka.client import Client, backoff
from city.kafka.errors import BrokerUnavailable, OffsetGone
from city.kafka.inflate import Inflater
from city.kafka.log import FetchedPart, LogReader
from city.kafka.partition import PARTITION_BYTES, PartitionState
from city.kafka.records import TopicPartition
from city.kafka.topics import sector_of
from city.kafka.unpack import Unpacker
from city.settings import Settings

PARTITION_BYTES_MOST: Final = 64 * 1024 * 1024
_SAY_AGAIN_S: Final = 60.0
HOLE_S: Final = 2.0
"""How long a hole of the embedded broker's log may still be filled: it numbers batches first and files them after."""
_HOLE_PAUSE_S: Final = 0.01

log = structlog.get_logger(__name__)


class Intake:
    """The assigned partitions, and which of them are not read on until the consumer has settled them.

    A partition is put into `doubtful` when the log behind it may be another one: its connection was lost, its topic
    was away, or it ends before our position; into `gone` (and `gone_at`, with the monotonic second) when retention
    took what is next.
    """

    def __init__(self, client: Client, group: str, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._client = client
        self._reader = LogReader(client)
        self._group = group
        self._broker_times = settings.broker == "kafka"
        self._on_ready = on_ready
        self._inflater = Inflater()
        self._bytes = metrics.FETCHED_BYTES.labels(group)
        self.partitions: dict[TopicPartition, PartitionState] = {}
        self.doubtful: set[TopicPartition] = set()
        self.gone: deque[OffsetGone] = deque()
        self.gone_at: dict[TopicPartition, float] = {}

    def is_held(self, tp: TopicPartition) -> bool:
        """Whether it is not to be read on now."""
        return tp in self.doubtful or tp in self.gone_at

    async def receive(self, state: PartitionState, part: FetchedPart) -> bool:
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
        self.away(state, error.__name__)
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
            self.doubt([state])
            return False
        state.known_end = max(state.known_end, part.end)
        if not part.data:
            return False
        if not self._broker_times and not (part := self._without_hole(state, part, reach)).data:
            return False
        self._bytes.inc(len(part.data))
        chunk = self._unpacker(state, part, reach)
        state.reach = chunk.reach()
        if state.reach == reach:  # not one whole batch: ask for more next time
            if state.fetch_bytes < PARTITION_BYTES_MOST:
                state.fetch_bytes *= 2
            else:
                self.away(state, "a record batch larger than 64 MiB")
            return False
        state.fetch_bytes = PARTITION_BYTES
        state.put(chunk, len(part.data))
        return True

    def _without_hole(self, state: PartitionState, part: FetchedPart, reach: int) -> FetchedPart:
        """What stands before the first hole; nothing while one is next.

        The embedded broker hands out a later batch while an earlier one is still on its way into its store: whoever
        stepped over the hole would never read that. On Apache Kafka a hole is one for good.
        """
        chain = Chain(part.data, part.end)
        size = chain.before_hole(reach)
        if size > 0:
            return part._replace(data=part.data[:size])
        offset, since = state.hole
        now = time.monotonic()
        if offset != reach:
            state.hole = (reach, now)
        elif now - since >= HOLE_S:
            log.warning("a hole in the log", topic=state.tp.topic, partition=state.tp.partition, offset=reach)
            return part._replace(data=part.data[: chain.before_hole(chain.first_offset())])
        state.rest(_HOLE_PAUSE_S)
        return part._replace(data=b"")

    def _unpacker(self, state: PartitionState, part: FetchedPart, reach: int) -> Unpacker:
        """Records of sectors are bounded, and never later than our clock allows: producers may write any time.

        On Apache Kafka their times must be the broker's; where a topic was changed since, it is said again and again.
        """
        if sector_of(state.tp.topic) is None:
            return Unpacker(part.data, reach, end=part.end, aborted=part.aborted, inflater=self._inflater)
        chunk = Unpacker(
            part.data,
            reach,
            end=part.end,
            aborted=part.aborted,
            inflater=self._inflater,
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
            self.away(state, str(error))
            return
        if state.version is not version or state.reach is None:
            return
        if state.reach >= log_start:
            self.doubt([state])
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
            self.away(state, "the topic was deleted")
        else:
            self.doubt([state])

    def away(self, state: PartitionState, why: str) -> None:
        """Nothing to be had from this partition now: new metadata, and a pause that grows to 2 s."""
        if state.failures == 0:
            log.warning("partition is away; trying again", topic=state.tp.topic, partition=state.tp.partition, why=why)
        state.rest(backoff(state.failures))
        state.failures += 1
        self._client.force_metadata_update()

    def doubt(self, states: Iterable[PartitionState]) -> None:
        """The logs behind these may be others."""
        for state in states:
            if state.tp in self.partitions:
                self.doubtful.add(state.tp)
        self._on_ready()
