"""Shelving, and taking out of service: POST on an alert; GET /api/v1/shelves for what is hidden; POST its end."""

import uuid
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Denied, Principal, require
from alerts import shelving
from alerts.acts import Refused, UnknownAlert
from alerts.lifecycle import IllegalAct
from center.api.alert_acts import ANSWERS, SeenNow, Text, conflict, may
from center.api.common import CenterOf, DateTime, answers, in_view, instant, json_answer
from center.errors import ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center
from city.actor import Actor
from city.timestamps import to_datetime

router = resources(tag="alerts")
MayRead = Annotated[Principal, Depends(Permit("alerts.read"))]
MayShelve = Annotated[Principal, Depends(Permit("alerts.shelve"))]
MayWithhold = Annotated[Principal, Depends(Permit("alerts.withhold"))]

OPERATORS_US: Final = 8 * 3_600_000_000
LONGEST_US: Final = 31 * 24 * 3_600_000_000
Extent = Annotated[
    Literal["alert", "cause", "rule"],
    Field(description="This alert; whatever its rule raises for the same group; whatever its rule raises"),
]


class Shelving(SeenNow):
    """For how long, and why."""

    scope: Extent = "cause"
    until: str = Field(
        max_length=64,
        json_schema_extra={"format": "date-time"},
        description="At most eight hours from now; for who may shelve for longer, 31 days",
    )
    why: Text


class TakingOut(SeenNow):
    """Why nothing of it is to be heard until somebody brings it back."""

    scope: Literal["cause", "rule"] = "cause"
    why: Text


class Shelf(BaseModel):
    """What is hidden by hand."""

    id: uuid.UUID
    kind: Literal["shelved", "out_of_service"]
    sector: str
    rule: str
    group: str | None = Field(description="Null: whatever the rule raises")
    alert: uuid.UUID | None = Field(description="If it is this alert alone")
    zone: str | None
    why: str
    by: str
    since: DateTime
    until: DateTime | None = Field(description="Null: until somebody ends it")


class Shelves(BaseModel):
    """Everything that is hidden by hand now, the newest first."""

    shelves: list[Shelf]


@router.post("/alerts/{alert_id}/shelve", summary="Shelve it until a time", responses=ANSWERS)
async def shelve(center: CenterOf, who: MayShelve, actor: ActorOf, alert_id: uuid.UUID, body: Shelving) -> Response:
    """Hides it, also when it is raised again; it comes back by itself as what it is by then."""
    await may(center, who, "alerts.shelve", alert_id)
    until, now = instant(body.until, "until"), center.clock.now_us()
    if not now < until <= now + LONGEST_US:
        raise ApiError(422, "invalid", "until: a shelf ends later than now, and within 31 days.")
    longer = until > now + OPERATORS_US
    return await _hide(center, who, actor, alert_id, body, "shelved", to_datetime(until), longer=longer)


@router.post("/alerts/{alert_id}/out-of-service", summary="Take it out of service", responses=ANSWERS)
async def out_of_service(
    center: CenterOf, who: MayWithhold, actor: ActorOf, alert_id: uuid.UUID, body: TakingOut
) -> Response:
    """Hides it until somebody brings it back."""
    return await _hide(center, who, actor, alert_id, body, "out_of_service", None, longer=True)


@router.get("/shelves", summary="What is shelved or out of service", responses={**answers(Shelves), **errors(503)})
async def shelves(center: CenterOf, who: MayRead) -> Response:
    """Within the scope of who asks."""
    found = await shelving.in_force(center.pool)
    return json_answer({"shelves": [one for one in found if in_view(who, one.sector, one.zone, placeless=True)]})


@router.post(
    "/shelves/{shelf_id}/end",
    status_code=204,
    summary="End a shelf, or bring back into service",
    responses=errors(403, 404, 409, 422, 503),
)
async def end(center: CenterOf, who: MayShelve, actor: ActorOf, shelf_id: uuid.UUID) -> Response:
    """What it hid is shown again as what it is by now."""
    try:
        held = await shelving.one(center.pool, shelf_id)
        if not in_view(who, held.sector, held.zone, placeless=True):
            raise shelving.UnknownShelf
        name = "alerts.withhold" if held.kind == "out_of_service" else "alerts.shelve"
        require(who, name, sector=held.sector, zone=held.zone)
        _whole_rule(who, held.group is None)
        await shelving.end(center.pool, shelf_id, actor)
    except shelving.UnknownShelf as unknown:
        raise not_found(f"shelf {shelf_id}") from unknown
    except Refused as refused:
        raise conflict(refused) from refused
    return Response(status_code=204)


async def _hide(
    center: Center,
    who: Principal,
    actor: Actor,
    alert_id: uuid.UUID,
    body: Shelving | TakingOut,
    kind: shelving.Kind,
    until: datetime | None,
    *,
    longer: bool,
) -> Response:
    await may(center, who, "alerts.withhold" if longer else "alerts.shelve", alert_id)
    _whole_rule(who, body.scope == "rule")
    try:
        done = await shelving.put(center.pool, alert_id, kind, body.scope, until, body.why, actor, seen=body.seq)
    except UnknownAlert as unknown:
        raise not_found(f"alert {alert_id}") from unknown
    except (IllegalAct, Refused) as refused:
        raise conflict(refused) from refused
    return json_answer(msgspec.Raw(done.body.encode()))


def _whole_rule(who: Principal, whole: bool) -> None:
    """A rule watches every zone. Raises Denied."""
    if whole and who.zones:
        raise Denied("out_of_scope", "A whole rule is for who has all zones.")
