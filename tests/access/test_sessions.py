"""Sessions end: by idleness, by age, by signing out, and by what happens to the account."""

import asyncio
import uuid
from datetime import timedelta

import asyncpg
import pytest

from access import accounts, by_password, secrets, sessions
from access.accounts import Account, AccountError
from access.policy import Principal, Role
from city.actor import Actor
from tests.access.conftest import CHIEF, PASSWORD, actions

LASTS, IDLE = timedelta(hours=12), timedelta(minutes=30)


async def begin(pool: asyncpg.Pool, account: Account) -> str:
    return await sessions.create(pool, account, "10.0.0.7", "Firefox\x00 on a wall" + "!" * 300, LASTS)


async def stands(pool: asyncpg.Pool, token: str) -> bool:
    return await sessions.resolve(pool, token, IDLE) is not None


async def who(pool: asyncpg.Pool, token: str) -> Principal:
    principal = await sessions.resolve(pool, token, IDLE)
    assert principal is not None
    return principal


async def age(pool: asyncpg.Pool, minutes: float) -> None:
    """All sessions are so much older, and were last seen so much earlier."""
    await pool.execute(
        "UPDATE session SET seen_at = seen_at - $1::interval, expires_at = expires_at - $1::interval",
        timedelta(minutes=minutes),
    )


async def test_a_session_names_its_person_and_is_kept_as_a_hash(pool: asyncpg.Pool, lan: Account) -> None:
    token = await begin(pool, lan)
    principal = await who(pool, token)
    assert (principal.kind, principal.id, principal.name, principal.role) == ("person", lan.id, "Lan", lan.role)
    assert token not in str([tuple(row) for row in await pool.fetch("SELECT * FROM session")])
    assert token not in str([tuple(row) for row in await pool.fetch("SELECT * FROM audit")])
    (own,) = await sessions.of_account(pool, uuid.UUID(principal.id), IDLE)
    assert (own.id, own.address) == (principal.session, "10.0.0.7")
    assert own.agent is not None
    assert own.agent.startswith("Firefox on a wall!")
    for other in (token[:-1], token + "x", token.swapcase(), "", "\x00", "\ud800" * 43):
        assert not await stands(pool, other)
    assert secrets.csrf(token) != secrets.csrf(token.swapcase())


async def test_idle_sessions_end_and_those_in_use_go_on(pool: asyncpg.Pool, lan: Account) -> None:
    token = await begin(pool, lan)
    for _ in range(3):
        await age(pool, 29)
        assert await stands(pool, token)  # asking is being seen
    await age(pool, 31)
    assert not await stands(pool, token)


async def test_the_oldest_sessions_end_however_busy(pool: asyncpg.Pool, lan: Account) -> None:
    token = await begin(pool, lan)
    for _ in range(24):
        await age(pool, 29.9)
        assert await stands(pool, token)
    await age(pool, 3)
    assert not await stands(pool, token)
    await sessions.forget(pool, IDLE)
    assert await pool.fetchval("SELECT count(*) FROM session") == 0


async def test_signing_out_ends_this_one_and_others_on_request(pool: asyncpg.Pool, lan: Account) -> None:
    here, there, elsewhere = [await begin(pool, lan) for _ in range(3)]
    await sessions.end(pool, await who(pool, there), None)
    assert [await stands(pool, token) for token in (here, there, elsewhere)] == [True, False, True]
    assert await sessions.end_others(pool, await who(pool, here), None) == 1
    assert [await stands(pool, token) for token in (here, there, elsewhere)] == [True, False, False]
    assert (await actions(pool))[-2:] == ["session.end", "session.end_others"]


async def test_one_session_is_ended_by_its_person_and_no_other(pool: asyncpg.Pool, lan: Account) -> None:
    minh, _ = await accounts.create(pool, CHIEF, "Minh", Role.viewer, password=PASSWORD)
    here, there = [await begin(pool, lan) for _ in range(2)]
    theirs = await begin(pool, minh)
    me = Actor("person", lan.id, lan.name, "10.0.0.7")
    for not_mine in ((await who(pool, theirs)).session, str(uuid.uuid4())):
        with pytest.raises(AccountError) as unknown:
            await sessions.end_one(pool, me, uuid.UUID(lan.id), uuid.UUID(not_mine))
        assert unknown.value.code == "unknown_session"
    ended = (await who(pool, there)).session
    await sessions.end_one(pool, me, uuid.UUID(lan.id), uuid.UUID(ended))
    assert [await stands(pool, token) for token in (here, there, theirs)] == [True, False, True]
    row = await pool.fetchrow("SELECT actor, address, action, object FROM audit ORDER BY seq DESC LIMIT 1")
    assert row is not None
    assert tuple(row) == ("Lan", "10.0.0.7", "session.end", f"session {ended}")


async def test_an_admin_signs_somebody_out_everywhere(pool: asyncpg.Pool, lan: Account) -> None:
    minh, _ = await accounts.create(pool, CHIEF, "Minh", Role.viewer, password=PASSWORD)
    tokens, theirs = [await begin(pool, lan) for _ in range(3)], await begin(pool, minh)
    assert await sessions.end_all(pool, CHIEF, uuid.UUID(lan.id)) == 3
    assert [await stands(pool, token) for token in (*tokens, theirs)] == [False, False, False, True]
    row = await pool.fetchrow(
        "SELECT actor, action, object, before ->> 'sessions' FROM audit ORDER BY seq DESC LIMIT 1"
    )
    assert row is not None
    assert tuple(row) == ("chief", "account.end_sessions", "account Lan", "3")
    with pytest.raises(AccountError) as unknown:
        await sessions.end_all(pool, CHIEF, uuid.uuid4())
    assert unknown.value.code == "unknown_account"


async def test_a_new_password_ends_the_other_sessions(pool: asyncpg.Pool, lan: Account) -> None:
    here, there = [await begin(pool, lan) for _ in range(2)]
    keep = uuid.UUID((await who(pool, here)).session)
    await by_password.change(pool, uuid.UUID(lan.id), PASSWORD, "another wall of screens", None, keep)
    assert [await stands(pool, token) for token in (here, there)] == [True, False]
    await accounts.reset_password(pool, CHIEF, uuid.UUID(lan.id))
    assert not await stands(pool, here)


async def test_who_was_shut_out_meanwhile_sets_no_password(pool: asyncpg.Pool, lan: Account) -> None:
    keep = uuid.UUID((await who(pool, await begin(pool, lan))).session)
    change = by_password.change(pool, uuid.UUID(lan.id), PASSWORD, "another wall of screens", None, keep)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM access_version FOR UPDATE")
        waiting = asyncio.create_task(change)
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)
        await connection.execute("DELETE FROM session")
    with pytest.raises(AccountError) as over:
        await waiting
    assert over.value.code == "wrong_credentials"
    assert (await by_password.sign_in(pool, "Lan", PASSWORD, None)).id == lan.id


async def test_disabling_and_deleting_end_sessions_for_good(pool: asyncpg.Pool, lan: Account) -> None:
    token = await begin(pool, lan)
    await accounts.change(pool, CHIEF, uuid.UUID(lan.id), disabled=True)
    assert not await stands(pool, token)
    with pytest.raises(AccountError):
        await begin(pool, lan)  # a sign-in that was under way
    await accounts.change(pool, CHIEF, uuid.UUID(lan.id), disabled=False)
    assert not await stands(pool, token)
    token = await begin(pool, lan)
    await accounts.delete(pool, CHIEF, uuid.UUID(lan.id))
    assert not await stands(pool, token)
