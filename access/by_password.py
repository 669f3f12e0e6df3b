"""Signing in with a password, and changing one's own.

Five wrong passwords lock an account for a minute, doubling to a quarter of an hour; the count is in the database, so
more than one center does not give more tries.
"""

import uuid
from typing import Final

import asyncpg

from access import audit, passwords
from access.accounts import (
    COLUMNS,
    SET_PASSWORD,
    WRONG,
    Account,
    AccountError,
    account_of,
    get,
    held,
    need_local,
    possible,
)
from access.changing import changing
from access.names import folded
from city.actor import Actor

TRIES: Final = 5
LOCK_S: Final = 60
LONGEST_LOCK_S: Final = 900
NOBODY: Final = uuid.UUID(int=0)

LOOK: Final = f"SELECT {COLUMNS}, password FROM account WHERE folded_name = $1"
LOCKED_S: Final = """SELECT greatest(0, extract(epoch FROM locked_until - clock_timestamp()))::float8 FROM account
    WHERE id = $1 FOR UPDATE"""
FAILED: Final = """UPDATE account SET
    failures = failures + CASE WHEN locked_until > clock_timestamp() THEN 0 ELSE 1 END,
    locked_until = CASE WHEN locked_until > clock_timestamp() THEN locked_until
        WHEN (failures + 1) % $2::int = 0 THEN clock_timestamp()
        + least($4::float8, $3::float8 * power(2, least((failures + 1) / $2::int - 1, 20))) * interval '1 second' END
    WHERE id = $1 RETURNING failures"""
PASSED: Final = """UPDATE account SET failures = 0, locked_until = NULL, signed_in_at = now()
    WHERE id = $1 AND password = $2 AND disabled_at IS NULL RETURNING id"""
REHASH: Final = "UPDATE account SET password = $2 WHERE id = $1 AND password = $3"
SESSION_STANDS: Final = "SELECT EXISTS (SELECT FROM session WHERE account = $1 AND id = $2)"
END_OTHER_SESSIONS: Final = "DELETE FROM session WHERE account = $1 AND id <> $2"


class Locked(AccountError):
    """Locked for `seconds` more. Reads like any wrong name or password: a lock would tell that the name exists."""

    def __init__(self, seconds: float) -> None:
        super().__init__(*WRONG)
        self.seconds = seconds


async def sign_in(pool: asyncpg.Pool, name: str, password: str, address: str | None) -> Account:
    """The account of a name and password. What fails is in the audit trail; passwords, and names that nobody has
    (somebody may have typed a password there), never are.

    Every failure does the same work, whatever the cause: neither the answer nor its time tells which names exist.
    Raises AccessError: wrong_credentials (unknown, wrong, locked, disabled: not told apart), busy.
    """
    row = await pool.fetchrow(LOOK, folded(name)) if possible(name) else None
    right = await passwords.verify(row["password"] if row is not None else None, password)
    account_id: uuid.UUID = row["id"] if row is not None else NOBODY
    account = account_of(row) if row is not None else None
    actor = Actor("nobody", "", "", address)
    if account is not None:
        actor = Actor("person", account.id, account.name, address)
    async with pool.acquire() as connection, connection.transaction():
        locked_s = await connection.fetchval(LOCKED_S, account_id)  # holds the row: guesses at once count one by one
        passed = row is not None and right and not locked_s
        if row is not None and passed:
            passed = await connection.fetchval(PASSED, account_id, row["password"]) is not None
        if not passed:
            failures = await connection.fetchval(FAILED, account_id, TRIES, LOCK_S, LONGEST_LOCK_S)
            why = "unknown" if account is None else "locked" if locked_s else "disabled" if right else "password"
            counted = {} if account is None else {"failures": failures}
            await audit.append(connection, actor, "session.refused", "sign-in", None, {"why": why, **counted})
    if locked_s:
        raise Locked(locked_s)
    if row is None or account is None or not passed:
        raise AccountError(*WRONG)
    if passwords.outdated(row["password"]):
        await pool.execute(REHASH, row["id"], await passwords.hashed(password), row["password"])
    return account


async def change(
    pool: asyncpg.Pool, account_id: uuid.UUID, old: str, new: str, address: str | None, keep_session: uuid.UUID
) -> None:
    """One's own password; every other session of the account ends.

    Raises AccessError: wrong_credentials, not_local, unsuitable_password, busy; Locked is a wrong_credentials too.
    """
    account = await get(pool, account_id)
    need_local(account)
    await sign_in(pool, account.name, old, address)
    passwords.check(new, account.name)
    if passwords.same(new, old):
        raise passwords.Unsuitable("The new password is the old one; choose another.")
    encoded = await passwords.hashed(new)
    async with changing(pool) as connection:
        await held(connection, account_id)
        if not await connection.fetchval(SESSION_STANDS, account_id, keep_session):
            raise AccountError(*WRONG)  # meanwhile an admin gave it a new password, or disabled it
        await connection.execute(SET_PASSWORD, account_id, encoded, False)
        await connection.execute(END_OTHER_SESSIONS, account_id, keep_session)
        actor = Actor("person", account.id, account.name, address)
        await audit.append(connection, actor, "account.change_password", f"account {account.name}")
