"""Every offset of a fetch is accounted for, whatever its bytes are: records, refused ranges, or no record."""

import struct
import zlib
from collections.abc import Iterator
from itertools import pairwise

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.kafka import Record, Refused
from city.kafka.inflate import INFLATE_BOUND, BrokenCodec, Inflater, InflatesPastBound
from city.kafka.unpack import Unpacker
from tests.kafka.batches import (
    CODECS,
    HEADER,
    START_MS,
    Made,
    batch,
    control,
    simple,
    with_body,
    with_checksum,
    with_last_offset_delta,
    with_wrong_checksum,
)

INFLATER = Inflater()


def unpacker(
    data: bytes, position: int = 0, end: int = 1 << 40, aborted: list[tuple[int, int]] | None = None
) -> Unpacker:
    return Unpacker(data, position, end=end, aborted=aborted or [], inflater=INFLATER)


def all_of(chunk: Unpacker, limit: int = 1000) -> tuple[list[Record], list[Refused]]:
    records: list[Record] = []
    refused: list[Refused] = []
    while not chunk.exhausted:
        before = chunk.position, len(records), len(refused)
        more, broken = chunk.take(limit)
        assert len(more) <= limit
        records += more
        refused += broken
        assert chunk.exhausted or before != (chunk.position, len(records), len(refused))
    return records, refused


def offsets(records: list[Record]) -> list[int]:
    return [record.offset for record in records]


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec(codec: str) -> None:
    made = [Made(n, b"k", b"v" * n, (("ce_id", b"1"), ("empty", b""))) for n in range(50)]
    chunk = unpacker(batch(100, made, codec), 100)
    records, refused = all_of(chunk)
    assert offsets(records) == list(range(100, 150))
    assert not refused
    assert chunk.position == 150
    assert records[7] == Record(107, (START_MS + 7) * 1000, b"k", b"v" * 7, (("ce_id", b"1"), ("empty", b"")))


def test_raw_snappy_as_librdkafka_writes_it() -> None:
    body = simple(0, 3)[HEADER:]
    chunk = unpacker(with_body(0, 3, CODECS["snappy"], bytes(cramjam.snappy.compress_raw(body))))
    assert offsets(all_of(chunk)[0]) == [0, 1, 2]


def test_the_time_of_appending_replaces_the_producers() -> None:
    made = bytearray(simple(0, 2))
    struct.pack_into(">h", made, 21, 0x08)
    struct.pack_into(">q", made, 35, START_MS + 5000)
    records, _ = all_of(unpacker(with_checksum(made)))
    assert [record.timestamp_us for record in records] == [(START_MS + 5000) * 1000] * 2


def test_times_out_of_this_world_are_moved_to_its_edge() -> None:
    made = bytearray(simple(0, 2))
    struct.pack_into(">q", made, 27, (1 << 63) - 10)
    records, _ = all_of(unpacker(with_checksum(made)))
    assert {record.timestamp_us for record in records} == {253_402_300_799_000_000}


def test_tombstones_and_records_without_key_are_records() -> None:
    records, refused = all_of(unpacker(batch(0, [Made(0, b"k", None), Made(1, None, b""), Made(2, None, None)])))
    assert [(record.key, record.value) for record in records] == [(b"k", None), (None, b""), (None, None)]
    assert not refused


def test_reading_from_the_middle_of_a_compressed_batch() -> None:
    assert offsets(all_of(unpacker(simple(10, 10, "zstd"), 15))[0]) == [15, 16, 17, 18, 19]


def test_holes_between_and_within_batches_are_no_record() -> None:
    compacted = with_last_offset_delta(batch(20, [Made(1, b"k", b"a"), Made(5, b"k", b"b")]), 9)
    chunk = unpacker(simple(0, 2) + compacted + simple(40, 1))
    records, refused = all_of(chunk)
    assert offsets(records) == [0, 1, 21, 25, 40]
    assert not refused
    assert chunk.position == 41


def test_markers_and_aborted_transactions_are_no_record() -> None:
    aborted = batch(0, [Made(0, b"k", b"gone")], producer_id=7, transactional=True)
    committed = batch(1, [Made(0, b"k", b"kept")], producer_id=8, transactional=True)
    again = batch(4, [Made(0, b"k", b"kept too")], producer_id=7, transactional=True)
    data = aborted + committed + control(2, 7, abort=True) + control(3, 8, abort=False) + again
    chunk = unpacker(data + control(5, 7, abort=False), aborted=[(7, 0)])
    records, refused = all_of(chunk)
    assert [record.value for record in records] == [b"kept", b"kept too"]
    assert not refused
    assert chunk.position == 6


