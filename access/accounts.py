"""People: local accounts with a password, and those that an identity provider vouches for.

Every change is one transaction with its row of the audit trail. Five wrong passwords lock an account for a minute,
doubling to a quarter of an hour; the count is in the database, so more than one center does not give more tries.
"""

import uuid
from collections.abc import Collection
from typing import Final

import asyncpg
import msgspec

from access import audit, passwords, secrets
from access.changing import changing
from access.errors import AccessError
from access.names import LONGEST, folded, shown, tidy
from access.policy import Role
from city.actor import Actor
from city.database import Connection

TRIES: Final = 5
LOCK_S: Final = 60
LONGEST_LOCK_S: Final = 900

COLUMNS: Final = """id, name, role, sectors, zones, password IS NOT NULL AS local, must_change, issuer,
    locked_until > now() AS locked, disabled_at IS NOT NULL AS disabled, created_at, signed_in_at"""
LIST: Final = f"SELECT {COLUMNS} FROM account ORDER BY folded_name"
ONE: Final = f"SELECT {COLUMNS} FROM account WHERE id = $1"
ONE_LOCKED: Final = f"SELECT {COLUMNS} FROM account WHERE id = $1 FOR UPDATE"
BY_NAME: Final = f"SELECT {COLUMNS} FROM account WHERE folded_name = $1"
CREATE: Final = f"""INSERT INTO account (name, folded_name, role, sectors, zones, password, must_change)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"""
CHANGE: Final = f"""UPDATE account SET role = $2, sectors = $3, zones = $4,
    disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) END WHERE id = $1 RETURNING {COLUMNS}"""
SET_PASSWORD: Final = """UPDATE account SET password = $2, must_change = $3, failures = 0, locked_until = NULL
    WHERE id = $1"""
UNLOCK: Final = "UPDATE account SET failures = 0, locked_until = NULL WHERE id = $1"
DELETE: Final = "DELETE FROM account WHERE id = $1"
END_SESSIONS: Final = "DELETE FROM session WHERE account = $1"
END_OTHER_SESSIONS: Final = "DELETE FROM session WHERE account = $1 AND id <> $2"
SESSION_STANDS: Final = "SELECT EXISTS (SELECT FROM session WHERE account = $1 AND id = $2)"
OTHER_ADMINS: Final = """SELECT count(*) FROM account
    WHERE role = 'admin' AND disabled_at IS NULL AND sectors = '{}' AND zones = '{}' AND id <> $1"""
LOOK: Final = f"SELECT {COLUMNS}, password FROM account WHERE folded_name = $1"
LOCKED_S: Final = """SELECT greatest(0, extract(epoch FROM locked_until - clock_timestamp()))::float8 FROM account
    WHERE id = $1 FOR UPDATE"""
FAILED: Final = """UPDATE account SET failures = failures + 1,
    locked_until = CASE WHEN (failures + 1) % $2::int = 0 THEN clock_timestamp()
        + least($4::float8, $3::float8 * power(2, least((failures + 1) / $2::int - 1, 20))) * interval '1 second' END
    WHERE id = $1 RETURNING failures"""
PASSED: Final = """UPDATE account SET failures = 0, locked_until = NULL, signed_in_at = now()
    WHERE id = $1 AND password = $2 AND disabled_at IS NULL RETURNING id"""
REHASH: Final = "UPDATE account SET password = $2 WHERE id = $1 AND password = $3"
FROM_PROVIDER: Final = f"SELECT {COLUMNS} FROM account WHERE issuer = $1 AND subject = $2 FOR UPDATE"
PROVISION: Final = f"""INSERT INTO account (name, folded_name, role, sectors, issuer, subject, signed_in_at)
    VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT (folded_name) DO NOTHING RETURNING {COLUMNS}"""
MOVED: Final = f"""UPDATE account SET role = $2, sectors = $3, signed_in_at = now() WHERE id = $1 RETURNING {COLUMNS}"""


class AccountError(AccessError):
    """The act on an account can't be done."""


class Account(msgspec.Struct, frozen=True):
    """A person. Empty `sectors` or `zones`: all. `local`: has a password here; else `issuer` vouches.

    Times RFC 3339.
    """

    id: str
    name: str
    role: Role
    sectors: list[str]
    zones: list[str]
    local: bool
    must_change: bool
    issuer: str | None
    locked: bool
    disabled: bool
    created_at: str
    signed_in_at: str | None

    def public(self) -> dict[str, object]:
        """What the audit trail keeps of it."""
        return {"name": self.name, "role": self.role, "sectors": self.sectors, "zones": self.zones,
                "disabled": self.disabled}  # fmt: skip


