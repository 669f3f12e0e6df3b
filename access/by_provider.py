"""The account of a person for whom an identity provider vouches."""

from collections.abc import Collection
from typing import Final

import asyncpg

from access import audit
from access.accounts import COLUMNS, Account, AccountError, account_of, found
from access.changing import changing
from access.names import folded, shown, tidy
from access.policy import Role
from city.actor import Actor

FROM_PROVIDER: Final = f"SELECT {COLUMNS} FROM account WHERE issuer = $1 AND subject = $2 FOR UPDATE"
PROVISION: Final = f"""INSERT INTO account (name, folded_name, role, sectors, issuer, subject, signed_in_at)
    VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT (folded_name) DO NOTHING RETURNING {COLUMNS}"""
MOVED: Final = f"""UPDATE account SET role = $2, sectors = $3, signed_in_at = now() WHERE id = $1 RETURNING {COLUMNS}"""


async def account_for(
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
            account = account_of(row)
            actor = Actor("person", account.id, account.name, address)
            await audit.append(connection, actor, "account.create", f"account {name}", None, account.public())
            return account
        before = account_of(row)
        actor = Actor("person", before.id, before.name, address)
        if not before.disabled:
            account = found(await connection.fetchrow(MOVED, row["id"], role, sorted(sectors)), name)
            if account.public() != before.public():
                await audit.append(
                    connection, actor, "account.change", f"account {account.name}", before.public(), account.public()
                )
            return account
        await audit.append(connection, actor, "session.refused", "sign-in", None, {"why": "disabled"})
    raise AccountError("disabled", "This account may not sign in.")
