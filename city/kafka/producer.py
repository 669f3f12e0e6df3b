"""Publishing: acknowledged by all in-sync replicas, bounded in memory, and honest about what is unknown."""

import asyncio
from collections.abc import Sequence
from types import MethodType, TracebackType
from typing import Any, Final, Literal, NamedTuple, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka import errors as remote

from city.kafka.client import Client, backoff
from city.kafka.errors import KafkaError, PublishRefused, PublishUnknown
from city.kafka.handshake import Handshake
from city.kafka.records import TopicPartition
from city.settings import Settings

_REQUEST_TIMEOUT_MS: Final = 10_000
_REFUSALS: Final = (
    remote.MessageSizeTooLargeError,
    remote.InvalidTopicError,
    remote.RecordListTooLargeError,
    remote.TopicAuthorizationFailedError,
    remote.CorruptRecordException,
    remote.InvalidTimestampError,
)

log = structlog.get_logger(__name__)


class Sent(NamedTuple):
    """Where the broker stored a record."""

    topic: str
    partition: int
    offset: int


class Producer:
    """Sends records in batches; at most one batch a partition is buffered, and `send` waits when it is full.

    Repeats are possible after errors (identities make them duplicates, which ingest counts once). Nothing is sent over
    a new connection before its broker has told which topics it has.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        compression: Literal["gzip", "snappy", "lz4", "zstd"] | None = None,
        linger_ms: int = 5,
        batch_bytes: int = 256 * 1024,
    ) -> None:
        self._settings = settings
        self._options: dict[str, Any] = {
            "compression_type": compression,
            "linger_ms": linger_ms,
            "max_batch_size": batch_bytes,
            "enable_idempotence": False,  # an idempotent one would try for ever: nobody would learn that it is unknown
        }
        self._producer: AIOKafkaProducer | None = None
        self._handshake: Handshake | None = None
        self._ends: dict[tuple[str, TopicPartition], int] = {}

    async def __aenter__(self) -> Self:
        """Connect, however long that takes, with bounded backoff."""
        attempt = 0
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._settings.kafka_bootstrap,
                acks="all",
                request_timeout_ms=_REQUEST_TIMEOUT_MS,
                metadata_max_age_ms=5_000,
                **self._options,
            )
            setattr(producer.client, "_metadata_update", MethodType(Client._metadata_update, producer.client))  # noqa: B010
            self._handshake = Handshake(producer.client)
            try:
                await producer.start()
            except (remote.KafkaError, OSError) as error:
                await producer.stop()
                if attempt == 0:
                    log.warning("broker does not answer; trying again", error=str(error))
                await asyncio.sleep(backoff(attempt))
                attempt += 1
            else:
                self._producer = producer
                return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Send what is buffered, for as long as one request may take, and disconnect."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_us: int | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[Sent]:
        """Buffer one record; waits only while the buffer is full. The future tells where it was stored.

        Raises (this call, or the future):
            PublishRefused: not stored, and would not be if sent again.
            PublishUnknown: no acknowledgement in time; safe to send again.
        """
        if self._producer is None:
            raise KafkaError("the producer is not open: use it in `async with`")
        sent: asyncio.Future[Sent] = asyncio.get_running_loop().create_future()
        try:
            acknowledged = await self._producer.send(
                topic,
                value,
                key=key,
                headers=list(headers),
                timestamp_ms=None if timestamp_us is None else timestamp_us // 1000,
                partition=partition,
            )
        except (AssertionError, TypeError, ValueError) as error:
            raise PublishRefused(f"{topic}: no such record can be sent: {error}") from error
        except remote.KafkaError as error:
            raise _translated(topic, error) from error
        acknowledged.add_done_callback(lambda done: self._pass_on(topic, done, sent))
        return sent

    async def publish(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        timestamp_us: int | None = None,
        partition: int | None = None,
    ) -> Sent:
        """Send one record and wait until all in-sync replicas have it. Raises as `send`."""
        return await (
            await self.send(topic, value, key=key, headers=headers, timestamp_us=timestamp_us, partition=partition)
        )

    async def flush(self) -> None:
        """Wait until everything buffered is acknowledged or given up; each future tells which."""
        if self._producer is not None:
            await self._producer.flush()

    def take_ends(self) -> dict[tuple[str, TopicPartition], int]:
        """How far logs go at least, by cluster and partition: ends of what was acknowledged since the last call."""
        ends, self._ends = self._ends, {}
        return ends

    def _pass_on(self, topic: str, done: "asyncio.Future[Any]", sent: asyncio.Future[Sent]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is None and not done.cancelled():
            stored = done.result()
            if self._handshake is not None:
                log_of = self._handshake.cluster, TopicPartition(stored.topic, stored.partition)
                self._ends[log_of] = max(stored.offset + 1, self._ends.get(log_of, 0))
            if not sent.done():
                sent.set_result(Sent(stored.topic, stored.partition, stored.offset))
        elif sent.done():
            return
        elif error is not None:
            sent.set_exception(_translated(topic, error))
            sent.exception()  # a caller who doesn't look is not warned about: counting is up to him
        else:
            sent.cancel()


def _translated(topic: str, error: BaseException) -> KafkaError:
    if isinstance(error, _REFUSALS):
        return PublishRefused(f"{topic}: the broker refused the record: {error}")
    return PublishUnknown(f"{topic}: no acknowledgement: {error!r}; safe to send again")
