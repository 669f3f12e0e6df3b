"""What wrong passwords have locked, a name or the places that it was tried from, is free again at once."""

import uuid
from typing import Final

import asyncpg
import msgspec

from access import audit
from access.accounts import held
from access.changing import changing
from access.names import folded
from city.actor import Actor

UNLOCK: Final = "UPDATE account SET failures = 0, locked_until = NULL WHERE id = $1"
TRIED_FROM: Final = """SELECT address FROM audit
    WHERE at > clock_timestamp() - interval '2 minutes' AND action = 'session.refused' AND actor_kind = 'person'
    AND actor_id = $1 AND address IS NOT NULL GROUP BY address ORDER BY max(seq) DESC LIMIT $2"""
SAY: Final = "SELECT pg_notify($1, $2)"
CHANNEL: Final = "citywatch_unlocked"
"""The channel on which centers hear an `Unlocked`."""
MOST_ADDRESSES: Final = 20


class Unlocked(msgspec.Struct, frozen=True):
    """What centers are told when an account was unlocked: its name as names are compared, and from where it was tried
    in the last two minutes."""

    folded_name: str
    addresses: list[str]


async def unlock(pool: asyncpg.Pool, actor: Actor, account_id: uuid.UUID) -> list[str]:
    """Forget the wrong passwords, and let every center forget them too: by name, and by the addresses from which they
    came lately, which are returned."""
    async with changing(pool) as connection:
        account = await held(connection, account_id)
        await connection.execute(UNLOCK, account_id)
        addresses = [row["address"] for row in await connection.fetch(TRIED_FROM, str(account_id), MOST_ADDRESSES)]
        said = msgspec.json.encode(Unlocked(folded(account.name), addresses)).decode()
        await connection.execute(SAY, CHANNEL, said)
        await audit.append(connection, actor, "account.unlock", f"account {account.name}")
    return addresses
