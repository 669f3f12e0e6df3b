"""GET /api/v1/series: one metric of one asset each."""

from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from access.policy import Principal
from center.api.common import PLAIN, CenterOf, Cursor, Limit, SectorName, ZoneCode, view
from center.errors import errors
from center.permit import Permit, resources
from city.database import load_sql

router = resources(tag="readings")
PAGE: Final = load_sql("center", "series_page.sql")


class Series(BaseModel):
    """One metric of one asset."""

    id: int
    asset_id: int
    sector: str
    asset: str
    zone: str | None
    metric: str
    unit: str


class SeriesPage(BaseModel):
    """A page of series by id."""

    series: list[Series]
    next: int | None = Field(description="Cursor of the next page; null on the last")


@router.get("/series", summary="Series", responses=errors(404, 422, 503))
async def series(
    center: CenterOf,
    who: Annotated[Principal, Depends(Permit("readings.read"))],
    sector: SectorName = None,
    zone: ZoneCode = None,
    asset: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="The asset's whole name")] = None,
    metric: Annotated[str | None, Query(max_length=100, pattern=PLAIN)] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> SeriesPage:
    """Series in the order in which they were first seen."""
    rows = await center.pool.fetch(PAGE, cursor or 0, *view(center, who, sector, zone), asset, metric, limit + 1)
    page = [Series(**dict(row)) for row in rows[:limit]]
    return SeriesPage(series=page, next=page[-1].id if len(rows) > limit else None)
