"""A window of event time over the readings of one group, in panes: equal spans, of which it keeps sums, not readings.

A window of n panes reaches from n - 1 to n panes back, so it is exact to one pane: a sixtieth of its length, or the
metric's cadence where that is longer. Memory does not grow with the readings: at most 61 panes of at most four
numbers, 2 KiB.

A window that has not been watched for its whole length is not whole: it tells no value, only a bound where one follows
(a count can but grow, a maximum can but rise).
"""

import math
from array import array
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.rules import Kind, Over

US: Final = 1_000_000
PANES: Final = 60
HOUR_US: Final = 3_600 * US

if TYPE_CHECKING:
    _Array = array[float]
else:
    _Array = array


class Panes(_Array):
    """Numbers, one a pane, eight bytes each."""

    __slots__ = ()


Bounds = tuple[float, float]
"""Between which two numbers the value lies; the same twice where it is known."""

UNKNOWN: Final[Bounds] = (-math.inf, math.inf)


class Shape(msgspec.Struct, frozen=True, gc=False):
    """How windows of one rule and metric are cut: shared by all its groups. `whole_us`: how far apart its first and its
    newest reading are at least when it is whole; `floor`: values are never negative, so that a sum can but grow."""

    kind: Kind
    length_us: int
    pane_us: int
    panes: int
    whole_us: int
    floor: bool

    @classmethod
    def of(cls, over: Over, cadence_us: int, low: float) -> "Shape":
        """For a metric of this cadence and least plausible value."""
        pane = max(cadence_us, over.window_us // PANES)
        pane = max(US, -(-pane // US) * US)
        panes = max(1, -(-over.window_us // pane))
        if over.kind in ("rate", "delta"):  # a change reaches from reading to reading: one more pane holds its start
            return cls(over.kind, over.window_us, pane, panes + 1, over.window_us, low >= 0)
        return cls(over.kind, over.window_us, pane, panes, over.window_us - pane, low >= 0)

    def window(self) -> "Window":
        """An empty one."""
        columns = {"count": 0, "rate": 2, "delta": 2, "stddev": 2}.get(self.kind, 1)
        empty = Panes("d", bytes(8 * self.panes))
        return Window(Panes("d", empty), [Panes("d", empty) for _ in range(columns)])


class Window(msgspec.Struct):
    """The panes of one group. `newest` is the number of the newest pane since the epoch, `since` and `last` the times
    of the first and the newest reading it has seen without a break as long as itself; `count`, `total` and `squares`
    are over all panes (of a least or greatest value, `total` tells that it must be sought anew). What the columns hold
    depends on the kind."""

    counts: Panes
    columns: list[Panes]
    newest: int = -1
    since: int = 0
    last: int = 0
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    anchor: float = 0.0
    value: float = 0.0
    """As of the newest reading."""

    def clone(self) -> "Window":
        """A copy that shares nothing with this one."""
        return Window(
            Panes("d", self.counts),
            [Panes("d", column) for column in self.columns],
            *(self.newest, self.since, self.last, self.count, self.total, self.squares, self.anchor, self.value),
        )

    def take(self, shape: Shape, time: int, value: float) -> Bounds:
        """Count a reading, and say between which numbers the measure over the window now lies.

        A reading older than the whole window counts for nothing.
        """
        pane = time // shape.pane_us
        if pane > self.newest:
            self._advance(shape, pane, time, value)
        elif pane <= self.newest - shape.panes:
            return self.bounds(shape)
        self._count(shape, pane % shape.panes, time, value)
        if time > self.last:
            self.last = time
        if self.last - self.since >= shape.whole_us:
            return self.value, self.value
        return self.bounds(shape)

    def bounds(self, shape: Shape) -> Bounds:
        """Between which numbers the measure lies."""
        value = self.value
        if self.last - self.since >= shape.whole_us:
            return value, value
        kind = shape.kind
        if kind in ("max", "count") or (kind == "sum" and shape.floor):
            return value, math.inf
        return (-math.inf, value) if kind == "min" else UNKNOWN

    def _advance(self, shape: Shape, pane: int, time: int, value: float) -> None:
        """Open a newer pane; what is then older than the window is forgotten."""
        panes, before = shape.panes, self.newest
        self.newest = pane
        if before < 0 or pane - before >= panes:
            self.since, self.anchor = time, value
            self.count, self.total, self.squares = 0, 0.0, 0.0
            for column in (self.counts, *self.columns):
                column[:] = array("d", bytes(8 * panes))
            return
        for number in range(before + 1, pane + 1):
            at = number % panes
            if self.counts[at]:
                self._drop(shape, at)
            if at == 0:
                self._add_up(shape)

    def _drop(self, shape: Shape, at: int) -> None:
        """Forget a pane."""
        self.count -= int(self.counts[at])
        self.counts[at] = 0.0
        if shape.kind in ("mean", "sum", "stddev"):
            self.total -= self.columns[0][at]
            self.columns[0][at] = 0.0
        if shape.kind == "stddev":
            self.squares -= self.columns[1][at]
            self.columns[1][at] = 0.0
        elif shape.kind in ("min", "max") and self.columns[0][at] == self.value:
            self.total = 1.0  # the least or greatest is gone, or was there more than once

    def _add_up(self, shape: Shape) -> None:
        """Sum the panes anew once a round, so that what subtracting rounds away never adds up."""
        if shape.kind in ("mean", "sum", "stddev"):
            self.total = sum(self.columns[0])
        if shape.kind == "stddev":
            self.squares = sum(self.columns[1])

    def _count(self, shape: Shape, at: int, time: int, value: float) -> None:
        counts, kind = self.counts, shape.kind
        first = not counts[at]
        counts[at] += 1
        self.count += 1
        if kind == "mean" or kind == "sum":
            self.columns[0][at] += value
            self.total += value
            self.value = self.total / self.count if kind == "mean" else self.total
        elif kind == "count":
            self.value = float(self.count)
        elif kind == "min" or kind == "max":
            self._extreme(kind, at, first, value)
        elif kind == "stddev":
            self._deviate(at, value)
        else:
            self._change(shape, at, first, time, value)

    def _extreme(self, kind: Kind, at: int, first: bool, value: float) -> None:
        column = self.columns[0]
        greatest = kind == "max"
        if first or (value > column[at] if greatest else value < column[at]):
            column[at] = value
        if self.count == 1 or (value >= self.value if greatest else value <= self.value):
            self.value, self.total = value, 0.0
        elif self.total:
            held = [x for x, n in zip(column, self.counts, strict=True) if n]
            self.value, self.total = (max(held) if greatest else min(held)), 0.0

    def _deviate(self, at: int, value: float) -> None:
        """Sums of the distances from a value of the window, and of their squares: no digits are lost to its size."""
        x = value - self.anchor
        self.columns[0][at] += x
        self.columns[1][at] += x * x
        self.total += x
        self.squares += x * x
        self.value = math.sqrt(max(0.0, self.squares - self.total * self.total / self.count) / self.count)

    def _change(self, shape: Shape, at: int, first: bool, time: int, value: float) -> None:
        """Change since the oldest reading of the window; of each pane its first reading is kept, value and time."""
        values, times = self.columns
        if first or time < times[at]:
            values[at], times[at] = value, float(time)
        if time < self.last:
            return
        oldest = self.newest + 1 - shape.panes
        for number in range(oldest, self.newest + 1):
            then = number % shape.panes
            if self.counts[then]:
                change, elapsed = value - values[then], time - times[then]
                if shape.kind == "delta":
                    self.value = change
                else:
                    self.value = change / elapsed * HOUR_US if elapsed > 0 else 0.0
                return
