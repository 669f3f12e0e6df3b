"""What a step of the engine takes: decoded records, and the tick of the worker that read them."""

import heapq
from collections.abc import Sequence
from typing import Final

import msgspec

from city.events import Reading, Refusal, Report

AHEAD_US: Final = 1_000_000
"""Clocks that keep time differ by less, and the broker's counts milliseconds."""


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One record as the engine takes it; `record_time` (µs) is the broker's."""

    record_time: int
    event: Reading | Report | Refusal
    partition: int = 0
    offset: int = 0


class Tick(msgspec.Struct, frozen=True, gc=False):
    """When a step was taken by the worker's clock (µs), and whether every partition was read to its end."""

    time: int
    at_end: bool = False


def arrived(record_time: int, event: Reading | Report | Refusal, partition: int, offset: int) -> Arrival:
    """A record as it was read; a reading of a time to come is judged as of when it was recorded.

    A source whose clock is ahead would otherwise outvote, until that time is reached, all that is true in between.
    """
    if isinstance(event, Reading) and event.time > record_time + AHEAD_US:
        event = msgspec.structs.replace(event, time=record_time)
    return Arrival(record_time, event, partition, offset)


def in_order(parts: Sequence[Sequence[Arrival]]) -> list[Arrival]:
    """The records of one step, given by partition: the oldest first, each partition's in order of offset."""
    some = [part for part in parts if part]
    return list(some[0]) if len(some) == 1 else list(heapq.merge(*some, key=_record_time))


def _record_time(arrival: Arrival) -> int:
    return arrival.record_time
