"""A buffer that brings what comes late back into the order of event time.

A group waits with each reading until one comes that is `lateness` newer: then whatever could still come before it would
be too late. So within the lateness the order of arrival changes nothing. Of one (series, time) the first counts.
"""

from bisect import insort
from typing import Final

import msgspec

MOST: Final = 10_000
"""Readings that one group may hold; beyond, the oldest goes on without waiting."""


class Held(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """One reading that waits; ordered by time, asset and metric."""

    time: int
    asset: str
    metric: str
    value: float
    fresh: bool


class Buffer(msgspec.Struct):
    """What waits, oldest first; all before `frontier` has gone on, so that what is older comes too late. `touched` is
    the tick time (µs) of the step that last brought something."""

    waiting: list[Held]
    frontier: int = 0
    touched: int = 0

    def clone(self) -> "Buffer":
        """A copy that shares nothing with this one."""
        return Buffer(list(self.waiting), self.frontier, self.touched)

    def take(self, one: Held, lateness_us: int, now: int) -> list[Held]:
        """Hold a reading; those that need wait no longer, in order."""
        waiting = self.waiting
        if one.time < self.frontier or any(
            (held.time, held.asset, held.metric) == (one.time, one.asset, one.metric) for held in self._at(one.time)
        ):
            return []
        insort(waiting, one)
        self.touched = now
        self.frontier = max(self.frontier, waiting[-1].time - lateness_us)
        ready = 0
        while ready < len(waiting) and (waiting[ready].time < self.frontier or len(waiting) - ready > MOST):
            ready += 1
        return self._release(ready)

    def release(self) -> list[Held]:
        """Nothing has come for as long as the lateness: all go on."""
        if self.waiting:
            self.frontier = self.waiting[-1].time + 1
        return self._release(len(self.waiting))

    def _release(self, count: int) -> list[Held]:
        gone = self.waiting[:count]
        del self.waiting[:count]
        if gone:
            self.frontier = max(self.frontier, gone[-1].time)
        return gone

    def _at(self, time: int) -> list[Held]:
        """Those of one time, from the end."""
        found = []
        for held in reversed(self.waiting):
            if held.time < time:
                break
            if held.time == time:
                found.append(held)
        return found
