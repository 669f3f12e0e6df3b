"""One assigned partition: what was fetched of it, and how far it was taken."""

import sys
import time
from collections import deque
from typing import Final, NamedTuple

from city.kafka.records import Batch, Record, Refused, TopicPartition
from city.kafka.unpack import Unpacker

PARTITION_BYTES: Final = 1024 * 1024
"""Of one fetch; a partition whose next batch is larger asks for more."""


class Progress(NamedTuple):
    """How far a partition is read: `position` is next, `end` was the last stable offset at monotonic second `as_of`."""

    position: int
    end: int
    as_of: float


class PartitionState:
    """Where one assigned partition stands: taken up to `position`, fetched up to `reach`.

    `topic_id` is that of the topic as it was verified, None where the broker has no ids.
    """

    def __init__(self, tp: TopicPartition, position: int, topic_id: bytes | None = None) -> None:
        self.tp = tp
        self.topic_id = topic_id
        self.paused = False
        self.was_away = False
        self.end = -1
        self.known_end = 0
        self.as_of = 0.0
        self.failures = 0
        self.fetch_bytes = PARTITION_BYTES
        self.spent = 0
        self.said = 0.0
        self.hole = (-1, 0.0)
        """Offset at which a hole stands, and since which monotonic second."""
        self.move(position)

    def move(self, position: int) -> None:
        """Go on at `position`; what was fetched is dropped, what is under way will be."""
        self.position = position
        self.reach: int | None = position
        self.chunks: deque[tuple[Unpacker, int]] = deque()
        self.buffered = 0
        self.not_before = 0.0
        self.served = time.monotonic()
        """When an answer last brought something, or said that there is nothing."""
        self.version = object()

    @property
    def progress(self) -> Progress:
        """How far it is read."""
        return Progress(self.position, self.end, self.as_of)

    def put(self, chunk: Unpacker, size: int) -> None:
        """Append what a fetch of `size` bytes brought."""
        self.chunks.append((chunk, size))
        self.buffered += size

    def rest(self, seconds: float) -> None:
        """Not to be fetched for so long."""
        self.not_before = self.served = time.monotonic() + seconds

    def take(self, limit: int, room: int = sys.maxsize) -> Batch | None:
        """At most `limit` records of what is buffered, as one batch; None when that passes no offset.

        Batches of about `room` bytes, inflated, are opened; `spent` tells how many were.
        """
        self.spent = 0
        first = self.position
        records: list[Record] = []
        refused: list[Refused] = []
        last_hash = b""
        while self.chunks and len(records) < limit and self.spent < room:
            chunk, size = self.chunks[0]
            more, broken = chunk.take(limit - len(records), room - self.spent)
            self.spent += chunk.spent
            records += more
            refused += broken
            if chunk.position > self.position:
                last_hash = chunk.last_hash
            self.position = max(self.position, chunk.position)
            if chunk.exhausted:
                self.chunks.popleft()
                self.buffered -= size
        if not self.chunks and self.reach is None:
            self.reach = self.position
        if self.position == first:
            return None
        read = len(records) + sum(part.next_offset - part.first_offset for part in refused)
        no_record = self.position - first - read
        topic, partition = self.tp
        return Batch(topic, partition, first, self.position, records, refused, no_record, self.known_end, last_hash)
