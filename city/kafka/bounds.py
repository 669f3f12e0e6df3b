"""What records may claim to be: how large, of what time, at which offsets. Producers and broken logs write anything."""

from itertools import pairwise
from typing import Final

from msgspec.structs import replace

from city.kafka.records import FIELD_BYTES, RAW_BYTES, Record, Refused

EARLIEST_US: Final = -1_000
"""No timestamp is -1 ms."""
LATEST_US: Final = 253_402_300_799_000_000
"""The last second of the year 9999."""


def is_large(record: Record) -> bool:
    """Whether value, key, or all headers together have more than FIELD_BYTES."""
    value, key = record.value, record.key
    if (value is not None and len(value) > FIELD_BYTES) or (key is not None and len(key) > FIELD_BYTES):
        return True
    return record.headers != () and _headers_bytes(record) > FIELD_BYTES


def too_large(record: Record) -> Refused:
    """The refusal of a large record, with a prefix of its value."""
    value = record.value or b""
    sizes = f"value {len(value)}, key {len(record.key or b'')}, headers {_headers_bytes(record)}"
    detail = f"the record is too large (bytes: {sizes}); at most {FIELD_BYTES} each, split what it tells"
    raw = bytes(value[:RAW_BYTES])
    return Refused(record.offset, record.offset + 1, "too_large", detail, raw, record.timestamp_us)


def are_of_this_world(records: list[Record]) -> bool:
    """Whether all times are ones that a date can have; `records` are not empty."""
    times = [record.timestamp_us for record in records]
    return max(times) <= LATEST_US and min(times) >= EARLIEST_US


def clamped(records: list[Record]) -> list[Record]:
    """A producer may write any 64-bit number of milliseconds; what is out of this world is moved to its edge."""
    return [replace(record, timestamp_us=max(EARLIEST_US, min(LATEST_US, record.timestamp_us))) for record in records]


def no_later(records: list[Record], latest_us: int) -> list[Record]:
    """Times after `latest_us` become that."""
    if any(record.timestamp_us > latest_us for record in records):
        return [replace(record, timestamp_us=min(record.timestamp_us, latest_us)) for record in records]
    return records


def are_ascending(records: list[Record], first: int, end: int) -> bool:
    """Whether offsets rise from `first` at the least and stay below `end`; `records` are not empty."""
    offsets = [record.offset for record in records]
    if offsets[0] < first or offsets[-1] >= end:
        return False
    if offsets[-1] - offsets[0] == len(offsets) - 1 and offsets == list(range(offsets[0], offsets[0] + len(offsets))):
        return True
    return all(earlier < later for earlier, later in pairwise(offsets))


def _headers_bytes(record: Record) -> int:
    return sum(len(name) + len(content) for name, content in record.headers)
