"""The audit trail: every act of a person, a key or the command line, appended in the act's transaction.

Each row's hash is SHA-256 over the hash of the row before it and the row's fields as netstrings; the database computes
it when it appends, access/chain.py computes it again. Keep a head (`head`) elsewhere from time to time: what was cut
off behind it, or rewritten before it, cannot be hidden from whoever has it.
"""

from typing import Final

import asyncpg
import msgspec

from access.chain import Chain, Entry, Head, Verdict
from city.actor import Actor
from city.database import Connection, load_sql

Queryable = asyncpg.Pool | Connection

APPEND: Final = "SELECT audit_append($1::text::jsonb, $2, $3, $4::text::jsonb, $5::text::jsonb)"
HEAD: Final = "SELECT seq, hash FROM audit_head"
ENDS: Final = (
    "SELECT newest, seq, hash FROM (SELECT max(seq) AS newest FROM audit) AS trail LEFT JOIN audit_head ON true"
)
"""One statement, so one moment: the newest row and the count of rows belong together."""
PAGE: Final = load_sql("access", "sql/audit_page.sql")
WALK: Final = load_sql("access", "sql/audit_walk.sql")
STEP: Final = 1_000


async def append(
    connection: Connection, actor: Actor, action: str, object_: str, before: object = None, after: object = None
) -> int:
    """Append one row and return its number. Call it last in the act's transaction: it puts all writers in order."""
    return int(await connection.fetchval(APPEND, actor.json(), action, object_, _json(before), _json(after)))


async def head(connection: Queryable) -> Head | None:
    """The newest row as the database counts it; None if somebody took the count away."""
    row = await connection.fetchrow(HEAD)
    return None if row is None else Head(row["seq"], row["hash"])


async def page(
    connection: Queryable,
    *,
    actor: str | None = None,
    action: str | None = None,
    object_: str | None = None,
    before_seq: int | None = None,
    limit: int = 100,
) -> list[Entry]:
    """Rows, newest first; `before_seq` is for the next page."""
    return [Entry(*row) for row in await connection.fetch(PAGE, before_seq, actor, action, object_, limit)]


async def verify(pool: asyncpg.Pool, kept: Head | None = None) -> Verdict:
    """Walk the whole trail as it is now, in bounded memory. `kept` is a head from elsewhere, if there is one."""
    chain = Chain(kept)
    counted = await pool.fetchrow(ENDS)
    assert counted is not None
    after = 0
    while rows := await pool.fetch(WALK, after, counted["newest"], STEP):
        for row in rows:
            chain.take(Entry(*row))
        after = rows[-1]["seq"]
    return chain.verdict(None if counted["seq"] is None else Head(counted["seq"], counted["hash"]))


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
