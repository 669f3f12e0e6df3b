"""GET /api/v1/assets: what measures, and where it is."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from access.policy import Principal
from center.api.common import PLAIN, CenterOf, Cursor, Limit, SectorName, ZoneCode, view
from center.errors import errors
from center.permit import Permit, resources
from city.database import load_sql

router = resources(tag="readings")
PAGE: Final = load_sql("center", "assets_page.sql")


class Asset(BaseModel):
    """A detector, a station, a hospital: one publisher of readings."""

    id: int
    sector: str
    asset: str
    zone: str | None
    zone_approximate: bool = Field(description="Whether the zone was found from the point on a schematic map")
    location: tuple[float, float] | None = Field(description="Longitude, latitude")
    first_seen: datetime
    last_seen: datetime


class Assets(BaseModel):
    """A page of assets by id."""

    assets: list[Asset]
    next: int | None = Field(description="Cursor of the next page; null on the last")


@router.get("/assets", summary="Assets", responses=errors(404, 422, 503))
async def assets(
    center: CenterOf,
    who: Annotated[Principal, Depends(Permit("readings.read"))],
    sector: SectorName = None,
    zone: ZoneCode = None,
    name: Annotated[str | None, Query(max_length=200, pattern=PLAIN, description="Part of the name")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Assets:
    """Assets in the order in which they were first seen."""
    part = None if name is None else name.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    where = (cursor or 0, *view(center, who, sector, zone), part, limit + 1)
    rows = await center.pool.fetch(PAGE, *where)
    page = [
        Asset(
            id=row["id"],
            sector=row["sector"],
            asset=row["name"],
            zone=row["zone"],
            zone_approximate=row["zone_approximate"],
            location=None if row["lon"] is None or row["lat"] is None else (row["lon"], row["lat"]),
            first_seen=row["first_seen"],
            last_seen=row["last_seen"],
        )
        for row in rows[:limit]
    ]
    return Assets(assets=page, next=page[-1].id if len(rows) > limit else None)
