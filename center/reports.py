"""Reports as screens and REST show them, from the table."""

from typing import Final

import asyncpg

from center.cityview import Report
from city.database import load_sql
from city.timestamps import format_time, from_datetime
from city.zones import ZoneMap

NEWEST: Final = load_sql("center", "newest_reports.sql")
TODAY: Final = load_sql("center", "reports_today.sql")
KEPT: Final = 100
"""Newest reports kept, so that a filter by sector or zone still finds some."""


def read_report(row: asyncpg.Record, zones: ZoneMap) -> Report:
    """One row of `report`, with its zone's names."""
    zone = zones.zones.get(row["zone"]) if row["zone"] is not None else None
    return Report(
        id=row["id"],
        sector=row["sector"],
        source=row["source"],
        subject=row["subject"],
        category=row["category"],
        severity=row["severity"],
        title=row["title"],
        description=row["description"],
        status=row["status"],
        zone=row["zone"],
        zone_name=zone.name if zone is not None else None,
        location=None if row["lon"] is None or row["lat"] is None else (row["lon"], row["lat"]),
        time=format_time(from_datetime(row["time"])),
    )


async def newest(pool: asyncpg.Pool, zones: ZoneMap) -> list[Report]:
    """The newest reports, newest first."""
    return [read_report(row, zones) for row in await pool.fetch(NEWEST, KEPT)]


async def today(pool: asyncpg.Pool, timezone: str) -> int:
    """How many reports came for the first time since the city's midnight."""
    count: int = await pool.fetchval(TODAY, timezone)
    return count
