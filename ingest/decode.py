"""Batches to work: every record a reading, a report, late, dead, or no record. Pure but for metrics."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from city import metrics
from city.decoding import PLAIN_HEADERS, Decoder, is_plain, plain
from city.events import FUTURE_TOLERANCE_US, Reading, Refusal
from city.kafka import Batch, Record
from city.timestamps import parse_time
from ingest.assets import Asset
from ingest.flood import DeadLetter
from ingest.ownership import Owned
from ingest.work import Part, Work

DAY_US: Final = 86_400_000_000
SLICE: Final = 200
SLICE_BYTES: Final = 64 * 1024
"""At most so many records, of so many bytes (or one larger), are decoded before the time is looked at."""
TURN_S: Final = 0.001
"""How long decoding goes on before other tasks get their turn: a write waits for the server about ten times, and each
answer lies until the turn ends (five times as long cost a quarter of the throughput)."""
_UNUSUAL: Final = (KeyError, ValueError, RecursionError, msgspec.MsgspecError, TypeError)


class Opener:
    """Opens batches against the assets known to this worker (by sector and name, shared with `Series`).

    An ordinary reading of a known asset costs two microseconds; whatever is unusual about a record sends it the
    strict way of `Decoder.decode`, which alone refuses.
    """

    def __init__(self, decoder: Decoder, assets: Mapping[str, dict[str, Asset]], retention_days: int) -> None:
        self._decoder = decoder
        self._assets = assets
        self._retention_us = retention_days * DAY_US

    async def open(self, batches: Iterable[tuple[Owned, Batch]], server: str | None = None) -> Work:
        """The work that these batches make, each with the ownership under which it was read; `server` gave the ids.

        Gives way to the event loop every millisecond, so that fetching and writing go on beside it.
        """
        work = Work(server=server)
        for owned, batch in batches:
            part = Part(owned, batch, work.records, no_record=batch.no_record)
            work.parts.append(part)
            work.records += len(batch.records)
            began = time.monotonic()
            for start, end in _slices(batch.records):
                self._read(work, part, start, batch.records[start:end])
                if (now := time.monotonic()) - began >= TURN_S:
                    metrics.DECODE_SECONDS.labels("ingest").observe(now - began)
                    await asyncio.sleep(0)
                    began = time.monotonic()
            metrics.DECODE_SECONDS.labels("ingest").observe(time.monotonic() - began)
            await asyncio.sleep(0)
            for refused in batch.refused:
                records = refused.next_offset - refused.first_offset
                part.dead += records
                metrics.REFUSALS.labels("kafka", part.sector, refused.reason).inc(records)
                if refused.timestamp_us is not None and not owned.gate.passes(refused.timestamp_us):
                    owned.gate.count(refused.first_offset, refused.reason, refused.detail)
                    continue
                letter = DeadLetter(
                    refused.first_offset,
                    refused.next_offset,
                    refused.reason,
                    refused.detail,
                    refused.raw,
                    records=records,
                )
                part.letters.append(letter)
        return work

    def _read(self, work: Work, part: Part, start: int, records: list[Record]) -> None:
        """Records number `start` on of the part's batch."""
        sector = part.sector
        reading_type = f"city.{sector}.reading.v1"
        known = self._assets.get(sector, {})
        retention_us, number, taken = self._retention_us, part.base + start - 1, 0
        numbers, times, counts, series, values = work.numbers, work.times, work.counts, work.series, work.values
        for record in records:
            number += 1
            value = record.value
            try:
                event = plain(value)  # type: ignore[arg-type]  # None raises TypeError
                asset = known[event.subject]
                data = event.data
                if (
                    event.type != reading_type
                    or record.headers not in PLAIN_HEADERS
                    or (data.location != asset.location and data.location is not None)
                    or (data.zone != asset.zone and data.zone is not None)
                    or not is_plain(value, event)  # type: ignore[arg-type]
                ):
                    raise KeyError
                at = parse_time(event.time)
                if not -FUTURE_TOLERANCE_US <= record.timestamp_us - at <= retention_us:
                    raise KeyError
                measurements, ids = data.measurements, asset.series
                found = []
                for name, measured in measurements.items():
                    series_id, low, high = ids[name]
                    if not low <= measured <= high:
                        raise KeyError
                    found.append(series_id)
                if not found:
                    raise KeyError
                if at > asset.placed_at and (data.location is not None or data.zone is not None):
                    asset.placed_at = at
            except _UNUSUAL:
                self._read_closely(work, part, number, record)
                continue
            numbers.append(number)
            times.append(at)
            counts.append(len(found))
            series += found
            values += measurements.values()
            taken += 1
        part.taken += taken
        if taken:
            age_us = part.batch.records[numbers[-1] - part.base].timestamp_us - times[-1]
            metrics.EVENT_AGE_SECONDS.labels(sector).observe(age_us / 1e6)

    def _read_closely(self, work: Work, part: Part, number: int, record: Record) -> None:
        decoded = self._decoder.decode(
            record.value, record.headers, sector=part.sector, record_time_us=record.timestamp_us
        )
        if decoded is None:
            part.no_record += 1
        elif isinstance(decoded, Refusal):
            part.refuse(record, decoded.reason, decoded.detail)
        elif record.timestamp_us - decoded.time > self._retention_us:
            days = self._retention_us // DAY_US
            age = (record.timestamp_us - decoded.time) / DAY_US
            detail = (
                f"time is {age:.1f} days before the record's own, beyond the {days} days that raw readings are kept"
            )
            part.refuse(record, "late", f"{detail}; import it as a backfill with a longer retention")
        else:
            part.taken += 1
            if isinstance(decoded, Reading):
                work.strangers.append((part, number, decoded))
            else:
                work.reports.append((number, decoded))


def _slices(records: list[Record]) -> Iterator[tuple[int, int]]:
    """Ranges of records that are decoded in one go."""
    start = size = 0
    for at, record in enumerate(records):
        size += len(record.value or b"")
        if at - start >= SLICE or size >= SLICE_BYTES:
            yield start, at + 1
            start, size = at + 1, 0
    if start < len(records):
        yield start, len(records)
