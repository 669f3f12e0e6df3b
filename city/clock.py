"""Time as an object: the system's own, or one that a test moves by hand.

Wall time is an integer, microseconds since 1970-01-01T00:00:00Z; monotonic time is seconds and only for differences.
"""

import asyncio
import heapq
import itertools
import time
from typing import Protocol


class Clock(Protocol):
    """What every room asks for the time; nothing else in the services reads a clock."""

    def now_us(self) -> int:
        """Wall time, microseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; the zero has no meaning."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return when this much time of this clock has passed; zero or less yields once."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_us(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


class ManualClock:
    """A clock that stands until `advance` moves it; sleepers wake in the order of their deadlines, ties as they came.

    `advance` lets each sleeper run until it waits again before it wakes the next, so that a loop which sleeps
    once a second runs ten times in `advance(10)`.
    """

    def __init__(self, now_us: int = 1_795_331_220_000_000) -> None:
        self._now_us = now_us
        self._started_us = now_us
        self._order = itertools.count()
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []

    def now_us(self) -> int:
        return self._now_us

    def monotonic(self) -> float:
        return (self._now_us - self._started_us) / 1e6

    @property
    def sleeping(self) -> int:
        """How many sleepers wait."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_us + round(seconds * 1e6), next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move time on by `seconds`, waking every sleeper whose deadline is reached, each at its own instant.

        Raises:
            ValueError: a negative step; time never goes back.
        """
        if seconds < 0:
            raise ValueError(f"time cannot go back: advance({seconds})")
        target = self._now_us + round(seconds * 1e6)
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._now_us = max(self._now_us, deadline)
            future.set_result(None)
            await _settle()
        self._now_us = target


async def _settle() -> None:
    """Let every task that can run do so until it waits for something; a few rounds carry a chain of wake-ups."""
    for _ in range(10):
        await asyncio.sleep(0)
