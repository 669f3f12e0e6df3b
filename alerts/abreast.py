"""Partitions of one sector read abreast: after a time away, what one partition brings ahead of the others waits for
them, so that rules on many assets see the city as it was.

Only what is old waits: while a worker is up to date nothing ever waits here.
"""

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from alerts.arrivals import Arrival
from alerts.replay import Piece

RECENT_US: Final = 10_000_000
"""A partition that was read to so short a time ago is waited for by nobody."""
PATIENCE_S: Final = 5.0
"""A partition of which nothing has come for so long is not waited for: its broker may be away."""
MOST: Final = 5_000
"""Records of one partition that may wait; beyond, no more of it should be read for now."""


class Held:
    """What was read of one partition and not yet taken."""

    def __init__(self, piece: Piece, now: float) -> None:
        self.arrivals: deque[Arrival] = deque()
        self.first = piece.first
        self.reached = 0
        """Newest record time read, µs."""
        self.add(piece, now)

    def add(self, piece: Piece, now: float) -> None:
        """What follows."""
        self.arrivals.extend(piece.arrivals)
        self.next, self.last_hash, self.came = piece.next, piece.last_hash, now
        self.reached = max(self.reached, max((one.record_time for one in piece.arrivals), default=0))

    def take(self, partition: int, taken: list[Arrival]) -> Piece | None:
        """The records that were taken from the front, with all that lies between them; None: nothing was."""
        first = self.first
        self.first = self.arrivals[0].offset if self.arrivals else self.next
        if self.first == first:
            return None
        return Piece(partition, first, self.first, b"" if self.arrivals else self.last_hash, taken)


class Abreast:
    """The partitions of one sector."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        self._since: float | None = None
        self.waiting = 0
        """Records that wait."""

    def read(self, pieces: Iterable[Piece], now: float) -> None:
        """Take what was read next, at monotonic second `now`."""
        if self._since is None:
            self._since = now
        for piece in pieces:
            held = self._held.get(piece.partition)
            if held is None:
                self._held[piece.partition] = Held(piece, now)
            else:
                held.add(piece, now)
            self.waiting += len(piece.arrivals)

    def position(self, partition: int) -> int | None:
        """The offset that must be read next; None if the partition was never read here."""
        held = self._held.get(partition)
        return held.next if held is not None else None

    def ahead(self) -> set[int]:
        """Partitions of which no more should be read for now."""
        return {partition for partition, held in self._held.items() if len(held.arrivals) > MOST}

    def take(self, behind: Collection[int], wall_us: int, now: float, most: int) -> list[Piece]:
        """At most so many records, the oldest first, that need wait no longer; `behind` are the partitions that are
        not read to their end."""
        until = self._until(behind, wall_us, now)
        taken: dict[int, list[Arrival]] = {partition: [] for partition in self._held}
        count = 0
        for partition, held in self._in_turn(until):
            taken[partition].append(held.arrivals.popleft())
            count += 1
            if count == most:
                break
        self.waiting -= count
        found = [held.take(partition, taken[partition]) for partition, held in sorted(self._held.items())]
        return [piece for piece in found if piece is not None]

    def _until(self, behind: Collection[int], wall_us: int, now: float) -> int:
        """Up to which record time every partition was read, of those that are far behind."""
        until = 1 << 62
        for partition in behind:
            held = self._held.get(partition)
            came = held.came if held is not None else self._since or 0.0
            reached = held.reached if held is not None else 0
            waits = held is not None and bool(held.arrivals)
            if reached < wall_us - RECENT_US and (waits or now - came < PATIENCE_S):
                until = min(until, reached)
        return until

    def _in_turn(self, until: int) -> Iterator[tuple[int, Held]]:
        """Again and again the partition whose next record is the oldest; the caller takes that record."""
        heap = [(held.arrivals[0].record_time, partition) for partition, held in self._held.items() if held.arrivals]
        heapq.heapify(heap)
        while heap and heap[0][0] <= until:
            partition = heap[0][1]
            held = self._held[partition]
            yield partition, held
            if held.arrivals:
                heapq.heapreplace(heap, (held.arrivals[0].record_time, partition))
            else:
                heapq.heappop(heap)
