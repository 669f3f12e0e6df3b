"""A sector's log as the broker has it: whether it is the one that was read before, and what of it is left to read."""

import msgspec

from alerts.journal import Place, Position
from alerts.refill import Unread
from city.kafka import LogReader, TopicPartition, topic_for


class SectorLog(msgspec.Struct, frozen=True):
    """A sector's log as the broker has it now: its cluster, and each partition's first and end offset."""

    sector: str
    cluster: str
    starts: dict[int, int]
    ends: dict[int, int]

    @classmethod
    async def read(cls, reader: LogReader, sector: str) -> "SectorLog":
        """Ask the broker; raises BrokerUnavailable."""
        partitions = await reader.partitions(topic_for(sector))
        starts = {tp.partition: await reader.log_start(tp) for tp in partitions}
        ends = {tp.partition: await reader.end_offset(tp) for tp in partitions}
        return cls(sector, await reader.cluster_id(), starts, ends)

    def go_on(self, place: Place | None) -> dict[int, int]:
        """Where to read on after `place`, as far as the log still has it; without one, at the log's start."""
        known = place.positions if place is not None else {}
        return {
            partition: max(first, known[partition].next if partition in known else 0)
            for partition, first in self.starts.items()
        }

    def lost(self, place: Place) -> bool:
        """Whether records after `place` are gone."""
        return any(
            first > (place.positions[partition].next if partition in place.positions else 0)
            for partition, first in self.starts.items()
        )

    async def unread(self, reader: LogReader, start: dict[int, int], now_us: int) -> Unread:
        """What reading from `start` on brings."""
        topic = topic_for(self.sector)
        told = [
            await reader.record_time(TopicPartition(topic, partition), offset) for partition, offset in start.items()
        ]
        times = [now_us if time is None else time for time in told] or [now_us]
        return Unread(min(times), max(times))

    async def is_same(self, reader: LogReader, place: Place) -> bool:
        """Whether this is the log that `place` was in: the same cluster, and the same record before each position."""
        if place.cluster != self.cluster:
            return False
        for partition, position in place.positions.items():
            if partition not in self.ends or self.ends[partition] < position.next:
                return False
            gone = self.starts[partition] >= position.next
            if not position.last_hash or gone:
                continue
            tp = TopicPartition(topic_for(self.sector), partition)
            if await reader.last_record_hash(tp, position.next - 1) != position.last_hash:
                return False
        return True

    async def positions(self, reader: LogReader, offsets: dict[int, int]) -> dict[int, Position]:
        """These offsets, each with what identifies the log before it."""
        topic = topic_for(self.sector)
        found = {}
        for partition, offset in offsets.items():
            last_hash = await reader.last_record_hash(TopicPartition(topic, partition), offset - 1)
            found[partition] = Position(offset, last_hash or b"")
        return found
