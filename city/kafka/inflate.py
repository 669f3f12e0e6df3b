"""Decompression of record batches with a bound on what comes out, whatever the header claims."""

import struct
from collections.abc import Callable
from typing import Final

import cramjam

INFLATE_BOUND: Final = 16 * 1024 * 1024
"""Largest record batch taken, in bytes after decompression."""

_FIRST_SCRATCH: Final = 1024 * 1024
_XERIAL: Final = b"\x82SNAPPY\x00"
_CODECS: Final[dict[int, str]] = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_STREAMED: Final[dict[str, Callable[..., int]]] = {
    "gzip": cramjam.gzip.decompress_into,
    "lz4": cramjam.lz4.decompress_into,
    "zstd": cramjam.zstd.decompress_into,
}


class InflatesPastBound(Exception):
    """The batch would be larger than the bound."""


class BrokenCodec(Exception):
    """The compressed bytes are not what their codec writes, or no such codec exists."""


class Inflater:
    """Inflates into one buffer that it keeps, so that a bomb costs at most `bound` bytes however often it comes."""

    def __init__(self, bound: int = INFLATE_BOUND) -> None:
        self._bound = bound
        self._scratch = bytearray(min(bound, _FIRST_SCRATCH))

    def inflate(self, codec: int, header: bytes, body: memoryview) -> bytes:
        """Return `header` followed by the inflated `body`; codec is the number in the batch's attributes.

        Raises:
            InflatesPastBound: more than `bound` bytes would come out.
            BrokenCodec: the bytes cannot be decompressed.
        """
        name = _CODECS.get(codec)
        if name is None:
            raise BrokenCodec(f"compression codec {codec} does not exist")
        inflate = self._snappy if name == "snappy" else self._stream
        try:
            size = inflate(name, body)
        except cramjam.DecompressionError as error:
            raise BrokenCodec(f"{name}: {error}") from error
        return header + memoryview(self._scratch)[:size]

    def _stream(self, name: str, body: memoryview) -> int:
        while True:
            try:
                return _STREAMED[name](body, self._scratch)
            except cramjam.DecompressionError as error:
                if "write whole buffer" not in str(error):
                    raise
                self._grow(name)

    def _grow(self, name: str) -> None:
        if len(self._scratch) >= self._bound:
            raise InflatesPastBound(f"{name}: more than {self._bound} bytes after decompression")
        self._scratch = bytearray(min(self._bound, len(self._scratch) * 4))

    def _snappy(self, name: str, body: memoryview) -> int:
        """Raw snappy, or the framing of the Java library: a 16-byte header, then blocks with their length."""
        if bytes(body[:8]) != _XERIAL:
            return self._snappy_block(name, body, 0)
        at, size = 16, 0
        while at < len(body):
            if at + 4 > len(body):
                raise BrokenCodec("snappy: cut off in the length of a block")
            (length,) = struct.unpack_from(">i", body, at)
            at += 4
            if length <= 0 or at + length > len(body):
                raise BrokenCodec(f"snappy: a block of {length} bytes at {at} of {len(body)}")
            size += self._snappy_block(name, body[at : at + length], size)
            at += length
        return size

    def _snappy_block(self, name: str, block: memoryview, offset: int) -> int:
        # The length is only claimed, but the decoder never writes past it, and it is bounded here.
        claimed: int = cramjam.snappy.decompress_raw_len(block)
        while offset + claimed > len(self._scratch):
            kept = bytes(memoryview(self._scratch)[:offset])
            self._grow(name)
            self._scratch[:offset] = kept
        return int(cramjam.snappy.decompress_raw_into(block, memoryview(self._scratch)[offset : offset + claimed]))
