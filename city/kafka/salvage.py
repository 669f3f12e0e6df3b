"""The slow way through a record batch that the fast parser refused: broken records are refused alone."""

import struct

from city.kafka.records import Record, Refused

_HEADER_SIZE = 61
_LOG_APPEND_TIME = 0x08


def salvage(body: bytes, position: int, end: int, limit: int) -> tuple[list[Record], list[Refused], int]:
    """Records of the uncompressed batch `body` from offset `position` on, at most `limit`, and the broken ranges.

    Each record carries its own length, so one that is broken inside costs only its own offset; where a length itself is
    broken, the rest up to `end` is refused. Returns also the next offset to go on from.
    """
    base, attributes, first_ms, max_ms, count = _fields(body)
    appended = bool(attributes & _LOG_APPEND_TIME)
    records: list[Record] = []
    refused: list[Refused] = []
    at, expected = _HEADER_SIZE, base
    for _ in range(count):
        try:
            length, start = _varint(body, at)
        except (IndexError, ValueError):
            break
        if length < 0 or start + length > len(body):
            break
        at = start + length
        offset = expected
        try:
            delta_ms, offset_delta, key, value, headers = _record(body[start:at])
            if not expected <= base + offset_delta < end:
                raise ValueError(f"offset {base + offset_delta} where {expected} was due")
            offset = base + offset_delta
            if offset >= position:
                millis = max_ms if appended else first_ms + delta_ms
                records.append(Record(offset, millis * 1000, key, value, headers))
        except (IndexError, ValueError) as error:
            if position <= offset < end:
                detail = f"the record is broken inside: {error}"
                refused.append(Refused(offset, offset + 1, "bad_batch", detail, body[start : min(at, start + 65536)]))
        expected = offset + 1
        if len(records) + len(refused) >= limit:
            return records, refused, max(position, expected)
    else:
        return records, refused, end  # what is missing after the last one was compacted away
    position = max(position, expected)
    if position < end:
        detail = "the rest of the record batch is cut off or not in records"
        refused.append(Refused(position, end, "bad_batch", detail, body[at : at + 65536]))
    return records, refused, end


def first_key(body: bytes) -> bytes | None:
    """Key of the first record of an uncompressed batch; None when there is none or it cannot be read."""
    try:
        length, start = _varint(body, _HEADER_SIZE)
        return _record(body[start : start + length])[2]
    except (IndexError, ValueError):
        return None


def _fields(body: bytes) -> tuple[int, int, int, int, int]:
    base, attributes = struct.unpack_from(">q", body)[0], struct.unpack_from(">h", body, 21)[0]
    first_ms, max_ms = struct.unpack_from(">qq", body, 27)
    return base, attributes, first_ms, max_ms, struct.unpack_from(">i", body, 57)[0]


def _record(body: bytes) -> tuple[int, int, bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]:
    """Timestamp delta, offset delta, key, value, headers of one record without its length."""
    delta_ms, at = _varint(body, 1)
    offset_delta, at = _varint(body, at)
    key, at = _bytes(body, at)
    value, at = _bytes(body, at)
    count, at = _varint(body, at)
    if not 0 <= count <= len(body):
        raise ValueError(f"{count} headers")
    headers = []
    for _ in range(count):
        name, at = _bytes(body, at)
        content, at = _bytes(body, at)
        if name is None:
            raise ValueError("a header without a name")
        headers.append((name.decode(), content or b""))
    if at != len(body):
        raise ValueError(f"{len(body) - at} bytes left over")
    return delta_ms, offset_delta, key, value, tuple(headers)


def _bytes(body: bytes, at: int) -> tuple[bytes | None, int]:
    length, at = _varint(body, at)
    if length < 0:
        return None, at
    if at + length > len(body):
        raise ValueError(f"a field of {length} bytes where {len(body) - at} are left")
    return body[at : at + length], at + length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint of at most 10 bytes."""
    value = shift = 0
    while True:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")
