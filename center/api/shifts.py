"""/api/v1/shifts: who is and was at work, at which position."""

import uuid
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import BaseModel
from starlette.responses import Response

from access.policy import Principal
from center import shiftlog
from center.api.common import (
    CenterOf,
    DateTime,
    Instant,
    Limit,
    Name,
    Strict,
    answers,
    instant,
    json_answer,
)
from center.errors import ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from city.timestamps import to_datetime

router = resources(tag="shift")
MayRead = Annotated[Principal, Depends(Permit("log.read"))]
MayWrite = Annotated[Principal, Depends(Permit("log.write"))]
DAY_US: Final = 24 * 3_600_000_000


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
