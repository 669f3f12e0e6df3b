"""Series, readings and reports as the database has them, for an engine that has to know of what it did not read."""

from typing import Final

import msgspec

from city.database import Connection
from city.events import Report

MOST_READINGS: Final = 500_000
"""Read at most so many of a metric, a second's work; a window that they don't fill is not whole yet, and says so."""

SERIES: Final = """
SELECT series.id, asset.name, asset.zone, asset.lon, asset.lat, all_of.metrics
  FROM series JOIN asset ON asset.id = series.asset_id,
       LATERAL (SELECT array_agg(metric ORDER BY id) AS metrics FROM series WHERE asset_id = asset.id) AS all_of
 WHERE asset.sector = $1 AND series.metric = $2 ORDER BY series.id
"""
READINGS: Final = """
SELECT time, series_id, value
  FROM (SELECT time, series_id, value FROM reading
         WHERE series_id = ANY ($1) AND time >= from_us($2) AND time < from_us($3)
         ORDER BY time DESC LIMIT $4) AS newest
 ORDER BY time, series_id
"""

REPORTS: Final = """
SELECT source, subject, to_us(first_time) AS time, category, severity, status, zone FROM report
 WHERE sector = $1 AND category = ANY ($2) AND first_time > from_us($3) AND first_time <= from_us($4)
 ORDER BY first_time DESC, id DESC LIMIT $5
"""
MOST_REPORTS: Final = 100_000


class StoredSeries(msgspec.Struct, frozen=True):
    """A series, with its asset: where it was last, and all that it has ever measured, in the order met."""

    id: int
    asset: str
    zone: str | None
    lon: float | None
    lat: float | None
    metrics: list[str]


async def stored_series(connection: Connection, sector: str, metric: str) -> dict[int, StoredSeries]:
    """The series of a metric, by number."""
    return {row["id"]: StoredSeries(*row) for row in await connection.fetch(SERIES, sector, metric)}


async def stored_reports(
    connection: Connection, sector: str, categories: list[str], since: int, until: int
) -> list[Report]:
    """Reports that were first made after `since` and up to `until` (µs), in that order; of too many, the newest."""
    rows = await connection.fetch(REPORTS, sector, categories, since, until, MOST_REPORTS)
    return [
        Report(sector, source, subject, time, category, severity, "", "", status, zone)
        for source, subject, time, category, severity, status, zone in reversed(rows)
    ]