def test_a_batch_cut_off_at_the_end_is_left_for_the_next_fetch() -> None:
    data = simple(0, 5) + simple(5, 5)[:-1]
    chunk = unpacker(data)
    assert chunk.reach() == 5
    assert offsets(all_of(chunk)[0]) == [0, 1, 2, 3, 4]
    assert chunk.position == 5


def test_a_wrong_checksum_refuses_the_batch_and_no_other() -> None:
    chunk = unpacker(simple(0, 3) + with_wrong_checksum(simple(3, 4)) + simple(7, 2))
    records, refused = all_of(chunk)
    assert offsets(records) == [0, 1, 2, 7, 8]
    assert [(part.first_offset, part.next_offset, part.reason) for part in refused] == [(3, 7, "bad_batch")]
    assert "checksum" in refused[0].detail
    assert refused[0].raw.startswith(struct.pack(">q", 3))


def test_a_header_that_lies_about_its_last_offset_is_bounded_by_what_follows() -> None:
    lying = bytearray(simple(0, 3))
    struct.pack_into(">i", lying, 23, 2**31 - 1)  # the checksum is now wrong, too
    _, refused = all_of(unpacker(bytes(lying) + simple(3, 1)))
    assert (refused[0].first_offset, refused[0].next_offset) == (0, 3)
    _, refused = all_of(unpacker(bytes(lying), end=3))
    assert (refused[0].first_offset, refused[0].next_offset) == (0, 3)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_bytes_that_do_not_decompress_refuse_the_batch(codec: str) -> None:
    broken = bytearray(simple(3, 4, codec)[HEADER:])
    broken = bytearray(b"\xfe\xff" + broken[2:-3])
    chunk = unpacker(simple(0, 3) + with_body(3, 4, CODECS[codec], bytes(broken)) + simple(7, 1))
    records, refused = all_of(chunk)
    assert offsets(records) == [0, 1, 2, 7]
    assert [(part.first_offset, part.next_offset, part.reason) for part in refused] == [(3, 7, "bad_batch")]
    assert codec in refused[0].detail


def test_a_codec_that_does_not_exist_refuses_the_batch() -> None:
    _, refused = all_of(unpacker(with_body(0, 2, 6, b"whatever")))
    assert (refused[0].next_offset, refused[0].reason) == (2, "bad_batch")


def bomb(codec: str, mebibytes: int) -> bytes:
    """A batch that inflates to so much."""
    if codec == "gzip":
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        body = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(mebibytes)) + packer.flush()
    elif codec == "snappy":
        block = bytes(cramjam.snappy.compress_raw(b"\0" * (1 << 20)))
        body = b"\x82SNAPPY\0\0\0\0\1\0\0\0\1" + (struct.pack(">i", len(block)) + block) * mebibytes
    else:
        packing = getattr(cramjam, codec).Compressor()
        for _ in range(mebibytes):
            packing.compress(b"\0" * (1 << 20))
        body = bytes(packing.finish())
    return with_body(5, 1000, CODECS[codec], body)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_a_bomb_is_refused_as_too_large_and_the_rest_is_read(codec: str) -> None:
    chunk = unpacker(simple(0, 5) + bomb(codec, 64) + simple(1005, 1))
    records, refused = all_of(chunk)
    assert offsets(records) == [0, 1, 2, 3, 4, 1005]
    assert [(part.first_offset, part.next_offset, part.reason) for part in refused] == [(5, 1005, "too_large")]
    assert len(refused[0].raw) <= 64 * 1024


def test_a_snappy_block_may_claim_any_size() -> None:
    with pytest.raises(InflatesPastBound):
        Inflater(1 << 20).inflate(2, b"", memoryview(b"\xff\xff\xff\xff\x0f" + b"\0" * 20))