class Locked(AccountError):
    """Too many wrong passwords; come again in `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__("locked", f"Too many wrong passwords. Try again in {max(1, round(seconds))} s.")
        self.seconds = seconds


WRONG: Final = ("wrong_credentials", "Name or password is wrong.")


async def listed(connection: asyncpg.Pool | Connection) -> list[Account]:
    """Every account, by name."""
    return [_account(row) for row in await connection.fetch(LIST)]


async def get(connection: asyncpg.Pool | Connection, account_id: uuid.UUID) -> Account:
    """Raises AccountError: unknown_account."""
    return _found(await connection.fetchrow(ONE, account_id), str(account_id))


async def named(connection: asyncpg.Pool | Connection, name: str) -> Account:
    """Raises AccountError: unknown_account."""
    return _found(await connection.fetchrow(BY_NAME, folded(name)) if _possible(name) else None, name)


async def find(connection: asyncpg.Pool | Connection, name: str) -> uuid.UUID:
    """The id of an account. Raises AccountError: unknown_account."""
    return uuid.UUID((await named(connection, name)).id)


async def create(
    pool: asyncpg.Pool,
    actor: Actor,
    name: str,
    role: Role,
    *,
    sectors: Collection[str] = (),
    zones: Collection[str] = (),
    password: str | None = None,
) -> tuple[Account, str]:
    """A local account and its first password, which must be changed at the first sign-in unless it was given here.

    Raises AccessError: bad_name, name_taken, unsuitable_password, busy.
    """
    name = tidy(name)
    first = password if password is not None else secrets.token()[:20]
    passwords.check(first, name)
    encoded = await passwords.hashed(first)
    async with changing(pool) as connection:
        if await connection.fetchrow(BY_NAME, folded(name)) is not None:
            raise AccountError("name_taken", f"There is an account named {name}.")
        row = await connection.fetchrow(
            CREATE, name, folded(name), role, sorted(sectors), sorted(zones), encoded, password is None
        )
        account = _found(row, name)
        await audit.append(connection, actor, "account.create", f"account {name}", None, account.public())
    return account, first


async def change(
    pool: asyncpg.Pool,
    actor: Actor,
    account_id: uuid.UUID,
    *,
    role: Role | None = None,
    sectors: Collection[str] | None = None,
    zones: Collection[str] | None = None,
    disabled: bool | None = None,
) -> Account:
    """Role, scope, or whether it may sign in; what is None stays. Disabling ends its sessions.

    Raises AccountError: unknown_account, last_admin.
    """
    async with changing(pool) as connection:
        before = await _held(connection, account_id)
        row = await connection.fetchrow(
            CHANGE,
            account_id,
            role or before.role,
            before.sectors if sectors is None else sorted(sectors),
            before.zones if zones is None else sorted(zones),
            before.disabled if disabled is None else disabled,
        )
        after = _found(row, str(account_id))
        await _keep_an_admin(connection, before, after)
        if after.disabled:
            await connection.execute(END_SESSIONS, account_id)
        await audit.append(
            connection, actor, "account.change", f"account {after.name}", before.public(), after.public()
        )
    return after


async def delete(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID) -> None:
    """Raises AccountError: unknown_account, last_admin."""
    async with changing(pool) as connection:
        before = await _held(connection, account_id)
        await _keep_an_admin(connection, before, None)
        await connection.execute(DELETE, account_id)
        await audit.append(connection, actor, "account.delete", f"account {before.name}", before.public(), None)


async def reset_password(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID) -> str:
    """A new first password, shown once; it must be changed at the next sign-in, and every session ends."""
    first = secrets.token()[:20]
    encoded = await passwords.hashed(first)
    async with changing(pool) as connection:
        account = await _held(connection, account_id)
        _local(account)
        await connection.execute(SET_PASSWORD, account_id, encoded, True)
        await connection.execute(END_SESSIONS, account_id)
        await audit.append(connection, actor, "account.reset_password", f"account {account.name}")
    return first


async def unlock(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID) -> None:
    """Forget the wrong passwords."""
    async with changing(pool) as connection:
        account = await _held(connection, account_id)
        await connection.execute(UNLOCK, account_id)
        await audit.append(connection, actor, "account.unlock", f"account {account.name}")


async def sign_in(pool: asyncpg.Pool, name: str, password: str, address: str | None) -> Account:
    """The account of a name and password. What fails is in the audit trail; passwords, and names that nobody has
    (somebody may have typed a password there), never are.

    Raises AccessError: wrong_credentials (unknown, wrong, disabled: not told apart), busy; Locked.
    """
    row = await pool.fetchrow(LOOK, folded(name)) if _possible(name) else None
    right = await passwords.verify(row["password"] if row is not None else None, password)
    if row is None:
        async with pool.acquire() as connection, connection.transaction():
            actor = Actor("nobody", "", "", address)
            await audit.append(connection, actor, "session.refused", "sign-in", None, {"why": "unknown"})
        raise AccountError(*WRONG)
    account = _account(row)
    actor = Actor("person", account.id, account.name, address)
    async with pool.acquire() as connection, connection.transaction():
        locked_s = await connection.fetchval(LOCKED_S, row["id"])  # holds the row: guesses at once count one by one
        if locked_s:
            raise Locked(locked_s)
        passed = right and await connection.fetchval(PASSED, row["id"], row["password"])
        if not passed:
            failures = await connection.fetchval(FAILED, row["id"], TRIES, LOCK_S, LONGEST_LOCK_S)
            why = {"why": "disabled" if right else "password", "failures": failures}
            await audit.append(connection, actor, "session.refused", "sign-in", None, why)
    if not passed:
        raise AccountError(*WRONG)
    if passwords.outdated(row["password"]):
        await pool.execute(REHASH, row["id"], await passwords.hashed(password), row["password"])
    return account


async def change_password(
    pool: asyncpg.Pool, account_id: uuid.UUID, old: str, new: str, address: str | None, keep_session: uuid.UUID
) -> None:
    """One's own password; every other session of the account ends.

    Raises AccessError: wrong_credentials, not_local, unsuitable_password, busy; Locked.
    """
    account = await get(pool, account_id)
    _local(account)
    await sign_in(pool, account.name, old, address)
    passwords.check(new, account.name)
    if passwords.same(new, old):
        raise passwords.Unsuitable("The new password is the old one; choose another.")
    encoded = await passwords.hashed(new)
    async with changing(pool) as connection:
        await _held(connection, account_id)
        if not await connection.fetchval(SESSION_STANDS, account_id, keep_session):
            raise AccountError(*WRONG)  # meanwhile an admin gave it a new password, or disabled it
        await connection.execute(SET_PASSWORD, account_id, encoded, False)
        await connection.execute(END_OTHER_SESSIONS, account_id, keep_session)
        actor = Actor("person", account.id, account.name, address)
        await audit.append(connection, actor, "account.change_password", f"account {account.name}")


async def from_provider(
    pool: asyncpg.Pool,
    issuer: str,
    subject: str,
    name: str,
    role: Role,
    sectors: Collection[str],
    address: str | None,
) -> Account:
    """The account of a person whom the provider vouches for, made at the first sign-in; role and sectors follow it.

    Raises AccessError: name_taken (by somebody else), disabled.
    """
    name = tidy(shown(name) or shown(subject) or "somebody")
    async with changing(pool) as connection:
        row = await connection.fetchrow(FROM_PROVIDER, issuer, subject)
        if row is None:
            row = await connection.fetchrow(PROVISION, name, folded(name), role, sorted(sectors), issuer, subject)
            if row is None:
                sentence = f"There is another account named {name}; an admin has to delete one of them."
                raise AccountError("name_taken", sentence)
            account = _account(row)
            actor = Actor("person", account.id, account.name, address)
            await audit.append(connection, actor, "account.create", f"account {name}", None, account.public())
            return account
        before = _account(row)
        actor = Actor("person", before.id, before.name, address)
        if not before.disabled:
            account = _found(await connection.fetchrow(MOVED, row["id"], role, sorted(sectors)), name)
            if account.public() != before.public():
                await audit.append(
                    connection, actor, "account.change", f"account {account.name}", before.public(), account.public()
                )
            return account
        await audit.append(connection, actor, "session.refused", "sign-in", None, {"why": "disabled"})
    raise AccountError("disabled", "This account may not sign in.")


def _possible(name: str) -> bool:
    """Whether an account can have that name: no other text is sent to the database."""
    return len(name) <= LONGEST * 4 and name.isprintable()


async def _held(connection: Connection, account_id: uuid.UUID) -> Account:
    """The account, which nobody else changes until this transaction is over."""
    return _found(await connection.fetchrow(ONE_LOCKED, account_id), str(account_id))


async def _keep_an_admin(connection: Connection, before: Account, after: Account | None) -> None:
    """Somebody must be left who can undo it."""
    was = before.role is Role.admin and not before.disabled
    still = after is not None and after.role is Role.admin and not (after.disabled or after.sectors or after.zones)
    if was and not still and not await connection.fetchval(OTHER_ADMINS, uuid.UUID(before.id)):
        raise AccountError("last_admin", "This is the only account that can manage the others; make another first.")


def _local(account: Account) -> None:
    if not account.local:
        raise AccountError("not_local", "This account signs in at the identity provider; its password is there.")


def _found(row: asyncpg.Record | None, what: str) -> Account:
    if row is None:
        raise AccountError("unknown_account", f"There is no account {what}.")
    return _account(row)


def _account(row: asyncpg.Record) -> Account:
    times = {name: None if row[name] is None else row[name].isoformat() for name in ("created_at", "signed_in_at")}
    return Account(
        str(row["id"]),
        row["name"],
        Role(row["role"]),
        row["sectors"],
        row["zones"],
        row["local"],
        row["must_change"],
        row["issuer"],
        bool(row["locked"]),
        row["disabled"],
        times["created_at"] or "",
        times["signed_in_at"],
    )
