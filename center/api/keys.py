"""/api/v1/keys: keys of sector systems. A key's text is in the answer that makes it and nowhere else."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from fastapi import Depends, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from access import audit
from access import keys as store
from access.policy import Grant
from center.api.common import (
    PLAIN,
    CenterOf,
    DateTime,
    Name,
    Sectors,
    Strict,
    answers,
    instant,
    json_answer,
    known_scope,
)
from center.errors import ApiError, errors
from center.permit import ActorOf, Permit, resources
from city.timestamps import to_datetime

router = resources("/keys", tag="access")
READ: Final = [Depends(Permit("keys.read"))]
MANAGE: Final = [Depends(Permit("keys.manage"))]

KeyId = Annotated[str, Path(pattern=r"^[0-9a-f]{1,32}$")]


class KeyOut(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    sectors: list[str] = Field(description="Empty: all")
    grants: list[Literal["publish", "read"]]
    created_at: DateTime
    expires_at: DateTime | None
    revoked_at: DateTime | None
    last_used_at: DateTime | None = Field(description="To the minute")
    previous_until: DateTime | None = Field(description="Until when the secret before the last rotation holds")


class Keys(BaseModel):
    """Every key, those in force first."""

    keys: list[KeyOut]


class NewKey(Strict):
    """A key to be made."""

    name: Name
    sectors: Sectors = Field([], description="Empty: all; a key that publishes names its sectors")
    grants: list[Grant] = Field(min_length=1, max_length=2)
    expires_at: str | None = Field(
        None, json_schema_extra={"format": "date-time"}, pattern=PLAIN, max_length=64, description="RFC 3339"
    )


class Rotation(Strict):
    """How long the old secret goes on."""

    overlap_hours: float = Field(24, ge=0, le=24 * 90, allow_inf_nan=False)


class Shown(BaseModel):
    """A key and its text, which is shown once."""

    key: KeyOut
    secret: str = Field(description="To be sent as `Authorization: Bearer cwk_…`")


@router.get("", summary="Keys", dependencies=READ, responses={**answers(Keys), **errors(503)})
async def keys(center: CenterOf, actor: ActorOf) -> Response:
    """Reading them stands in the audit trail."""
    found = await store.listed(center.pool)
    async with center.pool.acquire() as connection:
        await audit.append(connection, actor, "keys.read", "keys")
    return json_answer({"keys": found})


@router.post(
    "",
    status_code=201,
    summary="New key",
    dependencies=MANAGE,
    responses={**answers(Shown, "Made", 201), **errors(408, 413, 422, 503)},
)
async def create(center: CenterOf, actor: ActorOf, body: NewKey) -> Response:
    """For one sector system."""
    known_scope(center, body.sectors, ())
    if "publish" in body.grants and not body.sectors:
        raise ApiError(422, "no_sectors", "sectors: a key that publishes names the sectors that it publishes for.")
    expires_us = None if body.expires_at is None else instant(body.expires_at, "expires_at")
    if expires_us is not None and expires_us <= center.clock.now_us():
        raise ApiError(422, "past", "expires_at lies in the past.")
    expires_at = None if expires_us is None else to_datetime(expires_us)
    shown = await store.create(
        center.pool, actor, body.name, set(body.sectors), set(body.grants), expires_at=expires_at
    )
    return json_answer({"key": shown.key, "secret": shown.text}, 201)


@router.post(
    "/{key_id}/rotate",
    summary="Rotate a key",
    dependencies=MANAGE,
    responses={**answers(Shown), **errors(404, 408, 409, 413, 422, 503)},
)
async def rotate(center: CenterOf, actor: ActorOf, key_id: KeyId, body: Rotation) -> Response:
    """A new secret; the old one holds for a while, so that a system can change over without a gap."""
    shown = await store.rotate(center.pool, actor, key_id, timedelta(hours=body.overlap_hours))
    center.directory.hint()
    return json_answer({"key": shown.key, "secret": shown.text})


@router.delete(
    "/{key_id}",
    summary="Revoke a key",
    dependencies=MANAGE,
    responses={**answers(KeyOut), **errors(404, 409, 422, 503)},
)
async def revoke(center: CenterOf, actor: ActorOf, key_id: KeyId) -> Response:
    """Ends it at once."""
    key = await store.revoke(center.pool, actor, key_id)
    center.directory.hint()
    return json_answer(key)
