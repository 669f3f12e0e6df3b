"""Follows the alert history and keeps the incidents: every transition counts once, in order, whoever follows."""

from typing import Final

import asyncpg
import structlog

from alerts.incidents import REOPENS, Grouping, Incident, Member, Related, Report, Step
from city import metrics
from city.clock import Clock
from city.database import Connection, load_sql
from city.lease import Lease
from city.sectors import Catalogue
from city.timestamps import from_datetime, to_datetime
from city.zones import ZoneMap

LEASE: Final = "alert-incidents"
BATCH: Final = 500
POLL_S: Final = 0.25
REPORTS_S: Final = 2.0
REPORTS: Final = 200

STEPS: Final = load_sql("alerts", "sql/incident_steps.sql")
ACTIVE: Final = load_sql("alerts", "sql/incident_active.sql")
SAVE: Final = load_sql("alerts", "sql/incident_save.sql")
UNPLACED: Final = load_sql("alerts", "sql/incident_reports.sql")
PLACE: Final = "SELECT seq FROM incident_place FOR UPDATE"
ADVANCE: Final = "UPDATE incident_place SET seq = $1"
JOIN: Final = """
INSERT INTO incident_member (incident, alert_id, joined_at, lasts)
VALUES ($1::text::uuid, $2::text::uuid, $3, true)
"""
LASTS: Final = "UPDATE incident_member SET lasts = $2 WHERE alert_id = $1::text::uuid AND lasts <> $2"
REPORT: Final = """
INSERT INTO incident_member (incident, report_id, joined_at, lasts) VALUES ($1::text::uuid, $2, $3, false)
ON CONFLICT DO NOTHING
"""
FLOOD: Final = "SELECT alarm_flood_step()"

log = structlog.get_logger(__name__)


class Incidents:
    """Groups while it holds the lease. Its place in history is in the database, and moves with what it wrote."""

    def __init__(self, pool: asyncpg.Pool, catalogue: Catalogue, zones: ZoneMap, owner: str) -> None:
        self._pool = pool
        self._related = Related(zones.neighbours, catalogue.city.related)
        self._lease = Lease(pool, LEASE, owner)

    async def lead(self, clock: Clock) -> None:
        """Follow whenever the lease is held, until cancelled."""
        await self._lease.lead(lambda: self._follow(clock), clock)

    async def _follow(self, clock: Clock) -> None:
        looked = float("-inf")
        while True:
            full = await self.step()
            if clock.monotonic() - looked >= REPORTS_S:
                looked = clock.monotonic()
                await self.reports()
                await self.flood()
            if not full:
                await clock.sleep(POLL_S)

    async def step(self) -> bool:
        """Take the next transitions, in one transaction; whether more may wait."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._lease.fence(connection)
            place = await connection.fetchval(PLACE)
            rows = await connection.fetch(STEPS, place, BATCH)
            if not rows:
                return False
            grouping = await self._load(connection, from_datetime(rows[0]["at"]) - REOPENS)
            for row in rows:
                grouping.take(_step(row))
            await _save(connection, grouping)
            await connection.execute(ADVANCE, rows[-1]["seq"])
        metrics.INCIDENTS_SEQ.set(rows[-1]["seq"])
        return len(rows) == BATCH

    async def reports(self) -> int:
        """Let reports of the last minutes join; how many did."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._lease.fence(connection)
            rows = await connection.fetch(UNPLACED, REPORTS)
            if not rows:
                return 0
            grouping = await self._load(connection, from_datetime(rows[0]["time"]))
            joined = 0
            for row in rows:
                report = Report(row["id"], row["sector"], row["zone"], from_datetime(row["time"]))
                incident = grouping.place_of(report)
                if incident is not None:
                    await connection.execute(REPORT, incident.id, report.id, row["time"])
                    joined += 1
        return joined

    async def flood(self) -> None:
        """Whether it is a flood of alarms by now."""
        changed = await self._pool.fetchval(FLOOD)
        if changed is not None:
            log.warning("alarm flood", changed=changed)

    async def _load(self, connection: Connection, since: int) -> Grouping:
        rows = await connection.fetch(ACTIVE, to_datetime(since))
        return Grouping([_incident(row) for row in rows], self._related)


async def _save(connection: Connection, grouping: Grouping) -> None:
    touched = [grouping.incidents[name] for name in sorted(grouping.touched)]
    await connection.executemany(SAVE, [_row(incident) for incident in touched])
    await connection.executemany(
        JOIN, [(incident, step.alert_id, to_datetime(step.at)) for incident, step in grouping.joined]
    )
    members = [(member.alert_id, member.lasts) for incident in touched for member in incident.members]
    await connection.executemany(LASTS, members)


def _row(incident: Incident) -> tuple[object, ...]:
    return (
        incident.id,
        incident.first_out,
        incident.severity,
        sorted(incident.sectors),
        sorted(incident.zones),
        to_datetime(incident.opened_at),
        to_datetime(incident.newest_at),
        None if incident.closed_at is None else to_datetime(incident.closed_at),
        incident.reopened,
        incident.seq,
    )


def _incident(row: asyncpg.Record) -> Incident:
    members = zip(row["alerts"], row["rules"], row["groups"], row["lasts"], strict=True)
    return Incident(
        id=row["id"],
        first_out=row["first_out"],
        severity=row["severity"],
        sectors=set(row["sectors"]),
        zones=set(row["zones"]),
        opened_at=from_datetime(row["opened_at"]),
        newest_at=from_datetime(row["newest_at"]),
        members=[Member(alert, (rule, group), lasts) for alert, rule, group, lasts in members],
        closed_at=None if row["closed_at"] is None else from_datetime(row["closed_at"]),
        reopened=row["reopened"],
        seq=row["seq"],
    )


def _step(row: asyncpg.Record) -> Step:
    return Step(
        row["seq"],
        from_datetime(row["at"]),
        row["alert_id"],
        (row["rule"], row["group_key"]),
        row["sector"],
        row["zone"],
        row["severity"],
        row["state"],
        row["cleared"],
    )
