"""Keeps the `city` channel current: figures each second from memory, reports and stage from the database beside it.

While the database is away the last known reports, stage and trends stay; the figures go on, and each carries its time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from center import reports
from center.beats import every
from center.citystate import CityState
from center.cityview import FloodView, IncidentView, Report, Stage
from center.figures import Figures
from center.hub import Hub
from center.latest import LatestValues
from center.trends import MINUTE_US, Trends
from city.clock import Clock
from city.database import STORE_ERRORS, load_sql
from city.sectors import Catalogue, CityInfo
from city.timestamps import format_time, from_datetime
from city.zones import ZoneMap

STATE_S: Final = 1.0
REPORTS_S: Final = 1.0
SLOW_S: Final = 5.0
TRENDS_S: Final = 15.0
STAGE: Final = load_sql("center", "stage.sql")
INCIDENTS: Final = load_sql("center", "incidents_open.sql")
FLOOD: Final = load_sql("center", "flood.sql")

log = structlog.get_logger(__name__)


class Panels:
    """Feeds a CityState and publishes it."""

    def __init__(
        self,
        hub: Hub,
        state: CityState,
        latest: LatestValues,
        catalogue: Catalogue,
        zones: ZoneMap,
        pool: asyncpg.Pool,
        clock: Clock,
        *,
        simulated: bool,
    ) -> None:
        self._hub = hub
        self._state = state
        self._catalogue = catalogue
        self._zones = zones
        self._pool = pool
        self._clock = clock
        self._simulated = simulated
        self._figures = Figures(latest, catalogue)
        self._trends = Trends(pool, latest, catalogue)
        self._reports: list[Report] = []
        self._reports_today = 0
        self._incidents: list[IncidentView] = []
        self._flood: FloodView | None = None
        self._stage = named_stage(catalogue.city, 1, None)
        self._minute = 0

    async def run(self) -> None:
        """Computes and publishes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(every(self._clock, STATE_S, self._compute), name="city-state")
            group.create_task(self._keep_reading(REPORTS_S, self._read_reports), name="reports")
            group.create_task(self._keep_reading(SLOW_S, self._read_slow), name="stage")
            group.create_task(self._keep_reading(TRENDS_S, self._read_trends), name="trends")

    def _compute(self) -> None:
        now_us = self._clock.now_us()
        numbers = self._figures.now(now_us)
        minute = now_us // MINUTE_US
        if minute != self._minute:
            self._minute = minute
            for name, sector in numbers.items():
                for metric, figure in sector.figures.items():
                    self._trends.note((name, metric), figure, minute * MINUTE_US)
            self._trends.prune(now_us)
        changed = self._state.update(
            now_us,
            numbers,
            self._trends.current(),
            self._reports,
            stage=self._stage,
            incidents=self._incidents,
            flood=self._flood,
            reports_today=self._reports_today,
            simulated=self._simulated,
        )
        if changed:
            self._hub.city.publish()

    async def _keep_reading(self, seconds: float, read: Callable[[], Awaitable[None]]) -> None:
        failing = False
        while True:
            try:
                await read()
                failing = False
            except STORE_ERRORS as lost:
                if not failing:
                    log.warning("city_state_stale", error=f"{type(lost).__name__}: {lost}")
                failing = True
            await self._clock.sleep(seconds)

    async def _read_reports(self) -> None:
        self._reports = await reports.newest(self._pool, self._zones)
        self._incidents = [_incident(row) for row in await self._pool.fetch(INCIDENTS)]
        began = await self._pool.fetchval(FLOOD)
        self._flood = None if began is None else FloodView(format_time(from_datetime(began)))

    async def _read_slow(self) -> None:
        self._reports_today = await reports.today(self._pool, self._catalogue.city.timezone)
        row = await self._pool.fetchrow(STAGE)
        level, since = (1, None) if row is None else (row["level"], row["since"])
        self._stage = named_stage(self._catalogue.city, level, since)

    async def _read_trends(self) -> None:
        await self._trends.load(self._clock.now_us())


def _incident(row: asyncpg.Record) -> IncidentView:
    return IncidentView(
        str(row["id"]),
        str(row["first_out"]),
        row["sectors"],
        row["zones"],
        format_time(from_datetime(row["opened_at"])),
        [str(alert) for alert in row["alerts"] or ()],
        row["reports"],
    )


def named_stage(city: CityInfo, level: int, since: str | None) -> Stage:
    """The stage with its name in this city."""
    return Stage(level, city.stages.get(level, {"vi": f"Cấp {level}", "en": f"Stage {level}"}), since)
