"""Builds record batches as a broker keeps them, sound or broken in a chosen way."""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
START_MS = 1_795_331_220_000
HEADER = 61


class Made(NamedTuple):
    """A record to put into a batch; `delta` is its offset less the batch's first."""

    delta: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def batch(
    base: int, records: Sequence[Made], codec: str = "none", *, producer_id: int = -1, transactional: bool = False
) -> bytes:
    """One batch at offset `base`; record n is stamped n milliseconds after START_MS."""
    epoch = 0 if producer_id >= 0 else -1
    builder = DefaultRecordBatchBuilder(2, CODECS[codec], int(transactional), producer_id, epoch, epoch, 1 << 30)
    for made in records:
        builder.append(made.delta, START_MS + made.delta, made.key, made.value, list(made.headers))
    built = bytearray(builder.build())
    struct.pack_into(">q", built, 0, base)
    return bytes(built)


def simple(base: int, count: int, codec: str = "none") -> bytes:
    """`count` records with key k<n> and value v<n>, n being their offset."""
    return batch(base, [Made(n, b"k%d" % (base + n), b"v%d" % (base + n)) for n in range(count)], codec)


def control(base: int, producer_id: int, *, abort: bool) -> bytes:
    """The marker that ends a transaction."""
    key = struct.pack(">hh", 0, 0 if abort else 1)
    made = bytearray(batch(base, [Made(0, key, b"\0" * 6)], producer_id=producer_id, transactional=True))
    (attributes,) = struct.unpack_from(">h", made, 21)
    struct.pack_into(">h", made, 21, attributes | 0x20)
    return with_checksum(made)


def with_body(base: int, count: int, codec: int, body: bytes) -> bytes:
    """A batch of `count` records whose (compressed) records are these bytes, with a right checksum."""
    made = bytearray(simple(base, 1)[:HEADER] + body)
    struct.pack_into(">i", made, 8, len(made) - 12)
    struct.pack_into(">h", made, 21, codec)
    struct.pack_into(">i", made, 23, count - 1)
    struct.pack_into(">i", made, 57, count)
    return with_checksum(made)


def with_checksum(made: bytearray) -> bytes:
    """The same with its checksum made right."""
    struct.pack_into(">I", made, 17, calc_crc32c(bytes(made[21:])))
    return bytes(made)


def with_wrong_checksum(made: bytes) -> bytes:
    """The same with a bit of its checksum turned."""
    broken = bytearray(made)
    broken[17] ^= 1
    return bytes(broken)


def with_last_offset_delta(made: bytes, delta: int) -> bytes:
    """As compaction leaves it: the batch still covers offsets whose records are gone."""
    changed = bytearray(made)
    struct.pack_into(">i", changed, 23, delta)
    return with_checksum(changed)
