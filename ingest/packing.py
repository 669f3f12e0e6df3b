"""Columns of readings to PostgreSQL's binary COPY format, a whole batch in a few numpy calls."""

from collections.abc import AsyncIterator
from typing import Final

import numpy as np
import numpy.typing as npt

from city.failpoint import hit

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

POSTGRES_EPOCH_US: Final = 946_684_800_000_000
"""2000-01-01T00:00:00Z, where timestamptz counts from, in microseconds since 1970."""

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_PIECE: Final = 256 * 1024

_READING: Final = np.dtype(
    [
        ("columns", ">i2"),
        ("n1", ">i4"),
        ("time", ">i8"),
        ("n2", ">i4"),
        ("series", ">i4"),
        ("n3", ">i4"),
        ("value", ">f8"),
    ]
)
_STAGED: Final = np.dtype([*_READING.descr, ("n4", ">i4"), ("position", ">i4"), ("n5", ">i4"), ("first", "i1")])


def pack_readings(time: Ints, series: Ints, value: Floats) -> bytes:
    """Rows of `COPY reading (time, series_id, value) FROM STDIN (FORMAT binary)`; times in µs since 1970."""
    rows = np.empty(len(time), _READING)
    rows["columns"] = 3
    _fill(rows, time, series, value)
    return b"".join((_SIGNATURE, rows.tobytes(), _TRAILER))


def pack_staged(time: Ints, series: Ints, value: Floats, first: npt.NDArray[np.bool_]) -> bytes:
    """Rows of the staging table: the same, with position in the batch, and whether first of their identity."""
    rows = np.empty(len(time), _STAGED)
    rows["columns"] = 5
    _fill(rows, time, series, value)
    rows["n4"], rows["n5"] = 4, 1
    rows["position"] = np.arange(len(time))
    rows["first"] = first
    return b"".join((_SIGNATURE, rows.tobytes(), _TRAILER))


async def pieces(packed: bytes) -> AsyncIterator[bytes]:
    """The packed rows in pieces, so that no single message is large; the failpoint ``mid_copy`` is between them."""
    half = len(packed) // 2
    step = min(_PIECE, half + 1)
    for start in range(0, len(packed), step):
        yield packed[start : start + step]
        hit("mid_copy")


def _fill(rows: npt.NDArray[np.void], time: Ints, series: Ints, value: Floats) -> None:
    rows["n1"], rows["n2"], rows["n3"] = 8, 4, 8
    rows["time"] = time - POSTGRES_EPOCH_US
    rows["series"] = series
    rows["value"] = value
