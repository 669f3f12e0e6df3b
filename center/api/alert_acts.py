"""POST /api/v1/alerts/{id}/…: what people do to an alert. Whoever was faster is named to whoever was not."""

import uuid
from typing import Annotated

import msgspec
from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access.policy import Principal, allows, require
from alerts import acts
from alerts.acts import Deed
from alerts.lifecycle import IllegalAct
from center.api.alerts import Alert, alert_seen_by
from center.api.common import MAX_EXACT, WHOLE, CenterOf, Name, Strict, answers, json_answer
from center.book import AlertHead, read_head
from center.errors import ApiError, errors, not_found
from center.permit import ActorOf, Permit, resources
from center.service import Center
from city.actor import Actor

router = resources("/alerts", tag="alerts")
MayAct = Annotated[Principal, Depends(Permit("alerts.act"))]
MayAssign = Annotated[Principal, Depends(Permit("alerts.assign"))]
ANSWERS = {**answers(Alert), **errors(403, 404, 408, 409, 413, 422, 503)}

Seq = Annotated[
    int, Field(ge=1, le=MAX_EXACT, description="`seq` of the alert as it was seen; 409 if it has moved on"), WHOLE
]
Text = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"^[^\x00]*[^\x00-\x20\x7f][^\x00]*$")]


class Seen(Strict):
    """What whoever acts has seen. Without `seq` the act is done however the alert stands by now."""

    seq: Seq | None = None


class SeenNow(Strict):
    """What whoever acts has seen."""

    seq: Seq


class Silence(Seen):
    """Where the sound is silenced."""

    position: Name = Field(description="The operator position, as the consoles and walls there are called")


class Assignment(SeenNow):
    """To whom."""

    to: Name = Field(description="A name of `assignees`")


class Comment(Seen):
    """What there is to say."""

    text: Text


class Assignees(BaseModel):
    """Who may be given the alert."""

    people: list[str]


@router.post("/{alert_id}/silence", summary="Silence its sound at one position", responses=ANSWERS)
async def silence(center: CenterOf, who: MayAct, actor: ActorOf, alert_id: uuid.UUID, body: Silence) -> Response:
    """The alert stands as it stood, and sounds again if it gets worse."""
    return await _act(center, who, actor, alert_id, "silenced", body.seq, {"position": body.position})


@router.post("/{alert_id}/acknowledge", summary="Acknowledge: it was seen", responses=ANSWERS)
async def acknowledge(
    center: CenterOf, who: MayAct, actor: ActorOf, alert_id: uuid.UUID, body: Seen | None = None
) -> Response:
    """Says that the person who is signed in has seen the alert."""
    return await _act(center, who, actor, alert_id, "acknowledged", None if body is None else body.seq)


@router.post("/{alert_id}/accept", summary="Accept: I own it", responses=ANSWERS)
async def accept(center: CenterOf, who: MayAct, actor: ActorOf, alert_id: uuid.UUID, body: SeenNow) -> Response:
    """Whoever accepts an alert owns it, and has seen it."""
    return await _act(center, who, actor, alert_id, "accepted", body.seq)


@router.post("/{alert_id}/release", summary="Release: I own it no more", responses=ANSWERS)
async def release(center: CenterOf, who: MayAct, actor: ActorOf, alert_id: uuid.UUID, body: SeenNow) -> Response:
    """One's own; what another owns only by whoever may assign it."""
    return await _act(center, who, actor, alert_id, "released", body.seq)


@router.post("/{alert_id}/assign", summary="Assign it to somebody", responses=ANSWERS)
async def assign(center: CenterOf, who: MayAssign, actor: ActorOf, alert_id: uuid.UUID, body: Assignment) -> Response:
    """It is theirs from now on; that they know of it they say by accepting it."""
    return await _act(center, who, actor, alert_id, "assigned", body.seq, {"to": body.to}, permission="alerts.assign")


@router.post("/{alert_id}/comment", summary="Comment on it", responses=ANSWERS)
async def comment(center: CenterOf, who: MayAct, actor: ActorOf, alert_id: uuid.UUID, body: Comment) -> Response:
    """In its history, also when it is over."""
    return await _act(center, who, actor, alert_id, "commented", body.seq, {"text": body.text})


@router.get(
    "/{alert_id}/assignees", summary="Who may be given it", responses={**answers(Assignees), **errors(404, 422, 503)}
)
async def assignees(center: CenterOf, who: MayAssign, alert_id: uuid.UUID) -> Response:
    """People who may act on the alert."""
    head = await may(center, who, "alerts.assign", alert_id)
    return json_answer({"people": await acts.assignees(center.pool, head.sector, head.zone)})


async def may(center: Center, who: Principal, permission: str, alert_id: uuid.UUID) -> AlertHead:
    """The alert's head, if they have the permission there. Raises ApiError 404, Denied."""
    head = read_head(await alert_seen_by(center, who, alert_id))
    require(who, permission, sector=head.sector, zone=head.zone)
    return head


def conflict(error: IllegalAct | acts.Refused) -> ApiError:
    """409 with the reason as a sentence."""
    told = str(error)
    return ApiError(409, error.code, f"T{told[1:]}." if isinstance(error, IllegalAct) else told)


async def _act(
    center: Center,
    who: Principal,
    actor: Actor,
    alert_id: uuid.UUID,
    deed: Deed,
    seen: int | None,
    detail: dict[str, str] | None = None,
    *,
    permission: str = "alerts.act",
) -> Response:
    head = await may(center, who, permission, alert_id)
    any_owner = allows(who, "alerts.assign", sector=head.sector, zone=head.zone)
    try:
        done = await acts.act(center.pool, alert_id, deed, actor, seen=seen, detail=detail, any_owner=any_owner)
    except acts.UnknownAlert as unknown:
        raise not_found(f"alert {alert_id}") from unknown
    except (IllegalAct, acts.Refused) as refused:
        raise conflict(refused) from refused
    return json_answer(msgspec.Raw(done.body.encode()))
