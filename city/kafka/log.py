"""A partition's log as the broker has it: where it starts and ends, and what stands at an offset."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args

from aiokafka import errors as remote
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from city.kafka.byid import TopicIds, ids_of
from city.kafka.chain import Chain
from city.kafka.client import Client
from city.kafka.errors import BrokerUnavailable
from city.kafka.inflate import Inflater
from city.kafka.records import TopicPartition
from city.kafka.unpack import Unpacker
from city.settings import Settings

READ_COMMITTED: Final = 1
TIMESTAMP_TYPE: Final = "message.timestamp.type"
_TOPIC: Final = 2  # the kind of resource
_EARLIEST: Final = -2
_LATEST: Final = -1
_PROBE_BYTES: Final = 1024 * 1024
_PROBE_WAITS_MS: Final = (20, 100, 500, 2_000)
"""The embedded broker hands out only what it finds within the wait: nothing, when a log is long and the wait short."""


TimestampType = Literal["LogAppendTime", "CreateTime", "none"]
"""Whose times the records of a topic have, the broker's or their producers'; none: there is no such topic."""


class FetchedPart(NamedTuple):
    """One partition's part of a fetch response, alike in every version of the protocol."""

    error: int
    end: int
    log_start: int
    aborted: list[tuple[int, int]]
    data: bytes


def fetched_parts(answer: Any, names: Mapping[bytes, str]) -> Iterator[tuple[TopicPartition, FetchedPart]]:
    """The parts of a fetch response; `end` is the last stable offset, `names` are those of topics asked for by id."""
    if answer.API_VERSION >= 13:
        for topic_id, parts, _ in answer.topics:
            for partition, error, highwater, stable, log_start, aborted, _, data, _ in parts:
                aborts = [(producer, first) for producer, first, _ in aborted or ()]
                part = FetchedPart(error, stable if stable >= 0 else highwater, log_start, aborts, data or b"")
                yield TopicPartition(names[topic_id], partition), part
        return
    for topic, parts in answer.topics:
        for partition, error, highwater, stable, *rest in parts:
            log_start = rest[0] if answer.API_VERSION >= 5 else -1
            aborted = rest[1] if answer.API_VERSION >= 5 else rest[0]
            part = FetchedPart(error, stable if stable >= 0 else highwater, log_start, aborted or [], rest[-1] or b"")
            yield TopicPartition(topic, partition), part


