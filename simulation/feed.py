"""What every feed of the simulated city shares: one moment of the city, and how a feed turns it into events."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from simulation.event import AUTHORITY, Event, reading
from simulation.hours import LocalTime
from simulation.instruments import Floats, Indices, Instruments
from simulation.scenario import Scenario


@dataclass
class Moment:
    """A span of time that has just passed: (after, until], microseconds since the city's start."""

    start_us: int
    after_us: int
    until_us: int
    local: LocalTime
    scenario: Scenario
    tide_m: float

    @property
    def second(self) -> float:
        """Seconds since the start."""
        return self.until_us / 1e6

    @property
    def seconds(self) -> float:
        """Length of the span."""
        return (self.until_us - self.after_us) / 1e6


class Wander:
    """Noise with a memory, one value an instrument: mean 0, the given deviation, forgotten within some steps."""

    def __init__(self, count: int, deviation: float, steps: float, rng: np.random.Generator) -> None:
        self._keep = float(np.exp(-1 / steps))
        self._fresh = deviation * float(np.sqrt(1 - self._keep**2))
        self._rng = rng
        self._values = rng.normal(0, deviation, count)

    def step(self, who: Indices) -> Floats:
        """One step for these instruments; their new values."""
        if len(who) != len(np.unique(who)):  # faster than its cadence: the same one twice in a span
            return np.array([float(self.step(np.array([one]))[0]) for one in who])
        moved = self._keep * self._values[who] + self._fresh * self._rng.standard_normal(len(who))
        self._values[who] = moved
        return np.asarray(moved, dtype=np.float64)


class Feed:
    """One publisher of a sector; it has a source, and a clock that a scenario may put wrong."""

    name: str
    sector: str

    def __init__(self) -> None:
        self.source: Final = f"{AUTHORITY}/{self.name}"
        self._number = 0

    def silent(self, moment: Moment) -> bool:
        """Whether the scenario cuts this feed off now."""
        silent = moment.scenario.silent
        span = silent.get(self.name, silent.get(self.sector))
        return span is not None and span[0] < moment.second <= span[1]

    def clock_error_us(self, moment: Moment) -> int:
        """How wrong the feed's clock is now."""
        errors = moment.scenario.clock_error_s
        curve = errors.get(self.name, errors.get(self.sector))
        return 0 if curve is None else round(curve.at(moment.second) * 1e6)

    def next_number(self) -> int:
        """Counts this feed's events."""
        self._number += 1
        return self._number


class Measuring(Feed):
    """A feed whose instruments report numbers."""

    def __init__(self, instruments: Instruments) -> None:
        super().__init__()
        self.instruments = instruments
        self.known: frozenset[str] | None = None
        """Metrics that the city's catalogue has; others are not sent. None: all are."""

    def readings(
        self,
        moment: Moment,
        who: Indices,
        when: Indices,
        columns: dict[str, tuple[Floats, int]],
    ) -> list[Event]:
        """One reading for each of `who`; columns: metric to (values, decimals)."""
        rounded = {
            metric: np.round(values, decimals).tolist()
            for metric, (values, decimals) in columns.items()
            if self.known is None or metric in self.known
        }
        events: list[Event] = []
        rows: Iterable[tuple[float, ...]] = zip(*rounded.values(), strict=True)
        for i, offset, row in zip(who.tolist(), when.tolist(), rows, strict=True):
            place = self.instruments.places[i]
            events.append(
                reading(
                    self.sector,
                    self.source,
                    self.instruments.names[i],
                    moment.start_us + offset + self.clock_error_us(moment),
                    dict(zip(rounded, row, strict=True)),
                    self.next_number(),
                    place.zone,
                    place.location,
                )
            )
        return events
