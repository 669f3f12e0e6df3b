"""Rows of `city.live` as any producer may have written them: bounded, or dropped one by one."""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from city.timestamps import parse_time

FIRST_US: Final = parse_time("1900-01-01T00:00:00Z")
LAST_US: Final = parse_time("9999-12-31T23:59:59.999999Z")
"""What the database and RFC 3339 can name."""

Series = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Time = Annotated[int, Meta(ge=FIRST_US, le=LAST_US)]
Row = tuple[int, int, float]
"""(series, time in µs, value)"""

_frame: Final[Callable[[bytes], list[Row]]] = msgspec.json.Decoder(list[tuple[Series, Time, float]]).decode
_row: Final[Callable[[msgspec.Raw], Row]] = msgspec.json.Decoder(tuple[Series, Time, float]).decode
_pieces: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def read_frame(frame: bytes) -> tuple[list[Row], int]:
    """The rows of a frame and how many were dropped; a frame that is no list counts as one."""
    try:
        return _frame(frame), 0
    except _UNREADABLE:
        pass
    try:
        pieces = _pieces(frame)
    except _UNREADABLE:
        return [], 1
    rows = []
    for piece in pieces:
        try:
            rows.append(_row(piece))
        except _UNREADABLE:
            continue
    return rows, len(pieces) - len(rows)
