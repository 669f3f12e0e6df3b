"""/api/v1/accounts: people, their roles and scopes. Reading them is an act too, and stands in the audit trail."""

import uuid
from typing import Final, Literal

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

from access import accounts as people
from access import audit, sessions, unlocking
from access.policy import Role
from center.api.common import CenterOf, DateTime, Name, Sectors, Strict, Zones, answers, json_answer, known_scope
from center.errors import errors
from center.permit import ActorOf, Permit, resources

router = resources("/accounts", tag="access")
READ: Final = [Depends(Permit("accounts.read"))]
MANAGE: Final = [Depends(Permit("accounts.manage"))]

RoleName = Literal["viewer", "operator", "supervisor", "admin"]


class AccountOut(BaseModel):
    """A person."""

    id: uuid.UUID
    name: str
    role: RoleName
    sectors: list[str] = Field(description="Empty: all")
    zones: list[str] = Field(description="Empty: all")
    local: bool = Field(description="Has a password here")
    must_change: bool
    issuer: str | None = Field(description="The identity provider that vouches for this person")
    locked: bool
    disabled: bool
    created_at: DateTime
    signed_in_at: DateTime | None


class Accounts(BaseModel):
    """Everybody."""

    accounts: list[AccountOut]


class NewAccount(Strict):
    """A person to be let in."""

    name: Name
    role: RoleName
    sectors: Sectors = Field(default_factory=list)
    zones: Zones = Field(default_factory=list)


class Changes(Strict):
    """What is left out stays."""

    role: RoleName | None = None
    sectors: Sectors | None = None
    zones: Zones | None = None
    disabled: bool | None = None


class FirstPassword(BaseModel):
    """A password that is shown once and must be changed at the first sign-in."""

    account: AccountOut
    password: str


class Ended(BaseModel):
    """How many sessions were ended."""

    ended: int


class Reset(BaseModel):
    """A password that is shown once and must be changed at the next sign-in."""

    password: str


@router.get("", summary="Accounts", dependencies=READ, responses={**answers(Accounts), **errors(503)})
async def accounts(center: CenterOf, actor: ActorOf) -> Response:
    """By name."""
    found = await people.listed(center.pool)
    async with center.pool.acquire() as connection:
        await audit.append(connection, actor, "accounts.read", "accounts")
    return json_answer({"accounts": found})


@router.post(
    "",
    status_code=201,
    summary="New account",
    dependencies=MANAGE,
    responses={**answers(FirstPassword, "Made", 201), **errors(408, 409, 413, 422, 429, 503)},
)
async def create(center: CenterOf, actor: ActorOf, body: NewAccount) -> Response:
    """A local account; its first password is in the answer and nowhere else."""
    known_scope(center, body.sectors, body.zones)
    account, password = await people.create(
        center.pool, actor, body.name, Role(body.role), sectors=set(body.sectors), zones=set(body.zones)
    )
    return json_answer({"account": account, "password": password}, 201)


@router.patch(
    "/{account_id}",
    summary="Change role, scope, or whether it may sign in",
    dependencies=MANAGE,
    responses={**answers(AccountOut), **errors(404, 408, 409, 413, 422, 503)},
)
async def change(center: CenterOf, actor: ActorOf, account_id: uuid.UUID, body: Changes) -> Response:
    """Takes effect at once, also on open WebSockets."""
    known_scope(center, body.sectors or (), body.zones or ())
    account = await people.change(
        center.pool,
        actor,
        account_id,
        role=None if body.role is None else Role(body.role),
        sectors=None if body.sectors is None else set(body.sectors),
        zones=None if body.zones is None else set(body.zones),
        disabled=body.disabled,
    )
    center.directory.hint()
    return json_answer(account)


@router.delete(
    "/{account_id}",
    status_code=204,
    summary="Delete an account",
    dependencies=MANAGE,
    responses=errors(404, 409, 422, 503),
)
async def delete(center: CenterOf, actor: ActorOf, account_id: uuid.UUID) -> Response:
    """Its sessions end at once; what it did stays in the audit trail."""
    await people.delete(center.pool, actor, account_id)
    center.directory.hint()
    return Response(status_code=204)


@router.post(
    "/{account_id}/password",
    summary="Reset a password",
    dependencies=MANAGE,
    responses={**answers(Reset), **errors(404, 409, 422, 503)},
)
async def reset(center: CenterOf, actor: ActorOf, account_id: uuid.UUID) -> Response:
    """A first password again; every session of the account ends."""
    password = await people.reset_password(center.pool, actor, account_id)
    center.directory.hint()
    return json_answer({"password": password})


@router.post(
    "/{account_id}/unlock",
    status_code=204,
    summary="Unlock",
    dependencies=MANAGE,
    responses=errors(404, 422, 503),
)
async def unlock(center: CenterOf, actor: ActorOf, account_id: uuid.UUID) -> Response:
    """Forgets the wrong passwords."""
    await unlocking.unlock(center.pool, actor, account_id)
    return Response(status_code=204)


@router.delete(
    "/{account_id}/sessions",
    summary="Sign somebody out everywhere",
    dependencies=MANAGE,
    responses={**answers(Ended), **errors(404, 422, 503)},
)
async def end_sessions(center: CenterOf, actor: ActorOf, account_id: uuid.UUID) -> Response:
    """Ends every session of the account; its WebSockets close at once."""
    ended = await sessions.end_all(center.pool, actor, account_id)
    center.directory.hint()
    return json_answer({"ended": ended})
