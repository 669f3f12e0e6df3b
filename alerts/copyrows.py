"""Stored readings as PostgreSQL's COPY sends them in binary form, cut into rows without a loop in Python."""

from typing import TYPE_CHECKING, Final

import numpy as np

PG_EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01."""
HEAD: Final = 19
"""Bytes before the first row: signature, flags, and an extension that is empty."""
ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("time_length", ">i4"),
        ("time", ">i8"),
        ("series_length", ">i4"),
        ("series", ">i4"),
        ("value_length", ">i4"),
        ("value", ">f8"),
    ]
)

if TYPE_CHECKING:
    Rows = np.ndarray[tuple[int], np.dtype[np.void]]


class CopyRows:
    """(time, series, value), none of them null, from pieces of any size."""

    def __init__(self) -> None:
        self._left = b""
        self._begun = False

    def take(self, data: bytes) -> tuple[list[int], list[int], list[float]]:
        """Times (µs), series and values of the rows that are now whole."""
        data = self._left + data
        if not self._begun:
            if len(data) < HEAD:
                self._left = data
                return [], [], []
            data, self._begun = data[HEAD:], True
        whole = len(data) // ROW.itemsize * ROW.itemsize  # at the end, two bytes are left that say so
        self._left = data[whole:]
        rows: Rows = np.frombuffer(data[:whole], dtype=ROW)
        times = (rows["time"].astype(np.int64) + PG_EPOCH_US).tolist()
        return times, rows["series"].tolist(), rows["value"].tolist()
