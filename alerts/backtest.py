"""What rules would have raised over stored readings: the same engine, fed from the database in order of time.

Each reading counts as come at its own time; a feed that was late then is not late here. Zones that assets have left
since are not told by what is read, nor what a report said before it was updated: it counts when it was first made, as
what it says now.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import asyncpg
import msgspec

from alerts.arrivals import Arrival, Tick
from alerts.copyrows import CopyRows
from alerts.engine import Engine
from alerts.reportrule import ReportRule
from alerts.rules import Rule
from alerts.tally import Outcome, Tally
from alerts.transitions import Transition
from city.events import Reading, Report
from city.sectors import Catalogue

SERIES: Final = """
SELECT series.id, asset.name, asset.zone, series.metric
  FROM series JOIN asset ON asset.id = series.asset_id WHERE asset.sector = $1 AND series.metric = ANY ($2)
"""
READINGS: Final = """
SELECT time, series_id, value FROM reading
 WHERE series_id = ANY ($1) AND time >= from_us($2) AND time < from_us($3) ORDER BY time, series_id
"""
REPORTS: Final = """
SELECT id, source, subject, to_us(first_time) AS time, category, severity, status, zone FROM report
 WHERE sector = $1 AND category = ANY ($2) AND (first_time, id) > (from_us($3), $4::bigint) AND first_time < from_us($5)
 ORDER BY first_time, id LIMIT $6
