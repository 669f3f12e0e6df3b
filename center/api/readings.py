"""GET /api/v1/readings: history of some series at the coarsest resolution that meets what was asked for."""

from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from center.api.common import MAX_INT, CenterOf, Instant, answers, in_view, instant, json_answer
from center.errors import errors, not_found
from center.permit import Permit, resources
from city.database import load_sql
from city.readings import History, history
from city.timestamps import format_time

router = resources(tag="readings")
SERIES: Final = load_sql("center", "series_by_id.sql")
DAY_US: Final = 86_400_000_000
EARLIEST_US: Final = -2_208_988_800_000_000
"""1900-01-01."""

Point = tuple[int, float, float, float, int]


class SeriesReadings(BaseModel):
    """One series' part."""

    series: int
    sector: str
    asset: str
    metric: str
    unit: str
    points: list[Point] = Field(description="[start of the bucket in ms, mean, min, max, number of readings]")


class Readings(BaseModel):
    """Buckets of `step_s` seconds made of raw readings, minutes or hours; a bucket without readings is left out."""

    start: str = Field(alias="from", json_schema_extra={"format": "date-time"})
    end: str = Field(alias="to", json_schema_extra={"format": "date-time"})
    resolution: Literal["raw", "1m", "1h"]
    step_s: float
    series: list[SeriesReadings]


@router.get("/readings", summary="History of series", responses={**answers(Readings), **errors(404, 422, 503)})
async def readings(
    center: CenterOf,
    who: Annotated[Principal, Depends(Permit("readings.read"))],
    series: Annotated[
        list[Annotated[int, Field(ge=1, le=MAX_INT)]],
        Query(min_length=1, max_length=20, description="Ids of series; repeat the parameter for more than one"),
    ],
    since: Annotated[Instant, Query(alias="from", description="RFC 3339; default: a day before `to`")] = None,
    until: Annotated[Instant, Query(alias="to", description="RFC 3339; default: now")] = None,
    points: Annotated[
        int, Query(ge=1, le=2000, description="At most about so many a series; beyond four days made of hours")
    ] = 500,
) -> Response:
    """Readings in `[from, to)`; the answer says which resolution it was made of."""
    now = center.clock.now_us()
    end = min(now + DAY_US, now if until is None else instant(until, "to"))
    start = max(EARLIEST_US, end - DAY_US if since is None else instant(since, "from"))
    ids = sorted(set(series))
    async with center.pool.acquire() as connection:
        rows = await connection.fetch(SERIES, ids)
        known = {row["id"]: row for row in rows if in_view(who, row["sector"], row["zone"], placeless=False)}
        if missing := [one for one in ids if one not in known]:
            raise not_found(f"series {missing[0]}")
        found = await history(connection, ids, start, end, points) if start < end else History("raw", 0, {})
    return json_answer(
        {
            "from": format_time(start),
            "to": format_time(end),
            "resolution": found.level,
            "step_s": found.step_us / 1e6,
            "series": [
                {
                    "series": one,
                    "sector": known[one]["sector"],
                    "asset": known[one]["asset"],
                    "metric": known[one]["metric"],
                    "unit": known[one]["unit"],
                    "points": [(point.time // 1000, *point[1:]) for point in found.points.get(one, [])],
                }
                for one in ids
            ],
        }
    )
