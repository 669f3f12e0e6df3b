"""Every route and every WebSocket message × everybody: the expected answer is computed from the declarations.

Routes come from the application's own table and messages from the protocol's own types, so none can be forgotten.
"""

import contextlib
import itertools
import json
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import asyncpg
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed

from access import accounts, devices, keys
from access.policy import NOBODY, PERMISSIONS, Denied, Permission, Principal, Role, narrowed, require
from center.app import create_app
from center.errors import told
from center.permit import SAFE, Permit, Undeclared, check, permission_of
from center.protocol import CHANNELS as CHANNEL_NAMES
from center.protocol import Request as Message
from center.service import Center
from center.socket import CHANNELS, CONNECT
from city.clock import SystemClock
from city.settings import Settings
from tests.center.conftest import Running, raise_alert
from tests.center.people import LOCAL, People, by_device, by_key, by_session, client

ZONE, ELSEWHERE = "26740", "26743"
PATH_VALUES = {
    "alert_id": str(uuid.UUID(int=99)),
    "account_id": str(uuid.UUID(int=99)),
    "session_id": str(uuid.UUID(int=99)),
    "device_id": str(uuid.UUID(int=99)),
    "key_id": "0123456789ab",
    "letter_id": "99",
    "shelf_id": str(uuid.UUID(int=99)),
    "shift_id": str(uuid.UUID(int=99)),
    "note_id": "99",
    "incident_id": str(uuid.UUID(int=99)),
    "backtest_id": str(uuid.UUID(int=99)),
    "window_id": str(uuid.UUID(int=99)),
    "path": "favicon.ico",
}


class Somebody:
    """Who comes, what the policy says of them, and how to come."""

    def __init__(self, name: str, principal: Principal, headers: Callable[[], Awaitable[dict[str, str]]]) -> None:
        self.name = name
        self.principal = principal
        self.headers = headers


async def everybody(people: People, db: asyncpg.Connection) -> list[Somebody]:
    """Nobody, every role, the scoped, keys, a screen, and all whose credential does not hold."""

    async def nothing() -> dict[str, str]:
        return {}

    def always(headers: dict[str, str]) -> Callable[[], Awaitable[dict[str, str]]]:
        async def same() -> dict[str, str]:
            return headers

        return same

    async def person(name: str, role: str, *scope: list[str], fresh: bool = False) -> Somebody:
        account = await people.account(role, *scope, fresh=fresh)

        async def anew() -> dict[str, str]:  # some routes end the session
            return by_session(await people.session(account))

        who = Principal(
            "person",
            account.id,
            account.name,
            Role(role),
            frozenset(account.sectors),
            frozenset(account.zones),
            must_change=fresh,
        )
        return Somebody(name, who, anew)

    async def key(name: str, sectors: list[str], *grants: Any) -> Somebody:
        text = await people.key(sectors, grants)
        who = Principal("key", text, name, sectors=frozenset(sectors), grants=frozenset(grants))
        return Somebody(name, who, always(by_key(text)))

    ended = await people.session(await people.account("admin"))
    await db.execute("UPDATE session SET expires_at = now()")
    revoked_key = await people.key(["traffic"], ["publish", "read"])
    await keys.revoke(people.pool, LOCAL, revoked_key.split("_")[1])
    wall, dark = await people.device(), await people.device()
    await devices.revoke(people.pool, LOCAL, await people.device_id(dark))
    closed = await people.account("admin")
    closed_session = await people.session(closed)
    await accounts.change(people.pool, LOCAL, uuid.UUID(closed.id), disabled=True)
    key_of_another = await people.key(["traffic"], ["publish", "read"])
    return [
        Somebody("nobody", NOBODY, nothing),
        *[await person(role, role) for role in Role],
        await person("viewer of traffic", "viewer", ["traffic"]),
        await person("operator of a zone", "operator", [], [ZONE]),
        await person("admin of traffic", "admin", ["traffic"], [ZONE]),
        await person("supervisor with a first password", "supervisor", fresh=True),
        await key("key to publish", ["traffic"], "publish"),
        await key("key to read", ["traffic"], "read"),
        await key("key of another sector", ["health"], "publish", "read"),
        Somebody("screen", Principal("device", "", "wall"), always(by_device(wall))),
        Somebody("ended session", NOBODY, always(by_session(ended))),
        Somebody("forged session", NOBODY, always(by_session("A" * 43))),
        Somebody("revoked key", NOBODY, always(by_key(revoked_key))),
        Somebody("forged key", NOBODY, always(by_key(key_of_another[:-4] + "AAAA"))),
        Somebody("revoked screen", NOBODY, always(by_device(dark))),
        Somebody("disabled account", NOBODY, always(by_session(closed_session))),
    ]


