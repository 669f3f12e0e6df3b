"""/api/v1/shifts, /api/v1/notes and /api/v1/handover: who is at work, what they wrote, and what they hand over."""

import uuid
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal, require
from alerts import maintenance, shelving, store
from center import shiftlog
from center import stage as stages
from center.api.alert_acts import Text
from center.api.alerts import Alert
from center.api.common import (
    CenterOf,
    Cursor,
    DateTime,
    Id,
    Instant,
    Limit,
    Name,
    Strict,
    answers,
    in_view,
    instant,
    json_answer,
)
from center.api.incidents import Incident, open_incidents
from center.api.maintenance import Window, touches
from center.api.shelves import Shelf
from center.book import read_head
from center.errors import ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center
from city.timestamps import format_time, to_datetime

router = resources(tag="shift")
MayRead = Annotated[Principal, Depends(Permit("log.read"))]
MayWrite = Annotated[Principal, Depends(Permit("log.write"))]
DAY_US: Final = 24 * 3_600_000_000
PINNED: Final = 500
About = Literal["city", "alert", "incident", "asset"]
ABOUT: Final = {
    "alert": "SELECT sector, zone FROM alert WHERE id::text = $1",
    "incident": "SELECT sector, zone FROM alert WHERE id = (SELECT first_out FROM incident WHERE id::text = $1)",
    "asset": "SELECT sector, zone FROM asset WHERE id::text = $1",
}
"""Where a thing belongs; an incident where its first alert does."""


class Shift(BaseModel):
    """One person at one position."""

    id: uuid.UUID
    position: str
    person: str
    began_at: DateTime
    ended_at: DateTime | None


class Shifts(BaseModel):
    """The newest first."""

    shifts: list[Shift]


class SignOn(Strict):
    """Where."""

    position: Name


class NewNote(Strict):
    """What, about what."""

    about: About = "city"
    object: str | None = Field(None, pattern=r"^[0-9a-f-]{1,36}$", description="Its id; none for the city")
    text: Text
    pinned: bool = True


class Note(BaseModel):
    """What somebody wrote."""

    id: int
    at: DateTime
    by: str
    about: About
    object: str | None
    sector: str | None = Field(description="Of what it is about")
    zone: str | None
    text: str
    pinned: bool = Field(description="It is handed over until somebody takes it down")
    taken_at: DateTime | None
    taken_by: str | None


class Notes(BaseModel):
    """A page of notes, newest first."""

    notes: list[Note]
    next: int | None = Field(description="Cursor of the next page; null on the last")


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


@router.get("/shifts", summary="Who was at work", responses={**answers(Shifts), **errors(422, 503)})
async def shifts(
    center: CenterOf,
    who: MayRead,
    since: Annotated[Instant, Query(alias="from")] = None,
    until: Annotated[Instant, Query(alias="to")] = None,
    limit: Limit = 100,
) -> Response:
    """At any time of `[from, to)`; without them in the last 24 hours."""
    end = center.clock.now_us() if until is None else instant(until, "to")
    begin = end - DAY_US if since is None else instant(since, "from")
    found = await shiftlog.were_on(center.pool, to_datetime(begin), to_datetime(end), limit)
    return json_answer({"shifts": found})


@router.post(
    "/shifts",
    status_code=201,
    summary="Sign on at a position",
    responses={**answers(Shift, "Signed on", 201), **errors(403, 408, 413, 422, 503)},
)
async def sign_on(center: CenterOf, who: MayWrite, actor: ActorOf, body: SignOn) -> Response:
    """Whoever was there is signed off."""
    return json_answer(await shiftlog.begin(center.pool, body.position, actor), 201)


@router.post("/shifts/{shift_id}/end", status_code=204, summary="Sign off", responses=errors(403, 404, 409, 422, 503))
async def sign_off(center: CenterOf, who: MayWrite, actor: ActorOf, shift_id: uuid.UUID) -> Response:
    """Oneself, or somebody who has forgotten to."""
    try:
        await shiftlog.end(center.pool, shift_id, actor)
    except shiftlog.Unknown as unknown:
        raise not_found(f"shift {shift_id}") from unknown
    except shiftlog.Over as over:
        raise ApiError(409, over.code, str(over)) from over
    return Response(status_code=204)


