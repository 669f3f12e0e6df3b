"""The directory: hot credentials cost nothing, lost rights are noticed within a second, and blindness trusts nobody."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import asyncpg
import pytest

from access import accounts, by_password, devices, keys, secrets, sessions
from access.accounts import Account
from access.directory import BLIND_S, REMEMBER_S, Credential, Directory
from access.policy import Principal, Role
from city.clock import Clock, ManualClock, SystemClock
from city.database import STORE_ERRORS, open_pool
from city.settings import Settings
from tests.access.conftest import CHIEF, LOCAL, PASSWORD
from tests.conftest import execute

IDLE, LASTS = timedelta(minutes=30), timedelta(hours=12)


@asynccontextmanager
async def watching(pool: asyncpg.Pool, clock: Clock | None = None, most: int = 100) -> AsyncIterator[Directory]:
    """A directory whose watch runs and has heard of the database."""
    directory = Directory(pool, clock or SystemClock(), idle=IDLE, most=most)
    heard = asyncio.Event()
    end = directory.on_change(heard.set)
    task = asyncio.create_task(directory.run())
    await asyncio.wait_for(heard.wait(), 10)
    end()
    yield directory
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def session_of(pool: asyncpg.Pool, account: Account) -> Credential:
    return Credential("session", await sessions.create(pool, account, None, None, LASTS))


async def key(pool: asyncpg.Pool) -> tuple[str, Credential]:
    shown = await keys.create(pool, CHIEF, "pumps", ["traffic"], ["publish"])
    return shown.key.id, Credential("key", shown.text)


async def test_a_hot_request_costs_no_sql(pool: asyncpg.Pool) -> None:
    _, credential = await key(pool)
    async with watching(pool) as directory:
        assert await directory.resolve(credential) is not None
        await pool.execute("ALTER TABLE api_key RENAME TO hidden")  # whoever asks now fails
        for _ in range(100):
            assert await directory.resolve(credential) is not None
        await pool.execute("ALTER TABLE hidden RENAME TO api_key")


async def test_the_unknown_are_asked_for_each_time_and_take_no_room(pool: asyncpg.Pool) -> None:
    async with watching(pool) as directory:
        for kind in ("session", "device", "key"):
            assert await directory.resolve(Credential(kind, secrets.token())) is None
        assert directory.remembered == 0


async def test_the_memory_is_bounded(pool: asyncpg.Pool) -> None:
    async with watching(pool, most=3) as directory:
        credentials = [(await key(pool))[1] for _ in range(8)]
        for credential in credentials:
            assert await directory.resolve(credential) is not None
            assert directory.remembered <= 3


Act = Callable[[asyncpg.Pool, Account], Awaitable[object]]


async def _revoke(pool: asyncpg.Pool, _: Account) -> None:
    await keys.revoke(pool, CHIEF, (await keys.listed(pool))[0].id)


async def _unpair(pool: asyncpg.Pool, _: Account) -> None:
    await devices.revoke(pool, CHIEF, uuid.UUID((await devices.listed(pool))[0].id))


ENDS: dict[str, tuple[str, Act]] = {
    "key revoked": ("key", _revoke),
    "screen revoked": ("device", _unpair),
    "account disabled": ("session", lambda p, lan: accounts.change(p, CHIEF, uuid.UUID(lan.id), disabled=True)),
    "account deleted": ("session", lambda p, lan: accounts.delete(p, CHIEF, uuid.UUID(lan.id))),
    "password reset": ("session", lambda p, lan: accounts.reset_password(p, CHIEF, uuid.UUID(lan.id))),
    "session deleted by hand": ("session", lambda p, _: p.execute("DELETE FROM session")),
}


@pytest.mark.parametrize("how", ENDS)
async def test_what_ends_is_noticed_within_a_second(pool: asyncpg.Pool, lan: Account, how: str) -> None:
    kind, act = ENDS[how]
    device = await devices.claim(pool, await devices.link(pool, LOCAL, None, "wall"), None)
    held = {
        "session": await session_of(pool, lan),
        "key": (await key(pool))[1],
        "device": Credential("device", device),
    }
    async with watching(pool) as directory:
        told = asyncio.Event()
        directory.on_change(told.set)
        assert all([await directory.resolve(credential) is not None for credential in held.values()])
        await act(pool, lan)
        begun = time.monotonic()
        while await directory.resolve(held[kind]) is not None:
            assert time.monotonic() - begun < 1
            await asyncio.sleep(0.02)
        assert told.is_set()
        assert sum([await directory.resolve(credential) is not None for credential in held.values()]) == 2


async def test_a_role_that_changes_is_noticed_and_a_hint_is_faster(pool: asyncpg.Pool, lan: Account) -> None:
    credential = await session_of(pool, lan)
    async with watching(pool) as directory:
        assert await directory.resolve(credential) is not None
        told = asyncio.Event()
        directory.on_change(told.set)
        await accounts.change(pool, CHIEF, uuid.UUID(lan.id), role=Role.viewer, sectors=["traffic"])
        directory.hint()
        await asyncio.wait_for(told.wait(), 1)
        now = await directory.resolve(credential)
        assert now is not None
        assert (now.role, now.sectors) == (Role.viewer, {"traffic"})


async def test_signing_in_and_being_seen_drop_nothing(pool: asyncpg.Pool, lan: Account) -> None:
    credential = await session_of(pool, lan)
    async with watching(pool) as directory:
        assert await directory.resolve(credential) is not None
        version = await pool.fetchval("SELECT version FROM access_version")
        with suppress(accounts.AccountError):
            await by_password.sign_in(pool, "Lan", "not this one at all", None)
        await directory.resolve(await session_of(pool, await by_password.sign_in(pool, "Lan", PASSWORD, None)))
        await sessions.forget(pool, IDLE)
        assert await pool.fetchval("SELECT version FROM access_version") == version


async def test_what_is_remembered_is_asked_again_after_a_minute_and_ends_in_time(pool: asyncpg.Pool) -> None:
    clock = ManualClock(SystemClock().now_us())
    shown = await keys.create(pool, CHIEF, "pumps", [], ["read"])
    rotated = await keys.rotate(pool, CHIEF, shown.key.id, timedelta(seconds=4))
    async with watching(pool, clock) as directory:
        old, new = Credential("key", shown.text), Credential("key", rotated.text)
        assert await directory.resolve(old) is not None
        assert await directory.resolve(new) is not None
        await clock.advance(4.5)
        assert await directory.resolve(old) is None  # by the clock, though the database was not asked
        assert await directory.resolve(new) is not None
        await pool.execute("UPDATE api_key SET last_used_at = now() - interval '1 hour'")
        await asyncio.sleep(0.6)  # the watch hears of the database again
        for _ in range(int(REMEMBER_S / 4) + 1):
            await clock.advance(4)
            directory.hint()
            await asyncio.sleep(0.05)
        assert await directory.resolve(new) is not None
        used = await pool.fetchval("SELECT last_used_at > now() - interval '1 minute' FROM api_key")
        assert used


async def test_without_the_database_nothing_remembered_counts_after_five_seconds(
    database: str, postgres_dsn: str
) -> None:
    clock = ManualClock(SystemClock().now_us())
    settings = Settings(database_dsn=database, _env_file=None)
    async with await open_pool(settings, application="test", min_size=1, max_size=4) as pool:
        _, credential = await key(pool)
        async with watching(pool, clock) as directory:
            assert await directory.resolve(credential) is not None
            name = database.partition("?")[0].rpartition("/")[2]
            await execute(postgres_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            await execute(
                postgres_dsn, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            await asyncio.sleep(0.6)
            await clock.advance(BLIND_S - 0.5)
            assert await directory.resolve(credential) is not None
            await clock.advance(1)
            with pytest.raises(STORE_ERRORS):
                await directory.resolve(credential)
            await execute(postgres_dsn, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            found: Principal | None = None
            while found is None:
                await asyncio.sleep(0.1)
                with suppress(*STORE_ERRORS):
                    found = await directory.resolve(credential)


def test_a_credential_prints_without_its_secret() -> None:
    assert "hush" not in f"{Credential('key', 'hush')} {Credential('key', 'hush')!r}"
