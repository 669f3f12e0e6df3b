"""People: local accounts with a password, and those that an identity provider vouches for.

Every change is one transaction with its row of the audit trail. How somebody proves who they are is in
access/by_password.py and access/by_provider.py; how a name is unlocked in access/unlocking.py.
"""

import uuid
from collections.abc import Collection
from typing import Final

import asyncpg
import msgspec

from access import audit, passwords, secrets
from access.changing import changing
from access.errors import AccessError
from access.names import LONGEST, folded, tidy
from access.policy import Role
from city.actor import Actor
from city.database import Connection

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
DELETE: Final = "DELETE FROM account WHERE id = $1"
END_SESSIONS: Final = "DELETE FROM session WHERE account = $1"
OTHER_ADMINS: Final = """SELECT count(*) FROM account
    WHERE role = 'admin' AND disabled_at IS NULL AND sectors = '{}' AND zones = '{}' AND id <> $1"""


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


WRONG: Final = (
    "wrong_credentials",
    "Name or password is wrong. After five wrong ones a name is held for a minute or longer: wait, then try again.",
)
"""Also of a name that is locked, and of one that nobody has."""


async def listed(connection: asyncpg.Pool | Connection) -> list[Account]:
    """Every account, by name."""
    return [account_of(row) for row in await connection.fetch(LIST)]


async def get(connection: asyncpg.Pool | Connection, account_id: uuid.UUID) -> Account:
    """Raises AccountError: unknown_account."""
    return found(await connection.fetchrow(ONE, account_id), str(account_id))


async def named(connection: asyncpg.Pool | Connection, name: str) -> Account:
    """Raises AccountError: unknown_account."""
    return found(await connection.fetchrow(BY_NAME, folded(name)) if possible(name) else None, name)


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
    if password is not None:
        passwords.check(password, name)
    first = secrets.easy_password() if password is None else password
    encoded = await passwords.hashed(first)
    async with changing(pool) as connection:
        if await connection.fetchrow(BY_NAME, folded(name)) is not None:
            raise AccountError("name_taken", f"There is an account named {name}.")
        row = await connection.fetchrow(
            CREATE, name, folded(name), role, sorted(sectors), sorted(zones), encoded, password is None
        )
        account = found(row, name)
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
        before = await held(connection, account_id)
        row = await connection.fetchrow(
            CHANGE,
            account_id,
            role or before.role,
            before.sectors if sectors is None else sorted(sectors),
            before.zones if zones is None else sorted(zones),
            before.disabled if disabled is None else disabled,
        )
        after = found(row, str(account_id))
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
        before = await held(connection, account_id)
        await _keep_an_admin(connection, before, None)
        await connection.execute(DELETE, account_id)
        await audit.append(connection, actor, "account.delete", f"account {before.name}", before.public(), None)


async def reset_password(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID) -> str:
    """A new first password, shown once; it must be changed at the next sign-in, and every session ends."""
    first = secrets.easy_password()
    encoded = await passwords.hashed(first)
    async with changing(pool) as connection:
        account = await held(connection, account_id)
        need_local(account)
        await connection.execute(SET_PASSWORD, account_id, encoded, True)
        await connection.execute(END_SESSIONS, account_id)
        await audit.append(connection, actor, "account.reset_password", f"account {account.name}")
    return first


def possible(name: str) -> bool:
    """Whether an account can have that name: no other text is sent to the database."""
    return len(name) <= LONGEST * 4 and name.isprintable()


async def held(connection: Connection, account_id: uuid.UUID) -> Account:
    """The account, which nobody else changes until this transaction is over."""
    return found(await connection.fetchrow(ONE_LOCKED, account_id), str(account_id))


async def _keep_an_admin(connection: Connection, before: Account, after: Account | None) -> None:
    """Somebody must be left who can undo it."""
    was = before.role is Role.admin and not before.disabled
    still = after is not None and after.role is Role.admin and not (after.disabled or after.sectors or after.zones)
    if was and not still and not await connection.fetchval(OTHER_ADMINS, uuid.UUID(before.id)):
        raise AccountError("last_admin", "This is the only account that can manage the others; make another first.")


def need_local(account: Account) -> None:
    """Raises AccountError: not_local."""
    if not account.local:
        raise AccountError("not_local", "This account signs in at the identity provider; its password is there.")


def found(row: asyncpg.Record | None, what: str) -> Account:
    """The account of a row with COLUMNS. Raises AccountError: unknown_account."""
    if row is None:
        raise AccountError("unknown_account", f"There is no account {what}.")
    return account_of(row)


def account_of(row: asyncpg.Record) -> Account:
    """The account of a row with COLUMNS."""
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
