"""Conditions at work: what a reading makes of each, in three values. True and False are known; None is not: too little
was seen, or too long ago. Unknown neither raises nor clears. Pure.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from alerts.conditions import Above, Below, Equals, Inside, Simple
from alerts.memories import Memory

Truth = bool | None
Held = Callable[[float, float], Truth]
"""Whether a value that lies between two numbers meets a condition."""


class Latest(msgspec.Struct):
    """What one metric of a group last measured: when, between which numbers, and the number told."""

    time: int
    low: float
    high: float
    value: float


class Moment:
    """What is known as one reading is judged; one object serves all. `read` is the reading's own time, `time` that of
    the newest of its group."""

    __slots__ = ("asset", "gap_us", "high", "latest", "low", "read", "time", "value")

    def __init__(self) -> None:
        self.time = self.read = 0
        self.low = self.high = self.value = 0.0
        self.asset = ""
        self.gap_us = 0
        self.latest: dict[str, Latest] = {}


class Judge(Protocol):
    """One condition of one rule, shared by all groups; what it remembers of a group is handed to it."""

    def memory(self) -> Memory | None:
        """What it remembers of a group that it has not seen; None if it needs no memory."""

    def judge(self, memory: Memory | None, moment: Moment) -> Truth:
        """Take one reading."""

    def value(self, memory: Memory | None, moment: Moment) -> float | None:
        """The number to tell of what was just judged."""


def held(condition: Simple) -> Held:
    """A condition on one value, as a function of the two numbers between which it lies."""
    if isinstance(condition, Above):
        return _above(condition.limit)
    if isinstance(condition, Below):
        return _below(condition.limit)
    if isinstance(condition, Equals):
        return _inside(condition.value, condition.value)
    inside = _inside(condition.low, condition.high)
    if isinstance(condition, Inside):
        return inside
    return lambda low, high: None if (truth := inside(low, high)) is None else not truth


def _above(limit: float) -> Held:
    return lambda low, high: True if low > limit else (False if high <= limit else None)


def _below(limit: float) -> Held:
    return lambda low, high: True if high < limit else (False if low >= limit else None)


def _inside(bottom: float, top: float) -> Held:
    def holds(low: float, high: float) -> Truth:
        if bottom <= low and high <= top:
            return True
        return False if high < bottom or low > top else None

    return holds
