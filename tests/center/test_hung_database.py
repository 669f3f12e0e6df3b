"""A database that hangs, which no error tells of: the center finds another way to it and does not lie meanwhile."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from center import follower
from tests.center.conftest import Running, raise_alert

pytestmark = pytest.mark.only(server="embedded")  # whose backends the test pauses

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = ANY ($1)"


@contextlib.asynccontextmanager
async def hung(db: asyncpg.Connection, *applications: str) -> AsyncIterator[None]:
    """The server's processes behind these connections stand still, as a peer that vanished without a word."""
    pids = [row["pid"] for row in await db.fetch(BACKENDS, list(applications))]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def test_alerts_go_on_seconds_after_the_followers_connection_hung(
    center: Running, db: asyncpg.Connection
) -> None:
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.next("snapshot")
        async with hung(db, "center follower"):
            began = time.monotonic()
            await raise_alert(db, 1)
            assert (await client.next("delta", "alerts"))["seq"] == 1
            assert time.monotonic() - began < follower.COMMAND_S + 3
            assert (await client.next("heartbeat"))["alerts_through"] == 1


async def test_every_other_connection_is_given_up_too(
    center: Running, http: httpx.AsyncClient, db: asyncpg.Connection
) -> None:
    await asyncio.gather(*(http.get("/api/v1/alerts") for _ in range(8)))
    async with hung(db, "center", "center follower"):
        await raise_alert(db, 1)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(httpx.TimeoutException):
                    answer = await http.get("/api/v1/alerts")
                    if answer.status_code == 200:
                        break
            assert len(answer.json()["alerts"]) == 1
            while (await http.get("/api/v1/ready")).status_code != 200:
                await asyncio.sleep(0.1)


async def test_no_heartbeat_while_alerts_may_be_missing(
    center: Running, db: asyncpg.Connection, postgres_dsn: str
) -> None:
    """The database lets nobody in: silence for as long as that lasts, and the alert comes before the next heartbeat."""
    admin = await asyncpg.connect(postgres_dsn)
    name = await db.fetchval("SELECT current_database()")
    async with center.listen() as client:
        await client.say(type="subscribe", channel="alerts")
        await client.next("heartbeat")
        async with hung(db, "center follower"):
            await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            try:
                began = time.monotonic()
                await raise_alert(db, 1)
                heard = [began]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(10):
                        while True:
                            assert (await client.next("heartbeat"))["alerts_through"] == 0
                            heard.append(time.monotonic())
                assert heard[-1] - began <= follower.BEHIND_S + 0.5
            finally:
                await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
                await admin.close()
            first = await client.until(lambda message: message["type"] in ("delta", "heartbeat"))
            assert (first["type"], first["seq"]) == ("delta", 1)
            assert (await client.next("heartbeat"))["alerts_through"] == 1
