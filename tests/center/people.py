"""Accounts, sessions, keys and screens for tests, and clients that come with them."""

import contextlib
import itertools
import uuid
from collections.abc import AsyncIterator, Collection
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx

from access import accounts, devices, keys, secrets, sessions
from access.accounts import Account
from access.policy import Grant, Principal, Role
from city.actor import Actor

PASSWORD = "mưa rơi trên sông Sài Gòn"
LOCAL = Actor("local", "test", "test")
BY = Principal("local", "test", "test")


class People:
    """Whoever a test needs; names are numbered."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self._numbers = itertools.count(1)

    async def account(
        self, role: str = "viewer", sectors: Collection[str] = (), zones: Collection[str] = (), *, fresh: bool = False
    ) -> Account:
        """A local account with PASSWORD; `fresh`: with a first password that must be changed."""
        name = f"{role} {next(self._numbers)}"
        password = None if fresh else PASSWORD
        made = await accounts.create(
            self.pool, LOCAL, name, Role(role), sectors=sectors, zones=zones, password=password
        )
        return made[0]

    async def session(self, account: Account, lasts: timedelta = timedelta(hours=1)) -> str:
        """A session's token."""
        return await sessions.create(self.pool, account, "192.0.2.1", "test", lasts)

    async def person(self, role: str = "viewer", sectors: Collection[str] = (), zones: Collection[str] = ()) -> str:
        """The session of a new account."""
        return await self.session(await self.account(role, sectors, zones))

    async def key(
        self, sectors: Collection[str] = (), grants: Collection[Grant] = ("read",), expires_at: datetime | None = None
    ) -> str:
        """A key's text."""
        name = f"key {next(self._numbers)}"
        return (await keys.create(self.pool, LOCAL, name, sectors, grants, expires_at)).text

    async def device(self, sectors: Collection[str] = (), zones: Collection[str] = ()) -> str:
        """A screen's token."""
        link = await devices.link(self.pool, BY, None, f"wall {next(self._numbers)}", sectors=sectors, zones=zones)
        return await devices.claim(self.pool, link, "192.0.2.2")

    async def device_id(self, token: str) -> uuid.UUID:
        """The id of a screen."""
        who = await devices.resolve(self.pool, token)
        assert who is not None
        return uuid.UUID(who.id)


def by_session(token: str) -> dict[str, str]:
    """Headers of a browser that is signed in and sends its CSRF token."""
    return {"Cookie": f"citywatch={token}", "X-CSRF-Token": secrets.csrf(token)}


def by_key(text: str) -> dict[str, str]:
    """Headers of a sector system."""
    return {"Authorization": f"Bearer {text}"}


def by_device(token: str) -> dict[str, str]:
    """Headers of a paired screen."""
    return {"Cookie": f"citywatch-device={token}", "X-CSRF-Token": secrets.csrf(token)}


@contextlib.asynccontextmanager
async def client(url: str, headers: dict[str, str] | None = None, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the REST API that sends these headers."""
    async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, **options) as http:
        yield http
