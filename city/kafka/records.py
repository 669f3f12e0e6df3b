"""What a consumer hands over: records, refused ranges, and the exact range of offsets that they account for."""

from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from city.events import MAX_EVENT_BYTES

RAW_BYTES: Final = 64 * 1024
"""How much of a refused batch, or of a refused record's value, is kept for the dead letter."""
FIELD_BYTES: Final = MAX_EVENT_BYTES
"""Largest value, key, and all headers together, of a record where records are bounded."""


class TopicPartition(NamedTuple):
    """One partition of one topic; equal to and hashed like the client library's own."""

    topic: str
    partition: int


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of the log; its time is the broker's on Apache Kafka, the producer's on the embedded broker."""

    offset: int
    timestamp_us: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A range of offsets whose records could not be read at all: `too_large` or `bad_batch`, and why.

    A single record that is too large has its time; what is broken has none.
    """

    first_offset: int
    next_offset: int
    reason: str
    detail: str
    raw: bytes
    timestamp_us: int | None = None


class Batch(msgspec.Struct, frozen=True):
    """Everything of one partition from `first_offset` up to but not including `next_offset`.

    Always: next_offset - first_offset == len(records) + the ranges of `refused` + no_record. What is no record: control
    markers, records of aborted transactions, and holes. `end` is the partition's last stable offset as of this
    fetch; `last_hash` identifies what stood at next_offset - 1 (compare `LogReader.last_record_hash`).
    """

    topic: str
    partition: int
    first_offset: int
    next_offset: int
    records: list[Record]
    refused: list[Refused]
    no_record: int
    end: int
    last_hash: bytes

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


def record_hash(record: Record) -> bytes:
    """Sixteen bytes that tell two records apart: BLAKE2b of offset, time, key and value."""
    key, value = record.key or b"", record.value or b""
    return blake2b(b"%d %d %d " % (record.offset, record.timestamp_us, len(key)) + key + value, digest_size=16).digest()
