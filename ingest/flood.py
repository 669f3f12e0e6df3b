"""Keeping the dead letters of a flood small without losing count of any."""

from typing import Final

import msgspec

FLOOD_PER_SECOND: Final = 100
KEPT_IN_FLOOD: Final = 100
"""Of a flood, every so many-th record keeps its bytes."""

_BACK_S: Final = 10
"""Record time that falls back further than this starts anew; a producer's wrong clock must not look like a flood."""


class DeadLetter(msgspec.Struct, frozen=True, gc=False):
    """Refused records of [first_offset, next_offset): one with its bytes, or `records` of a flood without."""

    first_offset: int
    next_offset: int
    reason: str
    detail: str
    raw: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    records: int = 1


class _Unkept(msgspec.Struct, gc=False):
    first_offset: int
    next_offset: int
    detail: str
    records: int


class FloodGate:
    """Of one partition: passes 100 letters for each second of record time, then every hundredth; sums up the others.

    Record time, not the reader's clock: catching up on a backlog keeps what reading it live would have kept.
    """

    def __init__(self) -> None:
        self._second = 0
        self._seen = 0
        self._unkept: dict[str, _Unkept] = {}

    def passes(self, timestamp_us: int) -> bool:
        """Whether the next refused record keeps a row and bytes of its own; if not, `count` it."""
        second = timestamp_us // 1_000_000
        if second > self._second or second < self._second - _BACK_S:
            self._second, self._seen = second, 0
        self._seen += 1
        return self._seen <= FLOOD_PER_SECOND or self._seen % KEPT_IN_FLOOD == 0

    def count(self, offset: int, reason: str, detail: str) -> None:
        """A record of the flood that keeps no row of its own."""
        unkept = self._unkept.setdefault(reason, _Unkept(offset, offset + 1, detail, 0))
        unkept.next_offset = offset + 1
        unkept.detail = detail
        unkept.records += 1

    def summary(self) -> list[DeadLetter]:
        """One letter a reason for what was counted since the last summary."""
        letters = [
            DeadLetter(u.first_offset, u.next_offset, reason, _summed(u), None, records=u.records)
            for reason, u in self._unkept.items()
        ]
        self._unkept = {}
        return letters


def _summed(unkept: _Unkept) -> str:
    if unkept.records == 1:
        return unkept.detail
    return f"{unkept.records} records of a flood, without their bytes; the last: {unkept.detail}"