"""
PIECE: Final = 5_000
"""Reports judged at a time."""
PULSE_US: Final = 10_000_000
"""How often rules that wait are looked at."""
TELL_PULSES: Final = 1_000
"""So many of them are a tenth of a second of judging or less."""


Tell = Callable[[int, int], None]
"""Told how many readings or reports were judged, and up to when (µs)."""
Watch = Callable[[Sequence[Transition]], None]
"""Given every transition, in order."""


def _tell_nobody(readings: int, reached: int) -> None:
    """Nobody wants to know."""


def _unwatched(transitions: Sequence[Transition]) -> None:
    """Nobody looks."""


class StoredSeries(msgspec.Struct, frozen=True):
    """One series as the database knows it."""

    id: int
    asset: str
    zone: str | None
    metric: str


class Backtest:
    """Some rules of one sector over readings in COPY's binary form, in pieces of any size."""

    def __init__(
        self,
        catalogue: Catalogue,
        sector: str,
        rules: Sequence[Rule],
        series: Iterable[StoredSeries],
        progress: Tell = _tell_nobody,
        watch: Watch = _unwatched,
    ) -> None:
        self.engine = Engine(sector, catalogue, rules)
        self.tally = Tally(rules)
        self.readings = 0
        self.reached = 0
        self._series = {one.id: one for one in series}
        waiting = (rule.waits or isinstance(rule, ReportRule) for rule in self.engine.groups.rules.values())
        self._waits = any(waiting)
        self._rows = CopyRows()
        self._progress = progress
        self._watch = watch

    def take(self, data: bytes) -> None:
        """Judge what has come so far."""
        times, numbers, values = self._rows.take(data)
        if not times:
            return
        sector, known = self.engine.sector, self._series
        arrivals = []
        for time, number, value in zip(times, numbers, values, strict=True):
            one = known[number]
            arrivals.append(Arrival(time, Reading(sector, one.asset, time, {one.metric: value}, one.zone)))
        self.judge(times, arrivals)

    def finish(self, since: int, until: int) -> dict[str, Outcome]:
        """What each rule did in the time asked for (µs)."""
        if self._waits and self.reached:
            self._pulse(until)
        return self.tally.outcomes(until, since)

    def judge(self, times: list[int], arrivals: list[Arrival]) -> None:
        """Judge arrivals in order of their times."""
        self.readings += len(arrivals)
        if not self._waits:
            self._note(self.engine.step(arrivals, Tick(times[-1])))
            self.reached = times[-1]
            return
        first = 0
        while first < len(arrivals):
            if not self.reached:
                self.reached = times[0]
                self.engine.resume(times[0])
            self._pulse(times[first] - PULSE_US)
            last = bisect_right(times, self.reached + PULSE_US)
            last = max(last, first + 1)
            self.reached = times[last - 1]
            self._note(self.engine.step(arrivals[first:last], Tick(self.reached, True)))
            first = last

    def _pulse(self, until: int) -> None:
        """Let time go on while nothing comes."""
        passed = 0
        while self.reached + PULSE_US <= until:
            passed += 1
            if passed % TELL_PULSES == 0:
                self._progress(self.readings, self.reached)
            pulses = 1
            if not self.engine.roster.kinds:  # no feed that may fall silent: nothing happens but what is due
                due = min(self.engine.groups.waiting.next_due or until, until)
                pulses = max(1, min(-(-(due - self.reached) // PULSE_US), (until - self.reached) // PULSE_US))
            self.reached += pulses * PULSE_US
            self._note(self.engine.step((), Tick(self.reached, True)))

    def _note(self, transitions: Sequence[Transition]) -> None:
        self.tally.note(transitions)
        self._watch(transitions)


async def backtest(
    pool: asyncpg.Pool,
    catalogue: Catalogue,
    rules: Sequence[Rule],
    since: int,
    until: int,
    progress: Tell = _tell_nobody,
    watch: Watch = _unwatched,
) -> dict[str, Outcome]:
    """What each rule would have raised from `since` to before `until` (µs); told meanwhile how far it is, and what the
    engine says, built-in rules included. Cancel it to stop.
    """
    found: dict[str, Outcome] = {}
    by_sector: dict[str, list[Rule]] = defaultdict(list)
    for rule in rules:
        by_sector[rule.sector].append(rule)
    for sector, some in by_sector.items():
        on_readings = [rule for rule in some if rule.reports is None]
        if on_readings:
            test = await _over_readings(pool, catalogue, sector, on_readings, since, until, progress, watch)
            found |= test.finish(since, until)
        on_reports = [rule for rule in some if rule.reports is not None]
        if on_reports:
            test = await _over_reports(pool, catalogue, sector, on_reports, since, until, progress, watch)
            found |= test.finish(since, until)
    return found


async def _over_readings(
    pool: asyncpg.Pool,
    catalogue: Catalogue,
    sector: str,
    rules: Sequence[Rule],
    since: int,
    until: int,
    progress: Tell,
    watch: Watch,
) -> Backtest:
    metrics = sorted({metric for rule in rules for metric in rule.metrics})
    async with pool.acquire() as connection:
        series = [StoredSeries(*row) for row in await connection.fetch(SERIES, sector, metrics)]
        test = Backtest(catalogue, sector, rules, series, progress, watch)

        async def take(data: bytes) -> None:
            test.take(data)
            progress(test.readings, test.reached)

        numbers = [one.id for one in series]
        await connection.copy_from_query(READINGS, numbers, since, until, output=take, format="binary", timeout=None)
    return test


async def _over_reports(
    pool: asyncpg.Pool,
    catalogue: Catalogue,
    sector: str,
    rules: Sequence[Rule],
    since: int,
    until: int,
    progress: Tell,
    watch: Watch,
) -> Backtest:
    categories = sorted({name for rule in rules if rule.reports is not None for name in rule.reports.categories})
    test, last, number = Backtest(catalogue, sector, rules, (), progress, watch), since, 0
    while rows := await pool.fetch(REPORTS, sector, categories, last, number, until, PIECE):
        reports = [
            Report(sector, source, subject, time, category, severity, "", "", status, zone)
            for _, source, subject, time, category, severity, status, zone in rows
        ]
        test.judge([report.time for report in reports], [Arrival(report.time, report) for report in reports])
        last, number = reports[-1].time, rows[-1]["id"]
        progress(test.readings, test.reached)
    return test
