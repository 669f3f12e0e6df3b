"""What rules remember, filled from stored readings and reports where an engine begins without its state: windows, the
last while of a change, entries, who stands where, and since when a `for` runs. Which alerts are open is known before,
from the alert table.

What the log may yet bring is not counted ahead of it: a reading waits with its group or series until the log has passed
it, so that it counts once, and is judged if it is there. When a reading was recorded is not stored: it counts as come
in time.
"""

import asyncio

import asyncpg
import msgspec

from alerts.absence import AbsenceRule
from alerts.copyrows import CopyRows
from alerts.engine import Engine
from alerts.groups import stored_as
from alerts.reach import lookbacks, reach_us, timers
from alerts.reportrule import REMEMBERED_US, ReportRule
from alerts.series import UNWATCHED, Asset, Series
from alerts.stored import MOST_READINGS, READINGS, StoredSeries, stored_reports, stored_series
from city.database import Connection
from city.events import Reading


class Unread(msgspec.Struct, frozen=True):
    """What the log still has to bring, as record times (µs): of the first such record of the partition that is furthest
    behind, and of the one that is furthest on; now, where a partition has none.

    `judged`: the log has lost some of what nobody judged; what happened up to this time was judged.
    """

    first: int
    last: int
    judged: int | None = None

    def judged_until(self, max_age_us: int) -> int:
        """Up to which event time readings were judged, or can't raise any more: the log brings nothing older."""
        return self.first - max_age_us if self.judged is None else self.judged

    @property
    def stored_until(self) -> int:
        """Up to which event time what is stored is to be remembered."""
        return self.last if self.judged is None else self.judged + 1


async def refill(pool: asyncpg.Pool, engine: Engine, unread: Unread) -> int:
    """Fill what the engine's rules remember, as of where reading goes on; how many readings were read.

    The engine's groups must be new, and its open alerts those of the table. Raises what the database raises.
    """
    readings = 0
    backs = lookbacks(engine.groups.rules.values())
    for metric, back in timers(engine).items():
        backs[metric] = max(backs.get(metric, 0), back)
    async with pool.acquire() as connection:
        for metric, lookback in sorted(backs.items()):
            readings += await _refill_metric(connection, engine, metric, lookback, unread)
        await _refill_reports(connection, engine, unread)
    return readings


async def _refill_metric(connection: Connection, engine: Engine, metric: str, lookback: int, unread: Unread) -> int:
    plan = engine.roster.plan(metric)
    found = await stored_series(connection, engine.sector, metric)
    if not found:
        return 0
    judged_until = unread.judged_until(plan.max_age_us)
    filling = Filling(engine, metric, judged_until, found)
    since = judged_until - min(lookback, MOST_READINGS * plan.cadence_us // len(found))
    rows = CopyRows()

    async def take(data: bytes) -> None:
        filling.take(*rows.take(data))
        await asyncio.sleep(0)

    arguments = (list(found), since, unread.stored_until, MOST_READINGS)
    await connection.copy_from_query(READINGS, *arguments, output=take, format="binary", timeout=None)
    filling.finish()
    return filling.readings


async def _refill_reports(connection: Connection, engine: Engine, unread: Unread) -> None:
    """Count reports that were made before the log goes on; what they say is what they said last."""
    until = unread.stored_until if unread.judged is not None else unread.first
    for rule in engine.groups.rules.values():
        if not isinstance(rule, ReportRule) or rule.rule.reports is None:
            continue
        since = until - max(REMEMBERED_US, rule.timing.clear_us + reach_us(rule.rule))
        categories = list(rule.rule.reports.categories)
        for report in await stored_reports(connection, engine.sector, categories, since, until):
            key = rule.key_of(report)
            if key is not None:
                rule.remember(rule.group(key), report, unread.judged is not None)


class Filling:
    """One metric's stored readings on their way into the groups; those up to `judged_until` were judged, or can't raise
    any more. `series` are by number."""

    def __init__(self, engine: Engine, metric: str, judged_until: int, series: dict[int, StoredSeries]) -> None:
        self.readings = 0
        self._engine = engine
        self._metric = metric
        self._judged_until = judged_until
        self._series = series
        self._assets: dict[int, Asset | None] = {}
        self._newest: dict[int, int] = {}
        self._waiting: list[Series] = []
        self._timed = any(one.timed for one in engine.roster.plan(metric).thresholds)

    def take(self, times: list[int], numbers: list[int], values: list[float]) -> None:
        """Recall readings, in order of time."""
        self.readings += len(times)
        groups, metric = self._engine.groups, self._metric
        for time, number, value in zip(times, numbers, values, strict=True):
            asset = self._assets[number] if number in self._assets else self._meet(number, time)
            if asset is None:
                continue
            judged = time <= max(self._judged_until, (asset.taken or {}).get(metric, 0))
            if judged:
                self._newest[number] = time
            for rule, group in groups.members(asset, metric):
                if isinstance(rule, AbsenceRule):
                    group.heard = max(group.heard, time)
                elif judged:
                    rule.recall(group, asset.name, metric, time, value)
                    if group.buffer is not None:
                        group.buffer.frontier = time + 1
                elif not rule.waits:
                    group.stored = group.stored or {}
                    group.stored.setdefault(stored_as(asset.name, metric), []).append((time, value))
            if self._timed and (series := asset.series[metric]).thresholds:
                self._time(series, time, value)

    def _time(self, series: Series, time: int, value: float) -> None:
        """Move the timers of thresholds."""
        if time <= max(self._judged_until, series.time):
            series.recall(time, value)
        elif series.stored is None:
            series.stored = [(time, value)]
            self._waiting.append(series)
        else:
            series.stored.append((time, value))

    def finish(self) -> None:
        """What was recalled counts no more when the log brings it."""
        for number, time in self._newest.items():
            asset = self._assets[number]
            if asset is not None:
                asset.taken = (asset.taken or {}) | {self._metric: max((asset.taken or {}).get(self._metric, 0), time)}
                series = asset.series[self._metric]
                if series is not UNWATCHED:
                    series.time = max(series.time, time)
                    series.settle()
        for series in self._waiting:
            series.settle()

    def _meet(self, number: int, time: int) -> Asset | None:
        """The asset of a series, with all its series, made known if it is not; None: the sector is full."""
        roster, one = self._engine.roster, self._series[number]
        asset = roster.assets.get(one.asset)
        if asset is None and not roster.full:
            point = (one.lon, one.lat) if one.lon is not None and one.lat is not None else None
            asset = roster.meet(Reading(self._engine.sector, one.asset, time, {}, one.zone, False, point))
        if asset is not None:
            for metric in one.metrics:
                if metric in roster.sector.metrics and metric not in asset.series and not roster.full:
                    roster.admit(asset, metric)
        known = asset if asset is not None and self._metric in asset.series else None
        self._assets[number] = known
        return known
