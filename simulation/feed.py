"""What every feed of the simulated city shares: one moment of the city, and how a feed turns it into events."""

from collections.abc import Iterator
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
        if len(who) != len(np.unique(who)):  # the same one twice in a span: one after the other
            half = len(who) // 2
            return np.concatenate([self.step(who[:half]), self.step(who[half:])])
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

    def count(self, events: int = 1) -> int:
        """Numbers for so many events of this feed; the first of them."""
        first, self._number = self._number + 1, self._number + events
        return first


@dataclass(frozen=True, slots=True)
class Round:
    """What instruments of one feed measured in one span, in columns: row i is by instrument `who[i]` at `times[i]`
    (µs since the epoch by the feed's clock), its value of `metrics[k]` is `columns[k][i]`."""

    feed: "Measuring"
    who: list[int]
    times: list[int]
    metrics: tuple[str, ...]
    columns: list[list[float]]
    number: int
    """Of the first row, among the feed's events."""

    def rows(self) -> Iterator[tuple[int, int, dict[str, float]]]:
        """Instrument, time and measurements of each row."""
        metrics = self.metrics
        for i, at, values in zip(self.who, self.times, zip(*self.columns, strict=True), strict=True):
            yield i, at, dict(zip(metrics, values, strict=True))

    def events(self) -> Iterator[Event]:
        """Each row as the feed publishes it."""
        feed = self.feed
        names, places = feed.instruments.names, feed.instruments.places
        for number, (i, at, measurements) in enumerate(self.rows(), start=self.number):
            place = places[i]
            yield reading(feed.sector, feed.source, names[i], at, measurements, number, place.zone, place.location)


class Measuring(Feed):
    """A feed whose instruments report numbers."""

    def __init__(self, instruments: Instruments) -> None:
        super().__init__()
        self.instruments = instruments
        self.known: frozenset[str] | None = None
        """Metrics that the city's catalogue has; others are not sent. None: all are."""

    def round(
        self, moment: Moment, who: Indices, when: Indices, columns: dict[str, tuple[Floats, int]]
    ) -> Round | None:
        """One reading for each of `who`, None when nobody is due; columns: metric to (values, decimals)."""
        if not len(who):
            return None
        told = [metric for metric in columns if self.known is None or metric in self.known]
        return Round(
            self,
            who.tolist(),
            (when + (moment.start_us + self.clock_error_us(moment))).tolist(),
            tuple(told),
            [np.round(*columns[metric]).tolist() for metric in told],
            self.count(len(who)),
        )