@contextlib.asynccontextmanager
async def application(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, not running: its table of routes."""
    center = await Center.open(settings, SystemClock())
    try:
        yield create_app(center)
    finally:
        await center.close()


def requests(routes: list[BaseRoute]) -> Iterator[tuple[str, str, Permission]]:
    """(method, path, permission) of every HTTP route."""
    for route in routes:
        if isinstance(route, APIWebSocketRoute):
            continue
        assert isinstance(route, Route)
        path = re.sub(r"\{(\w+)(:\w+)?\}", lambda match: PATH_VALUES[match[1]], route.path)
        for method in sorted(route.methods or ()):
            yield method, path, permission_of(route)


def denial(who: Principal, permission: str) -> Denied | None:
    """What the policy answers, by itself."""
    try:
        require(who, permission)
    except Denied as denied:
        return denied
    return None


async def test_every_route_for_everybody(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    async with application(guarded.settings) as app:
        table = list(requests(app.routes))
    assert len(table) > 40
    async with client(guarded.url) as http:
        for somebody in await everybody(people, db):
            for method, path, permission in table:
                headers = await somebody.headers()
                body = {} if method in SAFE else {"json": {}}
                answer = await http.request(method, path, headers=headers, **body)
                expected = None if permission.public else denial(somebody.principal, permission.name)
                where = (
                    f"{somebody.name}: {method} {path} ({permission.name}): {answer.status_code} {answer.text[:200]}"
                )
                http.cookies.clear()
                if expected is None:
                    assert answer.status_code not in (401, 403, 500), where
                else:
                    assert answer.status_code == told(expected).status, where
                    if method != "HEAD":
                        assert answer.json()["error"]["code"] == expected.code, where


async def test_every_scoped_thing_for_everybody(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    places = list(itertools.product(("traffic", "health"), (ZONE, ELSEWHERE, None)))
    for number, (sector, zone) in enumerate(places, start=1):
        await raise_alert(db, number, sector=sector, zone=zone)
    async with client(guarded.url) as http:
        for somebody in await everybody(people, db):
            for number, (sector, zone) in enumerate(places, start=1):
                path = f"/api/v1/alerts/{uuid.UUID(int=number)}"
                for method, url, name, body in (
                    ("GET", path, "alerts.read", None),
                    ("GET", f"{path}/history", "alerts.read", None),
                    ("GET", f"{path}/assignees", "alerts.assign", None),
                    ("POST", f"{path}/silence", "alerts.act", {"position": "desk 1"}),
                    ("POST", f"{path}/acknowledge", "alerts.act", None),
                    ("POST", f"{path}/accept", "alerts.act", {"seq": 1}),
                    ("POST", f"{path}/release", "alerts.act", {"seq": 1}),
                    ("POST", f"{path}/assign", "alerts.assign", {"seq": 1, "to": "nobody"}),
                    ("POST", f"{path}/comment", "alerts.act", {"text": "seen from here"}),
                    (
                        "POST",
                        f"{path}/shelve",
                        "alerts.shelve",
                        {"seq": 1, "until": soon, "why": "x"},
                    ),
                    ("POST", f"{path}/out-of-service", "alerts.withhold", {"seq": 1, "why": "x"}),
                ):
                    answer = await http.request(method, url, headers=await somebody.headers(), json=body)
                    where = f"{somebody.name}: {method} {url} of {sector} in {zone}: {answer.status_code} {answer.text}"
                    expected = denial(somebody.principal, name)
                    if expected is not None:
                        assert answer.status_code == told(expected).status, where
                    elif holds(somebody.principal, name, sector, zone):
                        assert answer.status_code in (200, 409), where
                    else:
                        assert answer.status_code == 404, where
                    http.cookies.clear()


def holds(who: Principal, name: str, sector: str, zone: str | None) -> bool:
    try:
        require(who, name, sector=sector, zone=zone)
    except Denied:
        return False
    return True


MESSAGES: list[dict[str, Any]] = [
    *[{"type": "subscribe", "channel": channel} for channel in CHANNEL_NAMES],
    *[{"type": "subscribe", "channel": channel, "filter": {"sectors": ["health"]}} for channel in CHANNEL_NAMES],
    *[{"type": "subscribe", "channel": channel, "filter": {"zones": [ELSEWHERE]}} for channel in CHANNEL_NAMES],
    {"type": "subscribe", "channel": "alerts", "since": 0},
    *[{"type": "unsubscribe", "channel": channel} for channel in CHANNEL_NAMES],
    {"type": "painted", "seq": 0, "screen": "matrix"},
]


def test_no_message_of_the_protocol_is_missing_here() -> None:
    kinds = {message.__struct_config__.tag for message in get_args(Message)}
    assert {message["type"] for message in MESSAGES} == kinds
    assert set(CHANNELS) == set(CHANNEL_NAMES)
    assert {CONNECT, *CHANNELS.values()} <= set(PERMISSIONS)


def expected_error(who: Principal, message: dict[str, Any]) -> str | None:
    """The code of the error that the policy demands, or None."""
    if message["type"] != "subscribe":
        return None
    wanted = message.get("filter", {})
    try:
        require(who, CHANNELS[message["channel"]])
        narrowed(who.sectors, frozenset(wanted.get("sectors", ())), "sectors")
        narrowed(who.zones, frozenset(wanted.get("zones", ())), "zones")
    except Denied as denied:
        return denied.code
    return None


async def test_every_message_for_everybody(guarded: Running, people: People, db: asyncpg.Connection) -> None:
    for somebody in await everybody(people, db):
        refused = denial(somebody.principal, CONNECT)
        if refused is not None:
            async with guarded.listen(additional_headers=await somebody.headers()) as connected:
                error = json.loads(await connected.connection.recv())
                assert (error["type"], error["code"]) == ("error", refused.code), somebody.name
                with pytest.raises(ConnectionClosed) as closed:
                    await connected.connection.recv()
                wanted = 4401 if refused.code == "sign_in_required" else 4403
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == wanted, somebody.name
            continue
        for start in range(0, len(MESSAGES), 4):  # who says too much on one connection is let go
            async with guarded.listen(additional_headers=await somebody.headers()) as connected:
                for message in MESSAGES[start : start + 4]:
                    await connected.say(**message)
                    await connected.say(type="painted", seq=-1)  # its answer stands behind the answer to the message
                    codes = []
                    while "bad_seq" not in codes:
                        codes.append((await connected.next("error"))["code"])
                    wanted_code = expected_error(somebody.principal, message)
                    assert codes == ([wanted_code] if wanted_code else []) + ["bad_seq"], (somebody.name, message)


async def test_what_declares_nothing_fails_the_start(settings: Settings) -> None:
    async def page(_: Request) -> Response:
        return Response()

    async def talk(websocket: WebSocket) -> None:
        await websocket.close()

    async def resource() -> None:
        return None

    undeclared: list[BaseRoute] = [
        Route("/page", page),
        WebSocketRoute("/talk", talk),
        Mount("/files", StaticFiles(directory=".")),
        APIRoute("/resource", resource),
        APIWebSocketRoute("/socket", talk),
    ]
    async with application(settings) as app:
        check(app.routes)
        for route in undeclared:
            with pytest.raises(Undeclared):
                check([*app.routes, route])


async def test_the_document_says_of_every_operation_who_may_call_it(guarded: Running) -> None:
    async with client(guarded.url) as http, application(guarded.settings) as app:
        document = (await http.get("/openapi.json")).json()
        schemes = set(document["components"]["securitySchemes"])
        assert schemes == {"session", "csrf", "screen", "key"}
        for route in app.routes:
            if not isinstance(route, APIRoute) or not route.include_in_schema:
                continue
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                permission = permission_of(route)
                assert operation["x-permission"] == permission.name
                assert bool(operation["security"]) != permission.public
                assert {name for way in operation["security"] for name in way} <= schemes


def test_a_declared_name_must_exist() -> None:
    with pytest.raises(KeyError):
        Permit("alerts.invent")