@router.get("/notes", summary="Notes", responses={**answers(Notes), **errors(422, 503)})
async def notes(
    center: CenterOf,
    who: MayRead,
    pinned: bool = False,
    about: About | None = None,
    object_: Annotated[str | None, Query(alias="object", pattern=r"^[0-9a-f-]{1,36}$")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """About the whole city, and within the scope of who asks."""
    found = await shiftlog.notes(
        center.pool,
        before=cursor,
        pinned=pinned,
        about=about,
        object_=object_,
        sectors=sorted(who.sectors) or None,
        zones=sorted(who.zones) or None,
        limit=limit + 1,
    )
    page = found[:limit]
    return json_answer({"notes": page, "next": page[-1].id if len(found) > limit else None})


@router.post(
    "/notes",
    status_code=201,
    summary="Write a note",
    responses={**answers(Note, "Written", 201), **errors(403, 404, 408, 413, 422, 503)},
)
async def write(center: CenterOf, who: MayWrite, actor: ActorOf, body: NewNote) -> Response:
    """It is never changed; a pinned one is handed over until it is taken down."""
    sector, zone = await _belongs(center, who, body)
    note = shiftlog.NewNote(body.about, body.object, sector, zone, body.text, body.pinned)
    return json_answer(await shiftlog.write(center.pool, note, actor), 201)


@router.post(
    "/notes/{note_id}/take-down", status_code=204, summary="Take a note down", responses=errors(403, 404, 409, 422, 503)
)
async def take_down(center: CenterOf, who: MayWrite, actor: ActorOf, note_id: Id) -> Response:
    """It stays in the log."""
    try:
        held = await shiftlog.note(center.pool, note_id)
        if not _visible(who, held.sector, held.zone):
            raise shiftlog.Unknown
        await shiftlog.take_down(center.pool, note_id, actor)
    except shiftlog.Unknown as unknown:
        raise not_found(f"note {note_id}") from unknown
    except shiftlog.Over as over:
        raise ApiError(409, over.code, str(over)) from over
    return Response(status_code=204)


@router.get("/handover", summary="The handover", responses={**answers(Handover), **errors(503)})
async def handover(center: CenterOf, who: MayRead) -> Response:
    """As things stand at this moment."""
    steps = await stages.steps(center.pool)
    mine = [(head, body) for body in await store.shown_alerts(center.pool) for head in (read_head(body.encode()),)]
    shown = [(head.state, msgspec.Raw(body.encode())) for head, body in mine if _visible(who, head.sector, head.zone)]
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
            "shelves": [one for one in await shelving.in_force(center.pool) if _visible(who, one.sector, one.zone)],
            "maintenance": [one for one in await maintenance.standing(center.pool) if touches(who, one)],
            "incidents": await open_incidents(center.pool, sectors, zones),
            "notes": await shiftlog.notes(center.pool, pinned=True, sectors=sectors, zones=zones, limit=PINNED),
        }
    )


async def _belongs(center: Center, who: Principal, body: NewNote) -> tuple[str | None, str | None]:
    """Sector and zone of what a note is about. Raises ApiError 404, 422; Denied."""
    if (body.about == "city") != (body.object is None):
        raise ApiError(422, "invalid", "object: give the id of what the note is about; none for the city.")
    if body.object is None:
        return None, None
    row: Any = await center.pool.fetchrow(ABOUT[body.about], body.object)
    if row is None or not _visible(who, row["sector"], row["zone"]):
        raise not_found(f"{body.about} {body.object}")
    require(who, "log.write", sector=row["sector"], zone=row["zone"])
    return row["sector"], row["zone"]


def _visible(who: Principal, sector: str | None, zone: str | None) -> bool:
    """What concerns the whole city is for everybody."""
    return sector is None or in_view(who, sector, zone, placeless=True)
