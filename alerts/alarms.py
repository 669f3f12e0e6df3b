"""Alarms that people were told of, read from history for `alerts.health`; and the last day's figures for Prometheus."""

import asyncio
from collections.abc import Collection
from datetime import datetime
from typing import Final

import asyncpg

from alerts.health import HOUR, SEVERITIES, Alarm, measure
from city import metrics
from city.clock import Clock
from city.lease import Lease
from city.timestamps import from_datetime, to_datetime

LEASE: Final = "alarm-health"
LOOK_S: Final = 30.0
DAY: Final = 24 * HOUR
TOLD: Final = """
SELECT told.at, alert.cleared_at, told.body ->> 'severity' AS severity, alert.rule, alert.group_key, alert.sector,
       told.body ->> 'team' AS team
  FROM alert_history AS told
  JOIN alert ON alert.id = told.alert_id
 WHERE told.kind = 'raised' AND told.body ->> 'severity' <> 'info' AND told.body ->> 'state' = 'unacknowledged'
   AND told.at < $2 AND (told.at >= $1 OR alert.cleared_at IS NULL OR alert.cleared_at > $2)
   AND ($3::text[] IS NULL OR alert.sector = ANY ($3))
   AND ($4::text[] IS NULL OR alert.zone IS NULL OR alert.zone = ANY ($4))
 ORDER BY told.seq
"""


async def told(
    pool: asyncpg.Pool,
    since: datetime,
    until: datetime,
    *,
    sectors: Collection[str] | None = None,
    zones: Collection[str] | None = None,
) -> list[Alarm]:
    """Alarms of [since, until), and older ones that still lasted at its end."""
    rows = await pool.fetch(
        TOLD, since, until, None if sectors is None else list(sectors), None if zones is None else list(zones)
    )
    return [
        Alarm(
            from_datetime(row["at"]),
            None if row["cleared_at"] is None else from_datetime(row["cleared_at"]),
            row["severity"],
            row["rule"],
            row["group_key"],
            row["sector"],
            row["team"],
        )
        for row in rows
    ]


class HealthGauges:
    """Sets the gauges of the last 24 hours while it holds the lease; nobody else's say anything."""

    def __init__(self, pool: asyncpg.Pool, owner: str) -> None:
        self._pool = pool
        self._lease = Lease(pool, LEASE, owner)

    async def lead(self, clock: Clock) -> None:
        """Look twice a minute whenever the lease is held, until cancelled."""
        await self._lease.lead(lambda: self._follow(clock), clock)

    async def _follow(self, clock: Clock) -> None:
        try:
            while True:
                await self.look(clock.now_us())
                await clock.sleep(LOOK_S)
        finally:
            for gauge in metrics.ALARM_HEALTH:
                gauge.clear()

    async def look(self, now_us: int) -> None:
        """Read the day and set the gauges."""
        alarms = await told(self._pool, to_datetime(now_us - DAY), to_datetime(now_us))
        health = await asyncio.to_thread(measure, alarms, now_us - DAY, now_us)
        metrics.ALARMS_PER_HOUR.labels("24h").set(health.per_hour)
        metrics.ALARMS_PEAK.labels("24h").set(health.peak_10min)
        metrics.ALARMS_FLOODED.labels("24h").set(health.flooded)
        metrics.ALARMS_CHATTERING.labels("24h").set(len(health.chattering))
        metrics.ALARMS_STALE.labels("24h").set(health.stale)
        for severity in SEVERITIES:
            metrics.ALARMS_SPLIT.labels("24h", severity).set(health.split[severity])
