"""What rules would have raised over stored readings: the same engine, fed from the database in order of time.

Each reading counts as come at its own time; a feed that was late then is not late here. Reports, and zones that assets
have left since, are not told by what is read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import asyncpg
import msgspec
import numpy as np

from alerts.arrivals import Arrival, Tick
from alerts.engine import Engine
from alerts.rules import Rule
from alerts.tally import Outcome, Tally
from city.events import Reading
from city.sectors import Catalogue

SERIES: Final = """
SELECT series.id, asset.name, asset.zone, series.metric
  FROM series JOIN asset ON asset.id = series.asset_id WHERE asset.sector = $1 AND series.metric = ANY ($2)
"""
READINGS: Final = """
SELECT time, series_id, value FROM reading
 WHERE series_id = ANY ($1) AND time >= from_us($2) AND time < from_us($3) ORDER BY time, series_id
"""
PG_EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01."""
HEAD: Final = 19
"""Bytes before the first row of COPY's binary form: signature, flags, and an extension that is empty."""
ROW: Final = np.dtype(
    [
        ("fields", ">i2"),
        ("time_length", ">i4"),
        ("time", ">i8"),
        ("series_length", ">i4"),
        ("series", ">i4"),
        ("value_length", ">i4"),
        ("value", ">f8"),
    ]
)
PULSE_US: Final = 10_000_000
"""How often rules that wait are looked at."""


class StoredSeries(msgspec.Struct, frozen=True):
    """One series as the database knows it."""

    id: int
    asset: str
    zone: str | None
    metric: str


class Backtest:
    """Some rules of one sector over readings in COPY's binary form, in pieces of any size."""

    def __init__(
        self, catalogue: Catalogue, sector: str, rules: Sequence[Rule], series: Iterable[StoredSeries]
    ) -> None:
        self.engine = Engine(sector, catalogue, rules)
        self.tally = Tally(rules)
        self.readings = 0
        self.reached = 0
        self._series = {one.id: one for one in series}
        self._waits = any(rule.waits for rule in self.engine.groups.rules.values())
        self._left = b""
        self._begun = False

    def take(self, data: bytes) -> None:
        """Judge what has come so far."""
        data = self._left + data
        if not self._begun:
            if len(data) < HEAD:
                self._left = data
                return
            data, self._begun = data[HEAD:], True
        whole = len(data) // ROW.itemsize * ROW.itemsize  # at the end, two bytes are left that say so
        self._left = data[whole:]
        if whole:
            self._judge(np.frombuffer(data[:whole], dtype=ROW))

    def finish(self, since: int, until: int) -> dict[str, Outcome]:
        """What each rule did in the time asked for (µs)."""
        if self._waits and self.reached:
            self._pulse(until)
        return self.tally.outcomes(until, since)

    def _judge(self, rows: "np.ndarray[tuple[int], np.dtype[np.void]]") -> None:
        times = (rows["time"].astype(np.int64) + PG_EPOCH_US).tolist()
        sector, known = self.engine.sector, self._series
        arrivals = []
        for time, number, value in zip(times, rows["series"].tolist(), rows["value"].tolist(), strict=True):
            one = known[number]
            arrivals.append(Arrival(time, Reading(sector, one.asset, time, {one.metric: value}, one.zone)))
        self.readings += len(arrivals)
        if not self._waits:
            self.tally.note(self.engine.step(arrivals, Tick(times[-1])))
            self.reached = times[-1]
            return
        first = 0
        while first < len(arrivals):
            if not self.reached:
                self.reached = times[0]
                self.engine.resume(times[0])
            self._pulse(times[first] - PULSE_US)
            last = int(np.searchsorted(times, self.reached + PULSE_US, side="right"))
            last = max(last, first + 1)
            self.reached = times[last - 1]
            self.tally.note(self.engine.step(arrivals[first:last], Tick(self.reached, True)))
            first = last

    def _pulse(self, until: int) -> None:
        """Let time go on while nothing comes."""
        while self.reached + PULSE_US <= until:
            self.reached += PULSE_US
            self.tally.note(self.engine.step((), Tick(self.reached, True)))


async def backtest(
    pool: asyncpg.Pool,
    catalogue: Catalogue,
    rules: Sequence[Rule],
    since: int,
    until: int,
    progress: Callable[[int, int], None] = lambda readings, reached: None,
) -> dict[str, Outcome]:
    """What each rule would have raised from `since` to before `until` (µs); told meanwhile how many readings were
    judged, and up to when. Cancel it to stop.
    """
    found: dict[str, Outcome] = {}
    by_sector: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_sector[rule.sector].append(rule)
    for sector, some in by_sector.items():
        metrics = sorted({metric for rule in some for metric in rule.metrics})
        async with pool.acquire() as connection:
            series = [StoredSeries(*row) for row in await connection.fetch(SERIES, sector, metrics)]
            test = Backtest(catalogue, sector, some, series)

            async def take(data: bytes, test: Backtest = test) -> None:
                test.take(data)
                progress(test.readings, test.reached)

            numbers = [one.id for one in series]
            await connection.copy_from_query(
                READINGS, numbers, since, until, output=take, format="binary", timeout=None
            )
        found |= test.finish(since, until)
    return found