def test_exactly_the_bound_is_taken_and_one_byte_more_is_not() -> None:
    inflater = Inflater(4096)
    for codec in ("gzip", "lz4", "zstd"):
        squeeze = getattr(cramjam, codec).compress
        assert inflater.inflate(CODECS[codec], b"h", memoryview(bytes(squeeze(b"a" * 4096)))) == b"h" + b"a" * 4096
        with pytest.raises(InflatesPastBound):
            inflater.inflate(CODECS[codec], b"h", memoryview(bytes(squeeze(b"a" * 4097))))


def test_a_large_honest_batch_is_taken_in_slices() -> None:
    made = [Made(n, b"k", b"v" * 1000) for n in range(12_000)]
    data = batch(0, made, "zstd")
    assert len(data) < INFLATE_BOUND < 2 * 12_000 * 1000
    chunk = unpacker(data)
    first, _ = chunk.take(500)
    assert len(first) == 500
    assert chunk.is_open
    records, refused = all_of(chunk, 500)
    assert len(records) == 11_500
    assert not refused
    assert not chunk.is_open


def test_a_record_broken_inside_costs_only_its_own_offset() -> None:
    made = bytearray(batch(0, [Made(n, b"k", b"value-%d" % n, (("name", b"x"),)) for n in range(5)]))
    made[made.index(b"name", made.index(b"value-2"))] = 0xFF  # a header's name is no UTF-8 any more
    data = with_checksum(made) + simple(5, 1)
    for limit in (1, 2, 1000):
        records, refused = all_of(unpacker(data), limit)
        assert offsets(records) == [0, 1, 3, 4, 5]
        assert [(part.first_offset, part.next_offset, part.reason) for part in refused] == [(2, 3, "bad_batch")]


def test_records_cut_short_under_a_right_checksum_refuse_the_rest_of_the_batch() -> None:
    made = bytearray(simple(0, 5)[:-4])
    struct.pack_into(">i", made, 8, len(made) - 12)
    records, refused = all_of(unpacker(with_checksum(made) + simple(5, 1)))
    assert offsets(records) == [0, 1, 2, 3, 5]
    assert [(part.first_offset, part.next_offset) for part in refused] == [(4, 5)]


def test_offsets_out_of_order_refuse_the_batch() -> None:
    swapped = batch(0, [Made(1, b"k", b"a"), Made(0, b"k", b"b")])
    _, refused = all_of(unpacker(with_last_offset_delta(swapped, 1) + simple(2, 1)))
    assert [(part.first_offset, part.next_offset) for part in refused] == [(0, 2)]


def test_the_old_message_format_is_refused() -> None:
    old = struct.pack(">qiIbbqii", 0, 22, 0, 1, 0, START_MS, -1, -1)
    data = old + b"\0" * (HEADER - len(old))
    _, refused = all_of(unpacker(data, end=1))
    assert (refused[0].first_offset, refused[0].next_offset, refused[0].reason) == (0, 1, "bad_batch")


@st.composite
def logs(draw: st.DrawFn) -> tuple[bytes, list[int], int]:
    """Bytes of a log from offset 0 with holes, the offsets of its records, and its end."""
    data, kept, at = b"", [], 0
    for _ in range(draw(st.integers(1, 5))):
        at += draw(st.integers(0, 3))
        deltas = sorted(draw(st.sets(st.integers(0, 12), min_size=1, max_size=8)))
        codec = draw(st.sampled_from(list(CODECS)))
        last = deltas[-1] + draw(st.integers(0, 2))
        values = [
            Made(delta, draw(st.none() | st.binary(max_size=4)), draw(st.none() | st.binary(max_size=9)))
            for delta in deltas
        ]
        data += with_last_offset_delta(batch(at, values, codec), last)
        kept += [at + delta for delta in deltas]
        at += last + 1
    return data, kept, at


@given(logs(), st.integers(1, 20), st.integers(0, 30))
def test_any_slicing_from_any_position_gives_the_same_records(
    log: tuple[bytes, list[int], int], limit: int, start: int
) -> None:
    data, kept, end = log
    position = min(start, end - 1)
    chunk = unpacker(data, position, end)
    assert chunk.reach() == end
    records, refused = all_of(chunk, limit)
    assert offsets(records) == [offset for offset in kept if offset >= position]
    assert not refused
    assert chunk.position == end


@given(logs(), st.integers(1, 5))
def test_what_stands_before_any_stop_is_found_again(log: tuple[bytes, list[int], int], limit: int) -> None:
    data, _, end = log
    chunk = unpacker(data, 0, end)
    while not chunk.exhausted:
        before = chunk.position
        chunk.take(limit)
        if chunk.position > before:
            assert chunk.last_hash
            assert unpacker(data, chunk.position - 1, end).identity() == chunk.last_hash


