"""Sessions of people: a random token in a cookie, its hash in the database.

A session ends 12 hours after the sign-in, or after 30 minutes in which nobody asked who it is (settings). Each request
and each open WebSocket asks, through the directory.
"""

import uuid
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from access import audit, secrets
from access.accounts import WRONG, Account, AccountError, held
from access.changing import changing
from access.names import shown
from access.policy import Principal, Role
from city.actor import Actor
from city.database import Connection, load_sql
from city.timestamps import from_datetime

CREATE: Final = """INSERT INTO session (hash, account, expires_at, address, agent)
    SELECT $1, id, now() + $3, $4, $5 FROM account WHERE id = $2 AND disabled_at IS NULL RETURNING id"""
RESOLVE: Final = load_sql("access", "sql/resolve_session.sql")
END: Final = "DELETE FROM session WHERE id = $1 AND account = $2 RETURNING address, agent"
END_ALL: Final = "DELETE FROM session WHERE account = $1"
END_OTHERS: Final = "DELETE FROM session WHERE account = $1 AND id <> $2"
OWN: Final = """SELECT id, created_at, seen_at, expires_at, address, agent FROM session
    WHERE account = $1 AND expires_at > now() AND seen_at > now() - $2::interval ORDER BY seen_at DESC"""
FORGET: Final = "DELETE FROM session WHERE expires_at < now() OR seen_at < now() - $1::interval"
LONGEST_AGENT: Final = 200


class OwnSession(msgspec.Struct, frozen=True):
    """One of a person's sessions; times RFC 3339."""

    id: str
    created_at: str
    seen_at: str
    expires_at: str
    address: str | None
    agent: str | None


async def create(pool: asyncpg.Pool, account: Account, address: str | None, agent: str | None, lasts: timedelta) -> str:
    """A new session's token, which nobody sees again. Raises AccountError: wrong_credentials (gone meanwhile)."""
    token = secrets.token()
    hashed, account_id, program = secrets.kept(token), uuid.UUID(account.id), shown(agent, LONGEST_AGENT)
    async with pool.acquire() as connection, connection.transaction():
        session = await connection.fetchval(CREATE, hashed, account_id, lasts, address, program)
        if session is None:
            raise AccountError(*WRONG)
        actor = Actor("person", account.id, account.name, address)
        await audit.append(connection, actor, "session.begin", f"session {session}")
    return token


async def resolve(pool: asyncpg.Pool, token: str, idle: timedelta) -> Principal | None:
    """Whose session it is, if it stands; notes that it was seen."""
    row = await pool.fetchrow(RESOLVE, secrets.kept(token), idle) if secrets.is_token(token) else None
    if row is None:
        return None
    return Principal(
        "person",
        str(row["account"]),
        row["name"],
        Role(row["role"]),
        frozenset(row["sectors"]),
        frozenset(row["zones"]),
        session=str(row["id"]),
        expires_us=from_datetime(row["expires_at"]),
        must_change=row["must_change"],
    )


async def end(pool: asyncpg.Pool, principal: Principal, address: str | None) -> None:
    """Sign out."""
    async with changing(pool) as connection:
        await connection.execute(END, _session(principal), uuid.UUID(principal.id))
        await audit.append(connection, Actor.of(principal, address), "session.end", f"session {principal.session}")


async def end_others(pool: asyncpg.Pool, principal: Principal, address: str | None) -> int:
    """Sign out everywhere else; how many sessions that were."""
    async with changing(pool) as connection:
        done = await connection.execute(END_OTHERS, uuid.UUID(principal.id), _session(principal))
        await audit.append(connection, Actor.of(principal, address), "session.end_others", f"account {principal.name}")
    return int(done.rpartition(" ")[2])


async def end_one(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID, session_id: uuid.UUID) -> None:
    """End one session of a person, by themselves or by an admin. Raises AccountError: unknown_session."""
    async with changing(pool) as connection:
        row = await connection.fetchrow(END, session_id, account_id)
        if row is None:
            raise AccountError("unknown_session", f"There is no session {session_id} of this account.")
        before = {"account": str(account_id), "address": row["address"], "agent": row["agent"]}
        await audit.append(connection, actor, "session.end", f"session {session_id}", before)


async def end_all(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID) -> int:
    """Sign a person out everywhere; how many sessions that were. Raises AccountError: unknown_account."""
    async with changing(pool) as connection:
        account = await held(connection, account_id)
        ended = int((await connection.execute(END_ALL, account_id)).rpartition(" ")[2])
        await audit.append(connection, actor, "account.end_sessions", f"account {account.name}", {"sessions": ended})
    return ended


async def of_account(connection: asyncpg.Pool | Connection, account_id: uuid.UUID, idle: timedelta) -> list[OwnSession]:
    """A person's sessions that stand, the one last seen first."""
    return [_own(row) for row in await connection.fetch(OWN, account_id, idle)]


async def forget(pool: asyncpg.Pool, idle: timedelta) -> None:
    """Clear away the sessions that are over."""
    async with changing(pool) as connection:
        await connection.execute(FORGET, idle)


def _session(principal: Principal) -> uuid.UUID:
    if principal.session is None:
        raise ValueError(f"{principal.kind} {principal.name} has no session")
    return uuid.UUID(principal.session)


def _own(row: asyncpg.Record) -> OwnSession:
    return OwnSession(
        str(row["id"]),
        row["created_at"].isoformat(),
        row["seen_at"].isoformat(),
        row["expires_at"].isoformat(),
        row["address"],
        row["agent"],
    )
