"""Reports of a batch: several words about one become the newest, and each record is judged as if it came alone."""

from collections import defaultdict

import asyncpg

from city.database import Connection, load_sql
from city.events import Report

Identity = tuple[str, str]


async def upsert(connection: Connection, reports: list[tuple[int, Report]]) -> set[int]:
    """Take the reports inside the caller's transaction; the numbers of the records that told something new."""
    if not reports:
        return set()
    told: dict[Identity, list[tuple[int, Report]]] = defaultdict(list)
    for number, report in sorted(reports, key=lambda numbered: numbered[0]):
        told[report.source, report.subject].append((number, report))
    identities = sorted(told)
    newest = [max(told[i], key=lambda n: (n[1].time, -n[0]))[1] for i in identities]
    rows = await connection.fetch(
        _UPSERT,
        [r.sector for r in newest],
        [r.source for r in newest],
        [r.subject for r in newest],
        [r.time for r in newest],
        [min(r.time for _, r in told[i]) for i in identities],
        [r.zone for r in newest],
        [r.location[0] if r.location else None for r in newest],
        [r.location[1] if r.location else None for r in newest],
        [r.category for r in newest],
        [r.severity for r in newest],
        [r.title for r in newest],
        [r.description for r in newest],
        [r.status for r in newest],
    )
    return {number for row in rows for number in _new(told[row["source"], row["subject"]], row)}


def _new(told: list[tuple[int, Report]], row: asyncpg.Record) -> list[int]:
    """Numbers of those that were newer than everything known when they came."""
    known = row["before_us"]
    new = []
    for number, report in told:
        if known is None or report.time > known:
            known = report.time
            new.append(number)
    return new


_UPSERT = load_sql("ingest", "upsert_reports.sql")
