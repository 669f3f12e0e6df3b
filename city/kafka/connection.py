"""One client of the broker: connects however long that takes, asks the few questions that the services have."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any, Final, NamedTuple

import structlog
from aiokafka import errors as remote
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.offset import OffsetRequest

from city.kafka.errors import BrokerUnavailable
from city.kafka.inflate import Inflater
from city.kafka.records import TopicPartition
from city.kafka.unpack import Unpacker
from city.settings import Settings

READ_COMMITTED: Final = 1
EARLIEST: Final = -2
LATEST: Final = -1
METADATA_MAX_AGE_MS: Final = 5_000
"""New partitions and topics are noticed within this time."""
_ANSWER_S: Final = 10.0
_BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger(__name__)


class FetchedPart(NamedTuple):
    """One partition's part of a fetch response, alike in every version of the protocol."""

    error: int
    end: int
    log_start: int
    aborted: list[tuple[int, int]]
    data: bytes


def fetched_parts(answer: Any) -> Iterator[tuple[TopicPartition, FetchedPart]]:
    """The parts of a fetch response; `end` is the last stable offset."""
    for topic, parts in answer.topics:
        for partition, error, highwater, stable, *rest in parts:
            log_start = rest[0] if answer.API_VERSION >= 5 else -1
            aborted = rest[1] if answer.API_VERSION >= 5 else rest[0]
            part = FetchedPart(error, stable if stable >= 0 else highwater, log_start, aborted or [], rest[-1] or b"")
            yield TopicPartition(topic, partition), part


def backoff(attempt: int) -> float:
    """Seconds to wait before try number `attempt` + 1: 0.1 rising to 2."""
    return _BACKOFF_S[min(attempt, len(_BACKOFF_S) - 1)]


def new_client(settings: Settings, name: str) -> AIOKafkaClient:
    """A client that is not connected yet. Its library is silenced: what a person should know is said here, once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    return AIOKafkaClient(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=f"citywatch-{name}",
        metadata_max_age_ms=METADATA_MAX_AGE_MS,
        request_timeout_ms=40_000,  # a join of a group may be held that long; `ask` bounds all else
        retry_backoff_ms=200,
    )


async def connect(client: AIOKafkaClient, settings: Settings) -> None:
    """Return once a broker has answered; tries for ever with bounded backoff, and says so once."""
    attempt = 0
    while True:
        try:
            await client.bootstrap()
        except (remote.KafkaError, OSError) as error:
            if attempt == 0:
                log.warning(
                    "broker does not answer; trying again", bootstrap=settings.kafka_bootstrap, error=str(error)
                )
            await asyncio.sleep(backoff(attempt))
            attempt += 1
        else:
            if attempt:
                log.info("broker answers", bootstrap=settings.kafka_bootstrap, attempts=attempt + 1)
            return


async def ask(client: AIOKafkaClient, node: int | str, request: Any, *, group: int = 0, wait_s: float = 0.0) -> Any:
    """Send `request` and return the answer; one that doesn't come within `wait_s` + 10 s breaks the connection.

    Raises:
        BrokerUnavailable: no answer.
    """
    try:
        async with asyncio.timeout(wait_s + _ANSWER_S):
            return await client.send(node, request, group=group)
    except TimeoutError as error:
        connection = client._conns.pop((node, group), None)
        if connection is not None:
            connection.close()
        raise BrokerUnavailable(f"broker {node} did not answer within {wait_s + _ANSWER_S:.0f} s") from error
    except remote.KafkaError as error:
        raise BrokerUnavailable(f"broker {node}: {error!r}") from error


class LogReader:
    """Answers about logs as they are: what stands at an offset, where a log starts and ends, which cluster it is.

    Raises (every method):
        BrokerUnavailable: no broker answered in time, or the partition has no leader now.
    """

    def __init__(self, client: AIOKafkaClient) -> None:
        self._client = client

    async def cluster_id(self) -> str:
        """Identity of the cluster, asked anew each time."""
        for broker in self._client.cluster.brokers():
            with contextlib.suppress(BrokerUnavailable):
                answer = await ask(self._client, broker.nodeId, MetadataRequest([], False))
                return str(answer.cluster_id or "")
        raise BrokerUnavailable("no broker answered for the cluster's identity")

    async def partitions(self, topic: str) -> list[TopicPartition]:
        """The topic's partitions as the broker has them now; empty when there is no such topic."""
        for broker in self._client.cluster.brokers():
            with contextlib.suppress(BrokerUnavailable):
                answer = await ask(self._client, broker.nodeId, MetadataRequest([topic], False))
                for error, name, _, partitions in answer.topics:
                    if name == topic and error == 0:
                        return sorted(TopicPartition(topic, partition[1]) for partition in partitions)
                return []
        raise BrokerUnavailable(f"no broker answered for the partitions of {topic}")

    async def log_start(self, tp: TopicPartition) -> int:
        """First offset that the broker still has."""
        request = OffsetRequest(-1, READ_COMMITTED, [(tp.topic, [(tp.partition, EARLIEST)])])
        answer = await self._of_leader(tp, request)
        (_, ((_, error, _, offset, *_),)) = answer.topics[0]
        _check(tp, error)
        return int(offset)

    async def end_offset(self, tp: TopicPartition) -> int:
        """Last stable offset, from a fetch: what a list of offsets says is wrong on the embedded broker."""
        return (await self._fetch(tp, await self.log_start(tp), 1)).end

    async def last_record_hash(self, tp: TopicPartition, offset: int) -> bytes | None:
        """What stands at `offset` now, to be compared with `Batch.last_hash`; None when nothing does."""
        if offset < 0:
            return None
        try:
            part = await self._fetch(tp, offset, 1024 * 1024)
        except remote.OffsetOutOfRangeError:
            return None
        if offset >= part.end:
            return None
        unpacker = Unpacker(part.data, offset, end=part.end, aborted=part.aborted, inflater=Inflater())
        return unpacker.identity() or None

    async def _fetch(self, tp: TopicPartition, offset: int, max_bytes: int) -> "FetchedPart":
        request = FetchRequest(1, 0, max_bytes, READ_COMMITTED, [(tp.topic, [(tp.partition, offset, max_bytes)])])
        answer = await self._of_leader(tp, request)
        ((_, part),) = fetched_parts(answer)
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
        return await ask(self._client, leader, request)


def _check(tp: TopicPartition, code: int) -> None:
    error = remote.for_code(code)
    if error is remote.OffsetOutOfRangeError:
        raise error(f"{tp.topic}/{tp.partition}")
    if error is not remote.NoError:
        raise BrokerUnavailable(f"{tp.topic}/{tp.partition}: {error.__name__}")


@contextlib.asynccontextmanager
async def open_log_reader(settings: Settings, topics: Iterable[str] = ()) -> AsyncIterator[LogReader]:
    """A LogReader with a client of its own; waits until the broker answers."""
    client = new_client(settings, "log-reader")
    try:
        await connect(client, settings)
        if topics := list(topics):
            await client.set_topics(topics)
        yield LogReader(client)
    finally:
        await client.close()
