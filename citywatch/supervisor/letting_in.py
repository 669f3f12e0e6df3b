"""Who may in at the demo: its first account, a link that opens the wall, and a screen of its own to look through."""

import asyncio
import contextlib
import http.client
import http.cookies
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Final

import asyncpg

from access import accounts, devices
from access.policy import Role
from city.database import STORE_ERRORS, open_pool
from city.settings import Settings
from citywatch.local import actor, principal
from citywatch.supervisor.state import DemoState

ADMIN: Final = "admin"
WALLS: Final = 100
"""Screens that the printed link pairs at most."""
LINK_LASTS: Final = timedelta(hours=24)
COOKIE: Final = "citywatch-device"
CLAIM_SECONDS: Final = 10.0


class NotYet(Exception):
    """The demo does not let anybody in so far; ask again."""


async def first_password(dsn: str) -> str | None:
    """The first password of the account `admin`, made where nobody has an account; None where somebody has."""
    async with _pool(dsn) as pool:
        if await accounts.listed(pool):
            return None
        return (await accounts.create(pool, actor(), ADMIN, Role.admin))[1]


async def wall_link(dsn: str, port: int) -> str:
    """An address that opens the wall and pairs the screen that opens it."""
    async with _pool(dsn) as pool:
        secret = await devices.link(pool, principal(), None, "demo wall", uses=WALLS, lasts=LINK_LASTS)
    return f"http://127.0.0.1:{port}/wall#link={secret}"


def own_screen(state: DemoState, port: int, dsn: Callable[[], str | None]) -> Callable[[], Awaitable[str]]:
    """What gives the cookie of the demo's own screen, paired by a link as any other and kept in the demo's folder.

    It raises NotYet while database or center do not answer. `dsn` is asked each time: None while there is no demo.
    """

    async def cookie() -> str:
        address = dsn()
        if address is None:
            raise NotYet
        try:
            async with _pool(address) as pool:
                token = state.screen()
                if not token or await devices.resolve(pool, token) is None:
                    name = "demo --check"
                    link = await devices.link(pool, principal(), None, name, lasts=timedelta(minutes=5))
                    token = await asyncio.to_thread(claim, port, link)
                    state.keep_screen(token)
        except (*STORE_ERRORS, http.client.HTTPException) as error:
            raise NotYet from error
        return f"{COOKIE}={token}"

    return cookie


def claim(port: int, link: str) -> str:
    """What a browser does that opens the link: the token out of center's cookie. NotYet, OSError, HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CLAIM_SECONDS)
    with contextlib.closing(connection):
        body = json.dumps({"link": link})
        connection.request("POST", "/api/v1/devices/claim", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        cookies = http.cookies.SimpleCookie(answer.getheader("Set-Cookie", ""))
    if answer.status != 200 or COOKIE not in cookies:
        raise NotYet(f"center answered {answer.status} to the link")
    return cookies[COOKIE].value


@contextlib.asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    settings = Settings(database_dsn=dsn)
    async with await open_pool(settings, application="citywatch demo", max_size=1) as pool:
        yield pool
