"""What the log lost before anybody judged it, judged as it is stored: causes of a time away are told on return though
retention, or a broker that kept nothing, took their records.

When a reading was recorded is not stored: what came late counts here as come in time.
"""

import asyncio
import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Final

import asyncpg
import structlog

from alerts.arrivals import Arrival, Tick
from alerts.copyrows import CopyRows
from alerts.engine import Engine
from alerts.reportrule import ReportRule
from alerts.stored import MOST_READINGS, READINGS, StoredSeries, stored_reports, stored_series
from alerts.transitions import Transition
from city.events import Reading

PIECE: Final = 1_000

Row = tuple[int, str, str, float]
"""Time, asset, metric, value."""

log = structlog.get_logger(__name__)


async def judge_stored(pool: asyncpg.Pool, engine: Engine, since: int, until: int) -> list[Transition]:
    """Judge readings and reports of after `since` and before `until` (µs, event time), in order of time; of too many
    readings of a metric, the newest. Raises what the database raises."""
    places: dict[str, StoredSeries] = {}
    by_metric: list[list[Row]] = []
    reports: list[Arrival] = []
    async with pool.acquire() as connection:
        for metric in sorted(_watched(engine)):
            known = await stored_series(connection, engine.sector, metric)
            places |= {one.asset: one for one in known.values()}
            rows: list[Row] = []
            taker = CopyRows()

            async def take(
                data: bytes,
                metric: str = metric,
                known: dict[int, StoredSeries] = known,
                rows: list[Row] = rows,
                taker: CopyRows = taker,
            ) -> None:
                for time, number, value in zip(*taker.take(data), strict=True):
                    rows.append((time, known[number].asset, metric, value))
                await asyncio.sleep(0)

            arguments = (list(known), since + 1, until, MOST_READINGS)
            await connection.copy_from_query(READINGS, *arguments, output=take, format="binary", timeout=None)
            if len(rows) == MOST_READINGS:
                log.warning("more was missed than can be judged: the newest is", sector=engine.sector, metric=metric)
            by_metric.append(rows)
        categories = sorted(_categories(engine))
        if categories:
            some = await stored_reports(connection, engine.sector, categories, since, until)
            reports = [Arrival(report.time, report) for report in some]
    out: list[Transition] = []
    piece: list[Arrival] = []
    readings = _readings(engine.sector, places, heapq.merge(*by_metric))
    for arrival in heapq.merge(readings, reports, key=lambda one: one.record_time):
        piece.append(arrival)
        if len(piece) == PIECE:
            out += engine.step(piece, Tick(arrival.record_time))
            piece = []
            await asyncio.sleep(0)
    if piece:
        out += engine.step(piece, Tick(piece[-1].record_time))
    return out


def _readings(sector: str, places: dict[str, StoredSeries], rows: Iterable[Row]) -> Iterator[Arrival]:
    """One reading for all that an asset measured at a time."""
    for time, at_once in groupby(rows, key=lambda row: row[0]):
        for asset, some in groupby(at_once, key=lambda row: row[1]):
            place = places[asset]
            point = (place.lon, place.lat) if place.lon is not None and place.lat is not None else None
            values = {metric: value for _, _, metric, value in some}
            yield Arrival(time, Reading(sector, asset, time, values, place.zone, False, point))


def _watched(engine: Engine) -> set[str]:
    """Metrics that some rule watches."""
    return {metric for rule in engine.rules.values() if rule.reports is None for metric in rule.metrics}


def _categories(engine: Engine) -> set[str]:
    """Categories of reports that some rule counts."""
    return {
        category
        for rule in engine.groups.rules.values()
        if isinstance(rule, ReportRule) and rule.rule.reports is not None
        for category in rule.rule.reports.categories
    }
