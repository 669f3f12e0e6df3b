"""From the bytes of a fetch to records: every offset accounted for, nothing raised, whatever the bytes are.

The well-formed batches are parsed by aiokafka's C extension.
"""

import struct
import sys
from collections.abc import Iterator
from itertools import chain, dropwhile, islice

from aiokafka.errors import CorruptRecordException
from aiokafka.record._protocols import DefaultRecordProtocol
from aiokafka.record.default_records import DefaultRecordBatch

from city.kafka.bounds import LATEST_US, are_ascending, are_of_this_world, clamped, is_large, no_later, too_large
from city.kafka.chain import ATTRIBUTES_AT, CODEC, HEADER, Chain, Header, Transactions
from city.kafka.inflate import BrokenCodec, Inflater, InflatesPastBound
from city.kafka.records import RAW_BYTES, Record, Refused, record_hash
from city.kafka.salvage import salvage


class Unpacker:
    """The records of one partition's part of one fetch, from `position` on, a slice at a time.

    `aborted` are (producer id, first offset) of aborted transactions, as the fetch told them; `end` bounds what a batch
    with a broken header may claim. A batch cut off at the end of `data` is left for the next fetch. Where records are
    `bounded`, one with a larger field than FIELD_BYTES is refused, and only a prefix of it held. No record is later
    than `latest_us`; its hash is of what the log has.
    """

    def __init__(
        self,
        data: bytes,
        position: int,
        *,
        end: int,
        aborted: list[tuple[int, int]],
        inflater: Inflater,
        bounded: bool = False,
        latest_us: int = LATEST_US,
    ) -> None:
        self._bounded = bounded
        self._latest_us = latest_us
        self._last: Record | None = None
        self._data = data
        self._at = 0
        self._end = end
        self._inflater = inflater
        self._chain = Chain(data, end)
        self._transactions = Transactions(aborted)
        self._records: Iterator[DefaultRecordProtocol] | None = None
        self._body = b""
        self._batch_at = 0
        self._batch_next = position
        self.position = position
        self.spent = 0
        self.refused: list[Refused] = []
        self.last_hash = b""
        self.exhausted = not data

    @property
    def is_open(self) -> bool:
        """Whether an inflated batch is held in memory."""
        return self._records is not None

    def reach(self) -> int | None:
        """First offset after the complete batches, where the next fetch goes on; None where their chain is broken.

        Reads headers only.
        """
        return self._chain.reach(self.position)

    def producer_timed(self) -> int:
        """How many batches with records have their producer's times, not the broker's. Reads headers only."""
        return self._chain.producer_timed()

    def take(self, limit: int, room: int = sys.maxsize) -> tuple[list[Record], list[Refused]]:
        """At most `limit` records more, and what was refused; `position`, `last_hash` and `exhausted` move on.

        No batch is opened any more once those opened by this call have `room` bytes, inflated; `spent` are theirs.
        """
        records: list[Record] = []
        self.refused = []
        self.spent = 0
        self._last = None
        while len(records) < limit and not self.exhausted and (self.is_open or self.spent < room):
            if self._records is None:
                self._open()
            else:
                records += self._judged(self._drain(limit - len(records)))
        if self._last is not None and self._last.offset == self.position - 1:
            self.last_hash = record_hash(self._last)
        self._last = None
        return records, self.refused

    def identity(self) -> bytes:
        """What stands at `position`: hash of the record there, else of the batch around it; empty if neither."""
        offset = self.position
        while not self.exhausted and self.position == offset and self._records is None:
            self._open()
        if self._records is not None and self.position == offset:
            found = self._drain(1)
            if found and found[0].offset == offset:
                return record_hash(found[0])
            return self._batch_hash()
        return self.last_hash

    def _open(self) -> None:
        """Look at the next batch: skip it, refuse it, or leave it open for `_drain`."""
        header = self._chain.header(self._at)
        if header is None:
            self.exhausted = True
            return
        at = self._at
        self._batch_at = at
        if self._chain.is_broken(header):
            # The chain of batches is broken here: give up one offset and let the next fetch start after it.
            self.exhausted = True
            if self.position < self._end:
                detail = f"a batch of length {header.length}, format {header.magic} at offset {header.base_offset}"
                self._refuse(self.position + 1, "bad_batch", detail)
            return
        self._at = self._chain.after(at, header)
        if header.magic < 2:
            if header.base_offset >= self.position:
                self._refuse(header.base_offset + 1, "bad_batch", f"message format {header.magic} is not read")
            return
        self._batch_next = min(header.next_offset, self._chain.limit(at, header))
        if header.last_offset_delta < 0:
            self._batch_next = header.base_offset + 1
        if self._batch_next <= self.position:
            return
        self._position_at(header.base_offset)
        raw = self._data[at : self._at]
        batch = DefaultRecordBatch(raw)
        if not batch.validate_crc():
            self._refuse(self._batch_next, "bad_batch", "the checksum of the record batch is wrong")
            return
        if header.last_offset_delta < 0 or header.records < 0:
            self._refuse(
                self._batch_next, "bad_batch", f"{header.records} records over {header.last_offset_delta + 1} offsets"
            )
            return
        if self._transactions.is_no_record(header, raw):
            self._skip_batch()
            return
        if header.codec:
            try:
                self._body = self._inflate(at, header)
            except InflatesPastBound as error:
                self._refuse(self._batch_next, "too_large", f"a record batch that inflates too far: {error}")
                return
            except BrokenCodec as error:
                self._refuse(self._batch_next, "bad_batch", f"a record batch that does not decompress: {error}")
                return
            batch = DefaultRecordBatch(self._body)
        else:
            self._body = raw
        records: Iterator[DefaultRecordProtocol] = chain(batch)  # the parser allows only one iter() of itself
        if header.base_offset < self.position:
            first = self.position
            records = dropwhile(lambda record: record.offset < first, records)
        self._records = records
        self.spent += len(self._body)

    def _judged(self, records: list[Record]) -> list[Record]:
        """The records that may be handed on, as they may be; notes the last one as the log has it."""
        if not records:
            return records
        self._last = records[-1]
        if self._bounded and any(map(is_large, records)):
            self.refused += [too_large(record) for record in records if is_large(record)]
            records = [record for record in records if not is_large(record)]
        return no_later(records, self._latest_us)

    def _inflate(self, at: int, header: Header) -> bytes:
        plain = bytearray(self._data[at : at + HEADER.size])
        struct.pack_into(">h", plain, ATTRIBUTES_AT, header.attributes & ~CODEC)
        return self._inflater.inflate(header.codec, bytes(plain), memoryview(self._data)[at + HEADER.size : self._at])

    def _drain(self, limit: int) -> list[Record]:
        """At most `limit` records of the open batch; closes it when there are no more."""
        records = self._records
        if records is None:
            return []
        try:
            taken = [
                Record(
                    record.offset,
                    record.timestamp * 1000,
                    record.key,
                    record.value,
                    tuple([(name, value or b"") for name, value in headers]) if (headers := record.headers) else (),
                )
                for record in islice(records, limit)
            ]
        except (CorruptRecordException, ValueError, IndexError):
            return self._salvage(limit)
        if not taken:
            self._skip_batch()
            return []
        if not are_ascending(taken, self.position, self._batch_next):
            self._refuse(self._batch_next, "bad_batch", "the offsets within the record batch are out of order")
            return []
        if not are_of_this_world(taken):
            taken = clamped(taken)
        self.position = taken[-1].offset + 1
        if len(taken) < limit or self.position >= self._batch_next:
            self._skip_batch()
        return taken

    def _salvage(self, limit: int) -> list[Record]:
        """Record by record where the fast parser gave up: the broken ones alone are refused."""
        records, refused, self.position = salvage(self._body, self.position, self._batch_next, limit)
        records = clamped(records)
        self.refused += refused
        self.last_hash = self._batch_hash()
        if self.position >= self._batch_next:
            self._skip_batch()
        else:
            first = self.position
            self._records = dropwhile(lambda record: record.offset < first, iter(DefaultRecordBatch(self._body)))
        return records

    def _position_at(self, offset: int) -> None:
        """Step over a hole; what is missing is counted as no record by the range itself."""
        self.position = max(self.position, offset)

    def _skip_batch(self) -> None:
        self.position = max(self.position, self._batch_next)
        self.last_hash = self._batch_hash()
        self._records, self._body = None, b""

    def _refuse(self, until: int, reason: str, detail: str) -> None:
        raw = self._data[self._batch_at : min(max(self._at, self._batch_at + HEADER.size), self._batch_at + RAW_BYTES)]
        self.refused.append(Refused(self.position, until, reason, detail, raw))
        self.position = until
        self.last_hash = self._batch_hash()
        self._records, self._body = None, b""

    def _batch_hash(self) -> bytes:
        """The batch's own checksum and position, where no record of it stands at the offset in question."""
        header = self._chain.header(self._batch_at)
        return b"" if header is None else header.identity
