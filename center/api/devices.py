"""/api/v1/devices: screens. A wall shows a code that a person confirms, or comes with a link; it may only read."""

import uuid
from datetime import timedelta
from typing import Annotated, Final, Literal

from fastapi import Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from access import devices as store
from access import pairing as pairings
from access.devices import DeviceError
from access.policy import Principal
from center import limiting
from center.api.common import CenterOf, DateTime, Name, Sectors, Strict, Zones, answers, json_answer, known_scope
from center.errors import errors
from center.limiting import bucket
from center.permit import ActorOf, CallerOf, Permit, resources
from center.sign_in import credentials, need_private
from city import metrics

router = resources("/devices", tag="access")
OPEN: Final = [Depends(Permit("public"))]
READ: Final = [Depends(Permit("devices.read"))]
REVOKE: Final = [Depends(Permit("devices.revoke"))]
MayPair = Annotated[Principal, Depends(Permit("devices.pair"))]


class DeviceOut(BaseModel):
    """A paired screen."""

    id: uuid.UUID
    name: str
    sectors: list[str] = Field(description="Empty: all")
    zones: list[str] = Field(description="Empty: all")
    paired_at: DateTime
    paired_by: str
    expires_at: DateTime
    revoked_at: DateTime | None
    seen_at: DateTime | None
    address: str | None


class LinkOut(BaseModel):
    """A link that still pairs screens."""

    id: uuid.UUID
    name: str
    sectors: list[str]
    zones: list[str]
    uses_left: int
    made_by: str
    expires_at: DateTime


class Devices(BaseModel):
    """Every screen, those in force first, and the links that still pair some."""

    devices: list[DeviceOut]
    links: list[LinkOut]


class PairingOut(BaseModel):
    """What a wall shows, and what it asks with."""

    code: str = Field(description="For a person to type in the console: XXXX-XXXX")
    secret: str
    expires_in_s: int


class Poll(Strict):
    """What the pairing began with."""

    secret: str = Field(min_length=1, max_length=100)


class Paired(BaseModel):
    """Whether the screen has its cookie now."""

    state: Literal["waiting", "paired"]


class NewDevice(Strict):
    """A screen that somebody vouches for."""

    code: str = Field(min_length=1, max_length=20, description="What the screen shows")
    name: Name
    sectors: Sectors = Field(default_factory=list)
    zones: Zones = Field(default_factory=list)


class Claim(Strict):
    """What stands behind `#link=` in the address."""

    link: str = Field(min_length=1, max_length=100)


class NewLink(Strict):
    """A link that pairs whoever opens it."""

    name: Name = Field(description="What the screens will be called")
    uses: int = Field(1, ge=1, le=1000, description="So many screens")
    hours: float = Field(24, ge=0.1, le=24 * 30, allow_inf_nan=False, description="It ends after so many hours")
    sectors: Sectors = Field(default_factory=list)
    zones: Zones = Field(default_factory=list)


class LinkMade(BaseModel):
    """A link's secret, which is shown once."""

    link: str = Field(description="To be opened as `/wall#link=…`")


@router.get("", summary="Screens", dependencies=READ, responses={**answers(Devices), **errors(503)})
async def devices(center: CenterOf) -> Response:
    """Paired screens."""
    return json_answer({"devices": await store.listed(center.pool), "links": await store.links(center.pool)})


@router.post(
    "/pairing",
    status_code=201,
    summary="Begin a pairing",
    dependencies=OPEN,
    responses={**answers(PairingOut, "Begun", 201), **errors(403, 429, 503)},
)
async def pairing(center: CenterOf, request: Request, caller: CallerOf) -> Response:
    """For a wall without access: it shows the code and polls."""
    need_private(request)
    center.limiter.take(limiting.PAIRING, "pairing from", bucket(caller.address))
    return json_answer(await pairings.begin(center.pool, caller.address), 201)


@router.post(
    "/pairing/poll",
    summary="Ask whether it was confirmed",
    dependencies=OPEN,
    responses={**answers(Paired), **errors(403, 408, 410, 413, 422, 429, 503)},
)
async def poll(center: CenterOf, request: Request, caller: CallerOf, body: Poll) -> Response:
    """Once it was, the answer sets the screen's cookie."""
    need_private(request)
    center.limiter.take(limiting.POLL, "poll from", bucket(caller.address))
    token = await pairings.poll(center.pool, body.secret)
    if token is None:
        return json_answer({"state": "waiting"})
    metrics.SIGN_INS.labels("pairing", "done").inc()
    return _paired(center, request, token)


@router.post(
    "/claim",
    summary="Come with a link",
    dependencies=OPEN,
    responses={**answers(Paired), **errors(403, 408, 410, 413, 422, 429, 503)},
)
async def claim(center: CenterOf, request: Request, caller: CallerOf, body: Claim) -> Response:
    """The answer sets the screen's cookie. A browser that is a screen already stays that one, renewed by the link."""
    need_private(request)
    center.limiter.take(limiting.CLAIM, "claim from", bucket(caller.address))
    present = next((one.secret for one in credentials(request) if one.kind == "device"), None)
    try:
        token = await store.claim(center.pool, body.link, caller.address, present)
    except DeviceError:
        metrics.SIGN_INS.labels("link", "refused").inc()
        raise
    metrics.SIGN_INS.labels("link", "done").inc()
    return _paired(center, request, token)


@router.post(
    "",
    status_code=201,
    summary="Confirm a screen",
    responses={**answers(DeviceOut, "Paired", 201), **errors(404, 408, 413, 422, 429, 503)},
)
async def confirm(center: CenterOf, who: MayPair, caller: CallerOf, body: NewDevice) -> Response:
    """Lets the screen that shows this code look, within the scope of who confirms it."""
    center.limiter.take(limiting.CONFIRM, "confirm by", who.id)
    known_scope(center, body.sectors, body.zones)
    device = await pairings.confirm(center.pool, who, caller.address, body.code, body.name, body.sectors, body.zones)
    return json_answer(device, 201)


@router.post(
    "/links",
    status_code=201,
    summary="Make a link",
    responses={**answers(LinkMade, "Made", 201), **errors(408, 413, 422, 429, 503)},
)
async def link(center: CenterOf, who: MayPair, caller: CallerOf, body: NewLink) -> Response:
    """Whoever opens the wall with it is paired, within the scope of who makes it; its secret is shown once."""
    center.limiter.take(limiting.CONFIRM, "link by", who.id)
    known_scope(center, body.sectors, body.zones)
    secret = await store.link(
        center.pool,
        who,
        caller.address,
        body.name,
        uses=body.uses,
        lasts=timedelta(hours=body.hours),
        sectors=body.sectors,
        zones=body.zones,
    )
    return json_answer({"link": secret}, 201)


@router.delete(
    "/{device_id}",
    status_code=204,
    summary="Revoke a screen, or a link",
    dependencies=REVOKE,
    responses=errors(404, 422, 503),
)
async def revoke(center: CenterOf, actor: ActorOf, device_id: uuid.UUID) -> Response:
    """It goes dark within a second."""
    await store.revoke(center.pool, actor, device_id)
    center.directory.hint()
    return Response(status_code=204)


def _paired(center: CenterOf, request: Request, token: str) -> Response:
    answer = json_answer({"state": "paired"})
    center.sign_in.keep_device(answer, request, token)
    return answer
