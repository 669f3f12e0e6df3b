"""/api/v1/maintenance: windows in which alerts are suppressed by design, and what one would hide before it is made."""

import uuid
from typing import Annotated, Final

import msgspec
from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Denied, Principal
from alerts import maintenance as store
from alerts.acts import Refused
from center.api.alert_acts import Text, conflict
from center.api.alerts import Alert, Severity
from center.api.common import (
    CenterOf,
    DateTime,
    Sectors,
    Strict,
    Zones,
    answers,
    instant,
    json_answer,
    known_scope,
)
from center.errors import ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center
from city.timestamps import to_datetime

router = resources("/maintenance", tag="alerts")
MayRead = Annotated[Principal, Depends(Permit("alerts.read"))]
MayManage = Annotated[Principal, Depends(Permit("maintenance.manage"))]
LONGEST_US: Final = 366 * 24 * 3_600_000_000
CLOCKS_DIFFER_US: Final = 60_000_000
Rules = Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]], Field(max_length=200)]
When = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]


class ExtentIn(Strict):
    """What a window takes: whatever fits all that is given; something must be given."""

    sectors: Sectors = Field(default_factory=list)
    zones: Zones = Field(default_factory=list)
    rules: Rules = Field(default_factory=list)
    assets: str | None = Field(
        None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$", description="A pattern: PA-*"
    )


class NewWindow(ExtentIn):
    """Where, from when, until when, why."""

    starts_at: When
    until: When
    why: Text


class Window(BaseModel):
    """A maintenance window."""

    id: uuid.UUID
    sectors: list[str] = Field(description="Empty: all")
    zones: list[str] = Field(description="Empty: all")
    rules: list[str] = Field(description="Empty: all")
    assets: str | None = Field(description="Null: all")
    starts_at: DateTime
    until: DateTime
    why: str
    by: str


class Windows(BaseModel):
    """Windows in force or to come, by their beginning."""

    windows: list[Window]


class Before(BaseModel):
    """Alerts of one rule and severity."""

    rule: str
    severity: Severity
    alerts: int


class Preview(BaseModel):
    """What a window would hide."""

    now: list[Alert] = Field(description="Open now; at most 100")
    days: int
    before: list[Before] = Field(description="Raised in the last `days`, the most first")


@router.get("", summary="Maintenance windows", responses={**answers(Windows), **errors(503)})
async def windows(center: CenterOf, who: MayRead) -> Response:
    """Those that touch the scope of who asks."""
    found = [one for one in await store.standing(center.pool) if touches(who, one)]
    return json_answer({"windows": found})


@router.post(
    "/preview", summary="What it would hide", responses={**answers(Preview), **errors(403, 408, 413, 422, 503)}
)
async def preview(center: CenterOf, who: MayManage, body: ExtentIn) -> Response:
    """Now, and in the last seven days."""
    return json_answer(await store.preview(center.pool, await _extent(center, who, body)))


@router.post(
    "",
    status_code=201,
    summary="Announce a window",
    responses={**answers(Window, "Announced", 201), **errors(403, 408, 413, 422, 503)},
)
async def announce(center: CenterOf, who: MayManage, actor: ActorOf, body: NewWindow) -> Response:
    """What it hides comes back by itself when it is over."""
    starts, until, now = instant(body.starts_at, "starts_at"), instant(body.until, "until"), center.clock.now_us()
    if starts < now - CLOCKS_DIFFER_US:
        raise ApiError(422, "invalid", "starts_at: a window begins now or later; what is past stays as it was.")
    if not max(starts, now) < until <= now + LONGEST_US:
        raise ApiError(422, "invalid", "until: a window ends after it begins, later than now, and within a year.")
    extent = await _extent(center, who, body)
    made = await store.announce(center.pool, extent, to_datetime(starts), to_datetime(until), body.why, actor)
    return json_answer(made, 201)


@router.post(
    "/{window_id}/end", status_code=204, summary="End a window early", responses=errors(403, 404, 409, 422, 503)
)
async def end(center: CenterOf, who: MayManage, actor: ActorOf, window_id: uuid.UUID) -> Response:
    """Before its time, or before it has begun."""
    try:
        held = await store.one(center.pool, window_id)
        if not touches(who, held):
            raise store.UnknownWindow
        _within(who, held.sectors, held.zones)
        await store.end(center.pool, window_id, actor)
    except store.UnknownWindow as unknown:
        raise not_found(f"maintenance window {window_id}") from unknown
    except Refused as refused:
        raise conflict(refused) from refused
    return Response(status_code=204)


async def _extent(center: Center, who: Principal, body: ExtentIn) -> store.Extent:
    """Raises ApiError 422 for an extent without bounds or with what there is not; Denied."""
    every_asset = body.assets is not None and not body.assets.replace("*", "").strip()
    if not (body.sectors or body.zones or body.rules) and (body.assets is None or every_asset):
        raise ApiError(422, "unbounded", "Give sectors, zones, rules or assets; a whole city is never in maintenance.")
    known_scope(center, body.sectors, body.zones)
    _within(who, body.sectors, body.zones)
    for rule in await store.unknown_rules(center.pool, body.rules):
        raise ApiError(422, "unknown_rule", f"No rule is called {rule!r}; `citywatch rules list` shows those in force.")
    return msgspec.convert(body.model_dump(include={"sectors", "zones", "rules", "assets"}), store.Extent)


def _within(who: Principal, sectors: list[str], zones: list[str]) -> None:
    """Whoever has only some sectors or zones names theirs. Raises Denied."""
    for scope, asked, what in ((who.sectors, sectors, "sectors"), (who.zones, zones, "zones")):
        if scope and not (asked and scope.issuperset(asked)):
            raise Denied("out_of_scope", f"Name {what}, and only yours.")


def touches(who: Principal, window: store.Window) -> bool:
    """Whether a window may hide something in the scope of who asks."""
    return all(
        not scope or not named or not scope.isdisjoint(named)
        for scope, named in ((who.sectors, window.sectors), (who.zones, window.zones))
    )
