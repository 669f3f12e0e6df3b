"""/api/v1/notes: what people wrote in the log of the room."""

from typing import Annotated, Final, Literal

from fastapi import Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal, require
from center import shiftlog
from center.api.alert_acts import Text
from center.api.common import (
    CenterOf,
    Cursor,
    DateTime,
    Id,
    Limit,
    Strict,
    answers,
    in_view,
    json_answer,
)
from center.errors import ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center

router = resources(tag="shift")
MayRead = Annotated[Principal, Depends(Permit("log.read"))]
MayWrite = Annotated[Principal, Depends(Permit("log.write"))]
About = Literal["city", "alert", "incident", "asset"]
ABOUT: Final = {
    "alert": "SELECT sector, zone FROM alert WHERE id::text = $1",
    "incident": "SELECT sector, zone FROM alert WHERE id = (SELECT first_out FROM incident WHERE id::text = $1)",
    "asset": "SELECT sector, zone FROM asset WHERE id::text = $1",
}
"""Where a thing belongs; an incident where its first alert does."""


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
        if not visible(who, held.sector, held.zone):
            raise shiftlog.Unknown
        await shiftlog.take_down(center.pool, note_id, actor)
    except shiftlog.Unknown as unknown:
        raise not_found(f"note {note_id}") from unknown
    except shiftlog.Over as over:
        raise ApiError(409, over.code, str(over)) from over
    return Response(status_code=204)


async def _belongs(center: Center, who: Principal, body: NewNote) -> tuple[str | None, str | None]:
    """Sector and zone of what a note is about. Raises ApiError 404, 422; Denied."""
    if (body.about == "city") != (body.object is None):
        raise ApiError(422, "invalid", "object: give the id of what the note is about; none for the city.")
    if body.object is None:
        return None, None
    row = await center.pool.fetchrow(ABOUT[body.about], body.object)
    if row is None or not visible(who, row["sector"], row["zone"]):
        raise not_found(f"{body.about} {body.object}")
    require(who, "log.write", sector=row["sector"], zone=row["zone"])
    return row["sector"], row["zone"]


def visible(who: Principal, sector: str | None, zone: str | None) -> bool:
    """What concerns the whole city is for everybody."""
    return sector is None or in_view(who, sector, zone, placeless=True)