@settings(max_examples=400)
@given(logs(), st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_no_bytes_whatever_raise_or_block_or_lose_an_offset(
    log: tuple[bytes, list[int], int], changes: list[tuple[int, int]], checksums: bool
) -> None:
    data, _, end = log
    broken = bytearray(data)
    for at, byte in changes:
        broken[at % len(broken)] = byte
    if checksums:
        broken = bytearray(b"".join(_right_checksums(bytes(broken))))
    position, fetches = 0, 0
    while position < end and fetches < 200:
        fetches += 1
        chunk = unpacker(bytes(broken), position, end)
        seen = position
        while not chunk.exhausted:
            first = chunk.position
            records, refused = chunk.take(3)
            ranges = [(part.first_offset, part.next_offset) for part in refused]
            covered = sorted([(offset, offset + 1) for offset in offsets(records)] + ranges)
            assert all(low < high for low, high in covered)
            assert all(one[1] <= other[0] for one, other in pairwise(covered))
            assert not covered or (covered[0][0] >= first and covered[-1][1] <= chunk.position)
            assert chunk.position <= end
            seen = chunk.position
        if seen == position:
            break  # a cut-off batch: the fetcher asks for more bytes
        position = seen


def _right_checksums(data: bytes) -> Iterator[bytes]:
    at = 0
    while at + HEADER <= len(data):
        (length,) = struct.unpack_from(">i", data, at + 8)
        if length < HEADER - 12 or at + 12 + length > len(data):
            break
        yield with_checksum(bytearray(data[at : at + 12 + length]))
        at += 12 + length
    yield data[at:]


def test_broken_codecs_say_which() -> None:
    with pytest.raises(BrokenCodec, match="gzip"):
        Inflater().inflate(1, b"", memoryview(b"not gzip"))


def test_many_small_batches_that_inflate_far_are_opened_a_few_at_a_time() -> None:
    data = b"".join(batch(i, [Made(0, None, bytes(15 << 20))], "zstd") for i in range(40))
    assert len(data) < 100_000
    chunk = Unpacker(data, 0, end=40, aborted=[], inflater=INFLATER, bounded=True)
    calls = 0
    while not chunk.exhausted:
        records, refused = chunk.take(10_000, 8 << 20)
        assert chunk.spent < 8 << 20 or len(refused) == 1
        assert records == []
        assert all(part.reason == "too_large" and len(part.raw) == 1 << 16 for part in refused)
        calls += 1
    assert calls >= 40
    assert chunk.position == 40


def test_a_record_that_is_too_large_is_refused_alone_and_hashed_as_the_log_has_it() -> None:
    large = [
        Made(0, b"k", b"small"),
        Made(1, b"k", bytes(65_537)),
        Made(2, bytes(65_537), b"v"),
        Made(3, b"k", b"v", (("h", bytes(40_000)), ("i", bytes(40_000)))),
        Made(4, b"k", bytes(65_536)),
        Made(5, b"k", b"last" * 20_000),
    ]
    data = batch(0, large)
    chunk = Unpacker(data, 0, end=6, aborted=[], inflater=INFLATER, bounded=True)
    records, refused = chunk.take(100)
    assert [record.offset for record in records] == [0, 4]
    assert [(part.first_offset, part.next_offset) for part in refused] == [(1, 2), (2, 3), (3, 4), (5, 6)]
    assert all(part.timestamp_us == (START_MS + part.first_offset) * 1000 for part in refused)
    assert chunk.last_hash == unpacker(data, position=5).identity()
    assert len(all_of(unpacker(data))[0]) == 6, "other topics have no such bound"


def test_no_record_is_later_than_allowed_and_its_hash_stays_that_of_the_log() -> None:
    data = simple(0, 5)
    latest_us = (START_MS + 2) * 1000
    chunk = Unpacker(data, 0, end=5, aborted=[], inflater=INFLATER, latest_us=latest_us)
    records, _ = chunk.take(100)
    assert [record.timestamp_us // 1000 - START_MS for record in records] == [0, 1, 2, 2, 2]
    assert chunk.last_hash == unpacker(data, position=4).identity()
