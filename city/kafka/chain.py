"""The chain of record batches in the bytes of a fetch: their headers, where each must end, which are no records.

Record batches of format 2 (KIP-98).
"""

import struct
from typing import Final, NamedTuple

from city.kafka.salvage import first_key

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
ATTRIBUTES_AT: Final = 21
CODEC: Final = 0x07
_LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x08, 0x10, 0x20
_OVERHEAD: Final = 12  # base offset and length, which the length does not count
_ABORT: Final = 0


class Header(NamedTuple):
    """The header of one record batch, as it claims to be."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records: int

    @property
    def next_offset(self) -> int:
        """First offset after the batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def codec(self) -> int:
        """Number of its compression, 0 for none."""
        return self.attributes & CODEC

    @property
    def identity(self) -> bytes:
        """The batch's own checksum and position."""
        return struct.pack(">qIi", self.base_offset, self.crc, self.last_offset_delta)


class Chain:
    """Batches one behind the other in `data`; none of them may claim to lie past `end`, the partition's."""

    def __init__(self, data: bytes, end: int) -> None:
        self._data = data
        self._end = end

    def header(self, at: int) -> Header | None:
        """The header at byte `at`; None where the batch is cut off by the end of the data."""
        if at + HEADER.size > len(self._data):
            return None
        header = Header._make(HEADER.unpack_from(self._data, at))
        return None if header.length >= 0 and self.after(at, header) > len(self._data) else header

    def after(self, at: int, header: Header) -> int:
        """The byte at which the next batch begins."""
        return at + _OVERHEAD + header.length

    def is_broken(self, header: Header) -> bool:
        """Whether what follows cannot be found from here, or the batch claims to lie past the partition's end."""
        sound = header.length >= HEADER.size - _OVERHEAD and 0 <= header.magic <= 2
        return not sound or header.base_offset >= self._end

    def limit(self, at: int, header: Header) -> int:
        """The offset where a batch must end at the latest: at the one after it, or at the partition's end."""
        following = self.header(at + _OVERHEAD + max(0, header.length))
        if following is not None and following.base_offset > header.base_offset:
            return min(following.base_offset, self._end)
        return self._end

    def reach(self, position: int) -> int | None:
        """First offset after the complete batches, at least `position`; None where their chain is broken."""
        at, reach = 0, position
        while (header := self.header(at)) is not None:
            if self.is_broken(header):
                return None
            if header.magic == 2:
                reach = max(reach, min(header.next_offset, self.limit(at, header)))
            reach = max(reach, header.base_offset + 1)
            at = self.after(at, header)
        return reach

    def before_hole(self, position: int) -> int:
        """How many bytes lie before the first offset, from `position` on, that no batch covers though one after it."""
        at, covered = 0, position
        while (header := self.header(at)) is not None and not self.is_broken(header):
            if header.base_offset > covered:
                return at
            covered = max(covered, header.next_offset)
            at = self.after(at, header)
        return len(self._data)

    def seamless(self, position: int) -> int | None:
        """First offset after the complete batches if each begins where the one before it ends; None otherwise."""
        at = 0
        while (header := self.header(at)) is not None:
            if self.is_broken(header) or header.base_offset != position:
                return None
            position, at = header.next_offset, self.after(at, header)
        return position

    def first_offset(self) -> int:
        """Where the first complete batch begins; 0 when there is none."""
        header = self.header(0)
        return 0 if header is None else header.base_offset

    def producer_timed(self) -> int:
        """How many batches of records have the times of their producers (CreateTime)."""
        at = found = 0
        while (header := self.header(at)) is not None and not self.is_broken(header):
            found += header.magic == 2 and not header.attributes & (_LOG_APPEND_TIME | _CONTROL)
            at = self.after(at, header)
        return found


class Transactions:
    """Tells batches that carry no records: control markers, and those of aborted transactions.

    `aborted` are (producer id, first offset), as the fetch told them; batches must be asked about in their order.
    """

    def __init__(self, aborted: list[tuple[int, int]]) -> None:
        self._to_come = sorted(aborted, key=lambda abort: abort[1])
        self._open: set[int] = set()

    def is_no_record(self, header: Header, batch: bytes) -> bool:
        """Whether the batch is a marker, or of a transaction that was aborted."""
        if header.producer_id >= 0:
            while self._to_come and self._to_come[0][1] <= header.base_offset:
                self._open.add(self._to_come.pop(0)[0])
        if header.attributes & _CONTROL:
            if not header.codec and _marker(batch) == _ABORT:
                self._open.discard(header.producer_id)
            return True
        return bool(header.attributes & _TRANSACTIONAL) and header.producer_id in self._open


def _marker(batch: bytes) -> int | None:
    """Type of an uncompressed control batch: 0 abort, 1 commit; None when it cannot be read."""
    key = first_key(batch)
    return None if key is None or len(key) < 4 else int(struct.unpack_from(">h", key, 2)[0])
