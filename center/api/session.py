"""/api/v1/session: sign in with a local account, see who one is, change the password, sign out."""

import math
import uuid
from typing import Any, Final, Literal

from fastapi import Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from access import by_password, secrets, sessions
from access.accounts import Account, AccountError
from access.by_password import Locked
from access.directory import Credential
from access.errors import AccessError
from access.names import folded
from access.policy import Principal
from center import limiting
from center.api.common import CenterOf, DateTime, Strict, answers, json_answer
from center.errors import ApiError, errors
from center.permit import CallerOf, Permit, resources
from center.service import Center
from center.sign_in import Caller, need_private
from city import metrics
from city.timestamps import format_time

router = resources("/session", tag="session")
OPEN: Final = [Depends(Permit("public"))]
OWN: Final = [Depends(Permit("session.own"))]


class SignInBody(Strict):
    """A local account's name and password."""

    name: str = Field(min_length=1, max_length=100)
    password: str = Field(min_length=1, max_length=512)


class PasswordBody(Strict):
    """The password of today, and the one from now on: 12 to 128 characters of any kind."""

    old: str = Field(min_length=1, max_length=512)
    new: str = Field(min_length=1, max_length=512)


class PrincipalOut(BaseModel):
    """Who sends this."""

    kind: Literal["person", "key", "device", "local"] = Field(description="local: sign-in is off, everybody may do all")
    name: str
    role: Literal["viewer", "operator", "supervisor", "admin"] | None = Field(description="Null for screens and keys")
    sectors: list[str] = Field(description="Empty: all")
    zones: list[str] = Field(description="Empty: all")
    must_change_password: bool = Field(description="Nothing else is allowed until the password is changed")


class ProviderOut(BaseModel):
    """An identity provider; GET /api/v1/oidc/start begins."""

    title: str


class WaysIn(BaseModel):
    """How one can sign in here."""

    required: bool
    local: bool
    private: bool = Field(description="False: this page came over plain HTTP, where nobody can sign in")
    oidc: ProviderOut | None


class SessionOut(BaseModel):
    """Who one is, and how to sign in."""

    principal: PrincipalOut | None = Field(description="Null: nobody")
    csrf: str | None = Field(description="To be sent as X-CSRF-Token with whatever changes something")
    expires_at: DateTime | None
    sign_in: WaysIn
    timezone: str = Field(description="The city's, as in the tz database", examples=["Asia/Ho_Chi_Minh"])


@router.get("", summary="Who am I", dependencies=OPEN, responses={**answers(SessionOut), **errors(403, 503)})
async def whoami(center: CenterOf, request: Request) -> Response:
    """Also for nobody: then it says how to sign in."""
    return json_answer(_told(center, request, await center.sign_in.who(request)))


@router.post(
    "",
    summary="Sign in",
    dependencies=OPEN,
    responses={**answers(SessionOut), **errors(401, 403, 408, 409, 413, 422, 429, 503)},
)
async def sign_in(center: CenterOf, request: Request, caller: CallerOf, body: SignInBody) -> Response:
    """A new session in a cookie; the one that the browser had before ends.

    A wrong password, a name that nobody has, and one that is held after five wrong passwords are answered alike (401).
    """
    if not center.sign_in.required:
        raise ApiError(409, "sign_in_off", "Sign-in is off here: everybody may do everything.")
    need_private(request)
    _count_attempt(center, caller.address, body.name)
    try:
        account = await by_password.sign_in(center.pool, body.name, body.password, caller.address)
    except AccessError as refused:
        metrics.SIGN_INS.labels("local", "locked" if isinstance(refused, Locked) else "refused").inc()
        raise
    metrics.SIGN_INS.labels("local", "done").inc()
    signed_in, token = await begin(center, request, account, caller.address)
    answer = json_answer(_told(center, request, signed_in))
    center.sign_in.keep(answer, request, "session", token, center.sign_in.lasts)
    return answer


@router.delete("", status_code=204, summary="Sign out", dependencies=OWN, responses=errors(409, 503))
async def sign_out(center: CenterOf, request: Request, caller: CallerOf) -> Response:
    """Ends this session; its WebSockets close at once."""
    await sessions.end(center.pool, person(caller), caller.address)
    center.directory.hint()
    answer = Response(status_code=204)
    center.sign_in.drop(answer, request, "session")
    return answer


@router.post(
    "/password",
    status_code=204,
    summary="Change one's password",
    dependencies=OWN,
    responses=errors(403, 408, 409, 413, 422, 429, 503),
)
async def change_password(center: CenterOf, request: Request, caller: CallerOf, body: PasswordBody) -> Response:
    """Every other session of the account ends."""
    need_private(request)
    who = person(caller)
    center.limiter.take(limiting.PASSWORD, "password", who.id)
    assert who.session is not None
    try:
        await by_password.change(
            center.pool, uuid.UUID(who.id), body.old, body.new, caller.address, uuid.UUID(who.session)
        )
    except Locked as locked:
        wait = math.ceil(locked.seconds)
        sentence = f"Too many wrong passwords; try again in {wait} s."
        raise ApiError(429, "too_many_requests", sentence, retry_after_s=wait) from locked
    except AccountError as refused:
        if refused.code != "wrong_credentials":
            raise
        raise ApiError(403, "wrong_password", "The old password is wrong.") from refused
    center.directory.hint()
    return Response(status_code=204)


async def begin(center: Center, request: Request, account: Account, address: str | None) -> tuple[Caller, str]:
    """A new session of a person who proved who they are, and its token; the browser's former session ends."""
    before = await center.sign_in.who(request)
    if before.principal.session is not None:
        await sessions.end(center.pool, before.principal, address)
    agent = request.headers.get("user-agent")
    token = await sessions.create(center.pool, account, address, agent, center.sign_in.lasts)
    credential = Credential("session", token)
    principal = await center.directory.resolve(credential)
    if principal is None:
        raise ApiError(401, "wrong_credentials", "The account was closed in this moment.")
    return Caller(principal, address, credential), token


def _count_attempt(center: Center, address: str | None, name: str) -> None:
    try:
        center.limiter.take_sign_in(address, folded(name))
    except ApiError:
        metrics.SIGN_INS.labels("local", "too_many").inc()
        raise


def person(caller: Caller) -> Principal:
    """Who has a session. Raises ApiError 409."""
    if caller.principal.session is None:
        raise ApiError(409, "no_session", "There is no session: sign-in is off here.")
    return caller.principal


def _told(center: Center, request: Request, caller: Caller) -> dict[str, Any]:
    who = caller.principal
    by_cookie = caller.credential is not None and caller.credential.kind != "key"
    shown = {
        "kind": who.kind,
        "name": who.name,
        "role": who.role,
        "sectors": sorted(who.sectors),
        "zones": sorted(who.zones),
        "must_change_password": who.must_change,
    }
    return {
        "principal": None if who.kind == "nobody" else shown,
        "csrf": secrets.csrf(caller.credential.secret) if by_cookie and caller.credential is not None else None,
        "expires_at": None if who.expires_us is None else format_time(who.expires_us),
        "sign_in": center.ways_in(request),
        "timezone": center.catalogue.city.timezone,
    }
