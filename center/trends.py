"""Key figures over the last hour, and over the same hour a week before: one point a minute.

The running hour is this center's own figures, noted every minute, after what the database has of the time before the
start. A week ago is read from the aggregates, a minute of it every minute.
"""

from collections import deque
from typing import Final

import asyncpg

from center.cityview import Point, Trend
from center.figures import Figure
from center.latest import LatestValues
from city.database import load_sql
from city.sectors import Catalogue

POINTS: Final = load_sql("center", "trend_points.sql")
SHOWN: Final = 60
MINUTE_US: Final = 60_000_000
WEEK_US: Final = 7 * 86_400_000_000

SeriesKey = tuple[str, str]


class Trends:
    """Per key figure its two lines."""

    def __init__(self, pool: asyncpg.Pool, latest: LatestValues, catalogue: Catalogue) -> None:
        self._pool = pool
        self._latest = latest
        self._catalogue = catalogue
        self._lines: dict[SeriesKey, tuple[deque[Point], deque[Point]]] = {}
        self._asked: dict[SeriesKey, int] = {}

    def current(self) -> dict[SeriesKey, Trend]:
        """The lines as they are."""
        return {key: Trend(list(hour), list(week)) for key, (hour, week) in self._lines.items()}

    def note(self, key: SeriesKey, figure: Figure, minute_us: int) -> None:
        """The figure of the minute that ends now; one that is no newer than the last point adds none."""
        hour, _ = self._line(key)
        ms = minute_us // 1000
        if figure.value is None or figure.time is None or (hour and figure.time // 1000 <= hour[-1][0]):
            return
        hour.append((ms, figure.value))

    def prune(self, now_us: int) -> None:
        """Drops what is older than an hour, in either week."""
        for hour, week in self._lines.values():
            for line, since in ((hour, now_us - SHOWN * MINUTE_US), (week, now_us - WEEK_US - SHOWN * MINUTE_US)):
                while line and line[0][0] * 1000 < since:
                    line.popleft()

    async def load(self, now_us: int) -> None:
        """Reads what the lines lack: at first an hour of each, then the newest minute of a week ago."""
        minute = now_us // MINUTE_US * MINUTE_US
        for name, sector in self._catalogue.sectors.items():
            for metric in sector.key_figures:
                ids = [one.id for one in self._latest.series if one.sector == name and one.metric == metric]
                if ids:
                    await self._load_line((name, metric), ids, minute)

    async def _load_line(self, key: SeriesKey, ids: list[int], minute: int) -> None:
        hour, week = self._line(key)
        metric = self._catalogue.sectors[key[0]].metrics[key[1]]
        since = self._asked.get(key)
        if since is None:
            points = await self._points(ids, minute - SHOWN * MINUTE_US, minute, metric.aggregate, metric.decimals)
            older = [point for point in points if not hour or point[0] < hour[0][0]]
            line = [*older, *hour]
            hour.clear()
            hour.extend(line)
            since = minute - SHOWN * MINUTE_US
        elif since >= minute:
            return
        week.extend(await self._points(ids, since - WEEK_US, minute - WEEK_US, metric.aggregate, metric.decimals))
        self._asked[key] = minute

    async def _points(self, ids: list[int], first: int, end: int, aggregate: str, decimals: int) -> list[Point]:
        rows = await self._pool.fetch(POINTS, ids, first, end, aggregate)
        return [(row["ms"], round(row["value"], decimals)) for row in rows]

    def _line(self, key: SeriesKey) -> tuple[deque[Point], deque[Point]]:
        return self._lines.setdefault(key, (deque(maxlen=SHOWN), deque(maxlen=SHOWN)))
