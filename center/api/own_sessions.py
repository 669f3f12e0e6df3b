"""/api/v1/session/all: where one is signed in, and how to sign out there."""

import uuid
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from access import sessions
from access.policy import Principal
from center.api.common import CenterOf, DateTime, answers, json_answer
from center.api.session import OWN, person
from center.errors import errors
from center.permit import CallerOf, resources

router = resources("/session/all", tag="session")


class OwnSessionOut(BaseModel):
    """One of one's sessions."""

    id: uuid.UUID
    created_at: DateTime
    seen_at: DateTime
    expires_at: DateTime
    address: str | None
    agent: str | None
    current: bool


class OwnSessions(BaseModel):
    """All of one's sessions, the one last seen first."""

    sessions: list[OwnSessionOut]


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int


@router.get("", summary="One's sessions", dependencies=OWN, responses={**answers(OwnSessions), **errors(409, 503)})
async def own_sessions(center: CenterOf, caller: CallerOf) -> Response:
    """Where one is signed in."""
    who = person(caller)
    found = await sessions.of_account(center.pool, uuid.UUID(who.id), center.sign_in.idle)
    return json_answer({"sessions": [_session(one, who) for one in found]})


@router.delete("", summary="Sign out elsewhere", dependencies=OWN, responses={**answers(Ended), **errors(409, 503)})
async def end_others(center: CenterOf, caller: CallerOf) -> Response:
    """Ends every other session of the account."""
    ended = await sessions.end_others(center.pool, person(caller), caller.address)
    center.directory.hint()
    return json_answer({"ended": ended})


@router.delete(
    "/{session_id}",
    status_code=204,
    summary="Sign out one session",
    dependencies=OWN,
    responses=errors(404, 409, 422, 503),
)
async def end_one(center: CenterOf, caller: CallerOf, session_id: uuid.UUID) -> Response:
    """Ends one of one's sessions, as the list names it; its WebSockets close at once."""
    await sessions.end_one(center.pool, caller.actor, uuid.UUID(person(caller).id), session_id)
    center.directory.hint()
    return Response(status_code=204)


def _session(one: sessions.OwnSession, who: Principal) -> dict[str, Any]:
    return {
        "id": one.id,
        "created_at": one.created_at,
        "seen_at": one.seen_at,
        "expires_at": one.expires_at,
        "address": one.address,
        "agent": one.agent,
        "current": one.id == who.session,
    }
