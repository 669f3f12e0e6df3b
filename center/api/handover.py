"""/api/v1/handover: what whoever comes must know."""

from typing import Annotated, Final

import msgspec
from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal
from alerts import maintenance, shelving, store
from center import shiftlog
from center import stage as stages
from center.api.alerts import Alert
from center.api.common import (
    CenterOf,
    DateTime,
    answers,
    json_answer,
)
from center.api.incidents import Incident, open_incidents
from center.api.maintenance import Window, touches
from center.api.notes import Note, visible
from center.api.shelves import Shelf
from center.api.shifts import Shift
from center.book import read_head
from center.errors import errors
from center.permit import Permit, resources
from city.timestamps import format_time

router = resources(tag="shift")
MayRead = Annotated[Principal, Depends(Permit("log.read"))]
PINNED: Final = 500


class Handover(BaseModel):
    """What whoever comes must know, within the scope of who asks."""

    at: DateTime
    stage: int
    stage_since: DateTime | None
    on: list[Shift]
    unacknowledged: list[Alert] = Field(description="Nobody has seen them, lasting or over; the oldest first")
    acknowledged: list[Alert] = Field(description="Seen and lasting")
    hidden: list[Alert] = Field(description="Lasting, but shelved, suppressed or out of service")
    shelves: list[Shelf]
    maintenance: list[Window] = Field(description="In force or to come")
    incidents: list[Incident] = Field(description="Open")
    notes: list[Note] = Field(description="Pinned")


@router.get("/handover", summary="The handover", responses={**answers(Handover), **errors(503)})
async def handover(center: CenterOf, who: MayRead) -> Response:
    """As things stand at this moment."""
    steps = await stages.steps(center.pool)
    mine = [(head, body) for body in await store.shown_alerts(center.pool) for head in (read_head(body.encode()),)]
    shown = [(head.state, msgspec.Raw(body.encode())) for head, body in mine if visible(who, head.sector, head.zone)]
    sectors, zones = sorted(who.sectors) or None, sorted(who.zones) or None
    return json_answer(
        {
            "at": format_time(center.clock.now_us()),
            "stage": steps[0].level if steps else 1,
            "stage_since": steps[0].at if steps else None,
            "on": await shiftlog.on(center.pool),
            "unacknowledged": [body for state, body in shown if state.endswith("unacknowledged")],
            "acknowledged": [body for state, body in shown if state == "acknowledged"],
            "hidden": [body for state, body in shown if state in ("shelved", "suppressed", "out_of_service")],
            "shelves": [one for one in await shelving.in_force(center.pool) if visible(who, one.sector, one.zone)],
            "maintenance": [one for one in await maintenance.standing(center.pool) if touches(who, one)],
            "incidents": await open_incidents(center.pool, sectors, zones),
            "notes": await shiftlog.notes(center.pool, pinned=True, sectors=sectors, zones=zones, limit=PINNED),
        }
    )
