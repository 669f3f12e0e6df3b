"""GET /api/v1/alarm-health: how many alarms people are told of, against ISA-18.2 and EEMUA 191."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from alerts import health
from alerts.alarms import told
from center.api.common import CenterOf, DateTime, Instant, SectorName, ZoneCode, answers, instant, json_answer, view
from center.errors import ApiError, errors
from center.permit import Permit, resources
from city.timestamps import format_time, to_datetime

router = resources(tag="alerts")
MayRead = Annotated[Principal, Depends(Permit("alerts.read"))]
DAY_US: Final = 24 * health.HOUR
LONGEST_US: Final = 31 * DAY_US
OF: Final[dict[str, Callable[[health.Alarm], str]]] = {
    "rule": lambda alarm: alarm.rule,
    "sector": lambda alarm: alarm.sector,
    "team": lambda alarm: alarm.team or "",
}


class Chatter(BaseModel):
    """A cause that was raised three times or more within a minute."""

    rule: str
    group: str
    most: int = Field(description="Within one minute")


class Share(BaseModel):
    """A rule's part of all alarms."""

    rule: str
    alarms: int
    share: float


class Within(BaseModel):
    """Which targets are met."""

    per_hour: bool = Field(description="At most 6")
    per_hour_at_most: bool = Field(description="At most 12")
    peak_10min: bool = Field(description="At most 10")
    flooded: bool = Field(description="Under 1 % of the time")
    chattering: bool = Field(description="None")
    stale: bool = Field(description="Under 5")


class Split(BaseModel):
    """Parts of 1; the target is 0.8, 0.15, 0.05."""

    warning: float
    critical: float
    emergency: float


class Figures(BaseModel):
    """Of a span; rates and peaks per operator position."""

    of: str | None = Field(description="The rule, sector or team (empty: of none); null: all together")
    alarms: int
    per_hour: float
    peak_10min: float
    flooded: float = Field(description="Part of the time; a flood begins above 10 in ten minutes and ends below 5")
    chattering: list[Chatter]
    stale: int = Field(description="Open for more than 24 hours at the span's end")
    split: Split
    top: list[Share] = Field(description="The ten rules with the most alarms")
    within: Within


class AlarmHealth(BaseModel):
    """Alarms that people were told of: without info, and without what was hidden when it was raised."""

    since: DateTime
    until: DateTime
    positions: int
    all: Figures
    by: list[Figures] = Field(description="The most alarms first")


@router.get("/alarm-health", summary="Alarm health", responses={**answers(AlarmHealth), **errors(403, 404, 422, 503)})
async def alarm_health(
    center: CenterOf,
    who: MayRead,
    since: Annotated[Instant, Query(alias="from")] = None,
    until: Annotated[Instant, Query(alias="to")] = None,
    by: Annotated[Literal["rule", "sector", "team"] | None, Query(description="Figures of each, too")] = None,
    positions: Annotated[int, Query(ge=1, le=100, description="Operator positions that share the alarms")] = 1,
    sector: SectorName = None,
    zone: ZoneCode = None,
) -> Response:
    """Of `[from, to)`, at most 31 days; without them of the last 24 hours."""
    wanted = view(center, who, sector, zone)
    end = center.clock.now_us() if until is None else instant(until, "to")
    begin = end - DAY_US if since is None else instant(since, "from")
    if not begin < end <= begin + LONGEST_US:
        raise ApiError(422, "invalid", "to: the span ends after it begins, and within 31 days.")
    alarms = await told(center.pool, to_datetime(begin), to_datetime(end), sectors=wanted.sectors, zones=wanted.zones)
    parts: list[health.Health] = []
    if by is not None:
        parts = await asyncio.to_thread(health.by, alarms, OF[by], begin, end, positions)
    return json_answer(
        {
            "since": format_time(begin),
            "until": format_time(end),
            "positions": positions,
            "all": await asyncio.to_thread(health.measure, alarms, begin, end, positions),
            "by": parts,
        }
    )
