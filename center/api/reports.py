"""GET /api/v1/reports: what systems and people told."""

from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from center.api.common import (
    Bilingual,
    CenterOf,
    Cursor,
    Instant,
    Limit,
    SectorName,
    ZoneCode,
    answers,
    instant,
    json_answer,
    view,
)
from center.errors import errors
from center.permit import Permit, resources
from center.reports import read_report
from city.database import load_sql
from city.timestamps import to_datetime

router = resources(tag="reports")
PAGE: Final = load_sql("center", "reports_page.sql")
POSITION: Final = load_sql("center", "report_position.sql")


class ReportOut(BaseModel):
    """Something that happened; (source, subject) is its identity."""

    id: int
    sector: str
    source: str
    subject: str
    category: str
    severity: str
    title: str
    description: str
    status: Literal["open", "closed"]
    zone: str | None
    zone_name: Bilingual | None
    location: tuple[float, float] | None = Field(description="Longitude, latitude")
    time: str = Field(json_schema_extra={"format": "date-time"})


class Reports(BaseModel):
    """A page of reports, newest first."""

    reports: list[ReportOut]
    next: int | None = Field(description="Cursor of the next page; null on the last")


@router.get("/reports", summary="Reports", responses={**answers(Reports), **errors(404, 422, 503)})
async def reports(
    center: CenterOf,
    who: Annotated[Principal, Depends(Permit("reports.read"))],
    sector: SectorName = None,
    zone: ZoneCode = None,
    status: Literal["open", "closed"] | None = None,
    since: Annotated[Instant, Query(alias="from")] = None,
    until: Annotated[Instant, Query(alias="to")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Reports of a time range `[from, to)`, newest first."""
    position = None if cursor is None else await center.pool.fetchval(POSITION, cursor)
    rows = await center.pool.fetch(
        PAGE,
        position,
        cursor,
        *view(center, who, sector, zone),
        status,
        None if since is None else to_datetime(instant(since, "from")),
        None if until is None else to_datetime(instant(until, "to")),
        limit + 1,
    )
    page = [read_report(row, center.zones) for row in rows[:limit]]
    return json_answer({"reports": page, "next": page[-1].id if len(rows) > limit else None})
