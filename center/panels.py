"""Keeps the `city` channel current: figures each second from memory, reports and stage from the database beside it.

While the database is away the last known reports, stage and trends stay; the figures go on, and each carries its time.
Before everything was read for the first time nothing is published, but for the trend lines, which may come later: a
wall that shows no alarms above the open ones would lie.
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
from center.engine import EngineWatch
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
LOOK_S: Final = 0.05
"""Between looks at whether everything was read, at the start: walls wait for that."""
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
        alerts_loaded: asyncio.Event,
        engine: EngineWatch,
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
        self._alerts_loaded = alerts_loaded
        self._engine = engine
        self._latest = latest
        self._unread = {self._read_reports.__name__, self._read_slow.__name__}
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
        self._stage = named_stage(catalogue.city, 1, None, None)
        self._minute = 0

    async def run(self) -> None:
        """Computes and publishes until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(every(self._clock, STATE_S, self._compute), name="city-state")
            group.create_task(self._begin(), name="city-begins")
            group.create_task(self._keep_reading(REPORTS_S, self._read_reports), name="reports")
            group.create_task(self._keep_reading(SLOW_S, self._read_slow), name="stage")
            group.create_task(self._keep_reading(TRENDS_S, self._read_trends), name="trends")

    async def _begin(self) -> None:
        """The first state as soon as there is one, not at the next second."""
        while not self._is_loaded():
            await self._clock.sleep(LOOK_S)
        if not self._state.ready:
            self._compute()

    def _compute(self) -> None:
        now_us = self._clock.now_us()
        begins = not self._state.ready and self._is_loaded()
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
            engine_late=self._engine.late(),
            incidents=self._incidents,
            flood=self._flood,
            reports_today=self._reports_today,
            simulated=self._simulated,
        )
        self._state.ready |= begins
        if changed or begins:
            self._hub.city.publish()

    def _is_loaded(self) -> bool:
        return not self._unread and self._latest.ready and self._engine.loaded and self._alerts_loaded.is_set()

    async def _keep_reading(self, seconds: float, read: Callable[[], Awaitable[None]]) -> None:
        failing = False
        while True:
            try:
                await read()
                self._unread.discard(read.__name__)
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
        level, since, by = (1, None, None) if row is None else (row["level"], row["since"], row["by"])
        self._stage = named_stage(self._catalogue.city, level, since, by)

    async def _read_trends(self) -> None:
        while not self._latest.ready:
            await self._clock.sleep(0.1)
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


def named_stage(city: CityInfo, level: int, since: str | None, by: str | None) -> Stage:
    """The stage with its name in this city."""
    return Stage(level, city.stages.get(level, {"vi": f"Cấp {level}", "en": f"Stage {level}"}), since, by)