class LogReader:
    """Answers about logs as they are: what stands at an offset, where a log starts and ends, which cluster it is.

    Raises (every method):
        BrokerUnavailable: no broker answered in time, or the partition has no leader now.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def cluster_id(self) -> str:
        """Identity of the cluster, asked anew each time."""
        answer = await self._client.ask_any(MetadataRequest([], False))
        return str(answer.cluster_id or "")

    async def topic_ids(self, topics: Iterable[str]) -> dict[str, bytes]:
        """Ids of those of the topics that exist; empty where the broker has no ids."""
        return ids_of(await self._client.ask_any(TopicIds(sorted(topics))))

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions as the broker has them now; empty when there is no such topic."""
        answer = await self._client.ask_any(MetadataRequest([topic], False))
        for error, name, _, partitions in answer.topics:
            if name == topic and error == 0:
                return sorted(TopicPartition(topic, partition[1]) for partition in partitions)
        return []

    async def timestamp_types(self, topics: Iterable[str]) -> dict[str, TimestampType]:
        """Of each of the topics, as it is set now; one that the broker does not tell about is left out."""
        wanted = [(_TOPIC, topic, [TIMESTAMP_TYPE]) for topic in topics]
        answer = await self._client.ask_any(DescribeConfigsRequest(wanted))
        found: dict[str, TimestampType] = {}
        for code, _, _, topic, entries in answer.resources:
            if remote.for_code(code) is remote.UnknownTopicOrPartitionError:
                found[topic] = "none"
            for name, value, *_ in entries:
                if name == TIMESTAMP_TYPE and value in get_args(TimestampType):
                    found[topic] = value
        return found

    async def log_start(self, tp: TopicPartition) -> int:
        """First offset that the broker still has."""
        request = OffsetRequest(-1, READ_COMMITTED, [(tp.topic, [(tp.partition, _EARLIEST)])])
        answer = await self._of_leader(tp, request)
        (_, ((_, error, _, offset, *_),)) = answer.topics[0]
        _check(tp, error)
        return int(offset)

    async def oldest_write(self, tp: TopicPartition) -> int | None:
        """When the broker took what it has longest of this partition, ms since the epoch by its clock.

        None when it has nothing, and on Apache Kafka, which doesn't tell.
        """
        request = OffsetRequest(-1, READ_COMMITTED, [(tp.topic, [(tp.partition, _EARLIEST)])])
        answer = await self._of_leader(tp, request)
        (_, ((_, error, written, *_),)) = answer.topics[0]
        _check(tp, error)
        return int(written) if written > 0 else None

    async def is_seamless(self, tp: TopicPartition) -> bool:
        """Whether a short log of the embedded broker has batch behind batch from 0 to its end, and none beyond."""
        request = OffsetRequest(-1, READ_COMMITTED, [(tp.topic, [(tp.partition, _LATEST)])])
        answer = await self._of_leader(tp, request)
        (_, ((_, error, _, filed, *_),)) = answer.topics[0]
        _check(tp, error)
        end = await self.end_offset(tp)
        part = await self._fetch(tp, 0, _PROBE_BYTES, _PROBE_WAITS_MS[1])
        reach = Chain(part.data, part.end).seamless(0)
        return filed <= end and reach is not None and reach >= end

    async def ends(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        """Last stable offsets of all partitions of these topics; a partition about which nobody tells is left out.

        Asks in one request for each broker, so that it may be asked often.
        """
        wanted: dict[int, dict[str, list[tuple[int, int, int]]]] = {}
        for topic in sorted(topics):
            for tp in await self.partitions(topic):
                leader = self._client.cluster.leader_for_partition(tp)
                if leader not in (None, -1):
                    wanted.setdefault(leader, {}).setdefault(topic, []).append((tp.partition, 0, 1))
        found: dict[TopicPartition, int] = {}
        for leader, parts in wanted.items():
            request = FetchRequest(1, 0, 1, READ_COMMITTED, list(parts.items()))
            answer = await self._client.ask(leader, request)
            found |= {tp: part.end for tp, part in fetched_parts(answer, {}) if part.error == 0}
        return found

    async def end_offset(self, tp: TopicPartition) -> int:
        """Last stable offset, from a fetch: what a list of offsets says is wrong on the embedded broker."""
        try:
            return (await self._fetch(tp, await self.log_start(tp), 1)).end
        except remote.OffsetOutOfRangeError as error:
            raise BrokerUnavailable(f"{tp.topic}/{tp.partition}: retention moved the log's start meanwhile") from error

    async def last_record_hash(self, tp: TopicPartition, offset: int) -> bytes | None:
        """What stands at `offset` now, to be compared with `Batch.last_hash`; None when nothing does."""
        unpacker = await self._at(tp, offset)
        return unpacker.identity() or None if unpacker is not None else None

    async def record_time(self, tp: TopicPartition, offset: int) -> int | None:
        """Time (µs) of the first record at or after `offset`; None when there is none."""
        while (unpacker := await self._at(tp, offset)) is not None:
            records, _ = unpacker.take(1)
            if records:
                return records[0].timestamp_us
            if unpacker.position <= offset:
                raise BrokerUnavailable(f"{tp.topic}/{tp.partition} does not hand out the whole batch at {offset}")
            offset = unpacker.position  # markers of transactions, or what can't be read
        return None

    async def _at(self, tp: TopicPartition, offset: int) -> Unpacker | None:
        """What the log has from `offset` on; None when nothing."""
        if offset < 0:
            return None
        for wait_ms in _PROBE_WAITS_MS:
            try:
                part = await self._fetch(tp, offset, _PROBE_BYTES, wait_ms)
            except remote.OffsetOutOfRangeError:
                return None
            if offset >= part.end:
                return None
            if part.data:
                return Unpacker(part.data, offset, end=part.end, aborted=part.aborted, inflater=Inflater())
        raise BrokerUnavailable(f"{tp.topic}/{tp.partition} has a record at {offset} but does not hand it out")

    async def _fetch(self, tp: TopicPartition, offset: int, max_bytes: int, wait_ms: int = 1) -> FetchedPart:
        request = FetchRequest(wait_ms, 0, max_bytes, READ_COMMITTED, [(tp.topic, [(tp.partition, offset, max_bytes)])])
        answer = await self._of_leader(tp, request)
        ((_, part),) = fetched_parts(answer, {})
        _check(tp, part.error)
        return part

    async def _of_leader(self, tp: TopicPartition, request: Any) -> Any:
        leader = self._client.cluster.leader_for_partition(tp)
        if leader is None or leader == -1:
            await self._client.add_topic(tp.topic)
            await self._client.force_metadata_update()
            leader = self._client.cluster.leader_for_partition(tp)
        if leader is None or leader == -1:
            raise BrokerUnavailable(f"{tp.topic}/{tp.partition} has no leader")
        return await self._client.ask(leader, request)


def _check(tp: TopicPartition, code: int) -> None:
    error = remote.for_code(code)
    if error is remote.OffsetOutOfRangeError:
        raise error(f"{tp.topic}/{tp.partition}")
    if error is not remote.NoError:
        raise BrokerUnavailable(f"{tp.topic}/{tp.partition}: {error.__name__}")


@contextlib.asynccontextmanager
async def open_log_reader(settings: Settings, topics: Iterable[str] = ()) -> AsyncIterator[LogReader]:
    """A LogReader with a client of its own; waits until the broker answers."""
    client = Client(settings, "log-reader")
    try:
        await client.connect()
        if topics := list(topics):
            await client.set_topics(topics)
        yield LogReader(client)
    finally:
        await client.close()
