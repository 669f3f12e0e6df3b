"""GET /api/v1/incidents: what probably has one cause, and everything that happened in it; and floods of alarms."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from center.api.alerts import Severity
from center.api.common import (
    Bilingual,
    CenterOf,
    DateTime,
    Limit,
    SectorName,
    ZoneCode,
    answers,
    in_view,
    json_answer,
    view,
)
from center.errors import errors, not_found
from center.permit import Permit, resources
from center.service import Center
from city.database import load_sql
from city.timestamps import format_time, from_datetime

router = resources(tag="alerts")
MayRead = Annotated[Principal, Depends(Permit("alerts.read"))]
PAGE: Final = load_sql("center", "incidents_page.sql")
TIMELINE: Final = load_sql("center", "incident_timeline.sql")
POSITION: Final = "SELECT opened_at FROM incident WHERE id = $1"
MOST_OPEN: Final = 500
FLOODS: Final = "SELECT began_at, ended_at, peak FROM alarm_flood ORDER BY number DESC LIMIT $1"


class Incident(BaseModel):
    """Alerts and reports that probably have one cause."""

    id: uuid.UUID
    state: Literal["open", "closed"]
    first_out: uuid.UUID = Field(description="The alert that began it")
    title: Bilingual = Field(description="Of that alert")
    short: Bilingual
    severity: Severity = Field(description="The worst that it ever was")
    sectors: list[str]
    zones: list[str]
    opened_at: DateTime
    newest_at: DateTime = Field(description="When the newest alert joined")
    closed_at: DateTime | None = Field(description="When the last of its alerts was over")
    reopened: int = Field(description="How often a cause came back within half an hour")
    alerts: int
    reports: int


class Incidents(BaseModel):
    """A page of incidents, newest first."""

    incidents: list[Incident]
    next: uuid.UUID | None = Field(description="Cursor of the next page; null on the last")


class Entry(BaseModel):
    """One thing that happened: a transition of an alert, an act of a person with its words, or a report."""

    at: DateTime
    what: Literal["alert", "report"]
    kind: str = Field(description="Of the transition; the category of a report")
    seq: int | None
    alert_id: uuid.UUID | None
    report_id: int | None
    actor: str | None = Field(description="Whose act it was; the source of a report")
    detail: dict[str, Any] | None
    title: Bilingual
    severity: str
    state: str


class Timeline(BaseModel):
    """Everything that happened, in order; at most 2,000 entries."""

    entries: list[Entry]


class Flood(BaseModel):
    """More than ten alarms in ten minutes, until fewer than five."""

    began_at: DateTime
    ended_at: DateTime | None
    peak: int = Field(description="The most in ten minutes")


class Floods(BaseModel):
    """Newest first."""

    floods: list[Flood]


@router.get("/incidents", summary="Incidents", responses={**answers(Incidents), **errors(404, 422, 503)})
async def incidents(
    center: CenterOf,
    who: MayRead,
    state: Annotated[Literal["open", "all"], Query()] = "open",
    sector: SectorName = None,
    zone: ZoneCode = None,
    limit: Limit = 100,
    cursor: uuid.UUID | None = None,
) -> Response:
    """Those that touch the scope of who asks."""
    wanted = view(center, who, sector, zone)
    since = None if cursor is None else await center.pool.fetchval(POSITION, cursor)
    rows = await center.pool.fetch(PAGE, since, cursor, state == "open", wanted.sectors, wanted.zones, limit + 1, None)
    found = [_incident(row) for row in rows[:limit]]
    return json_answer({"incidents": found, "next": found[-1]["id"] if len(rows) > limit else None})


@router.get(
    "/incidents/{incident_id}", summary="One incident", responses={**answers(Incident), **errors(404, 422, 503)}
)
async def incident(center: CenterOf, who: MayRead, incident_id: uuid.UUID) -> Response:
    """As it stands."""
    return json_answer(await _seen(center, who, incident_id))


@router.get(
    "/incidents/{incident_id}/timeline",
    summary="Everything that happened in it",
    responses={**answers(Timeline), **errors(404, 422, 503)},
)
async def timeline(center: CenterOf, who: MayRead, incident_id: uuid.UUID) -> Response:
    """History of its alerts with people's acts and comments, and its reports; within the scope of who asks."""
    await _seen(center, who, incident_id)
    rows = await center.pool.fetch(TIMELINE, incident_id)
    entries = [
        _entry(row) for row in rows if in_view(who, row["sector"], row["zone"], placeless=row["what"] == "alert")
    ]
    return json_answer({"entries": entries})


@router.get("/floods", summary="Floods of alarms", responses={**answers(Floods), **errors(503)})
async def floods(center: CenterOf, who: MayRead, limit: Limit = 100) -> Response:
    """The newest; the first one may last."""
    rows = await center.pool.fetch(FLOODS, limit)
    return json_answer(
        {
            "floods": [
                {"began_at": _at(row["began_at"]), "ended_at": _at(row["ended_at"]), "peak": row["peak"]}
                for row in rows
            ]
        }
    )


async def open_incidents(
    pool: asyncpg.Pool, sectors: list[str] | None, zones: list[str] | None
) -> list[dict[str, Any]]:
    """Every open incident that touches these sectors and zones (None: all), newest first."""
    return [_incident(row) for row in await pool.fetch(PAGE, None, None, True, sectors, zones, MOST_OPEN, None)]


async def _seen(center: Center, who: Principal, incident_id: uuid.UUID) -> dict[str, Any]:
    """Raises ApiError 404, also for what is outside the scope."""
    sectors, zones = sorted(who.sectors) or None, sorted(who.zones) or None
    row = await center.pool.fetchrow(PAGE, None, None, False, sectors, zones, 1, incident_id)
    if row is None:
        raise not_found(f"incident {incident_id}")
    return _incident(row)


def _incident(row: asyncpg.Record) -> dict[str, Any]:
    return {
        **dict(row),
        "id": str(row["id"]),
        "first_out": str(row["first_out"]),
        "title": msgspec.Raw(row["title"].encode()),
        "short": msgspec.Raw(row["short"].encode()),
        "opened_at": _at(row["opened_at"]),
        "newest_at": _at(row["newest_at"]),
        "closed_at": _at(row["closed_at"]),
    }


def _entry(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "at": _at(row["at"]),
        "what": row["what"],
        "kind": row["kind"],
        "seq": row["seq"],
        "alert_id": None if row["alert_id"] is None else str(row["alert_id"]),
        "report_id": row["report_id"],
        "actor": row["actor"],
        "detail": None if row["detail"] is None else msgspec.Raw(row["detail"].encode()),
        "title": msgspec.Raw(row["title"].encode()),
        "severity": row["severity"],
        "state": row["state"],
    }


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(from_datetime(moment))
