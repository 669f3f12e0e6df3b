"""An audit trail to check, and what somebody with the rights of the database's owner can do to it."""

import asyncpg

from access import audit
from access.chain import Head
from city.actor import Actor

ACT: dict[str, object] = {"name": "Trần Thị Lan", "limits": [1.5, 2, None], "quote": '"}\n,3:abc,'}


async def write(pool: asyncpg.Pool, rows: int) -> None:
    """Rows 1 … `rows`, each different."""
    async with pool.acquire() as connection:
        for n in range(1, rows + 1):
            actor = Actor("person", str(n), f"Lan {n}", None if n % 2 else "10.0.0.7")
            await audit.append(connection, actor, "alert.acknowledge", f"alert {n}", ACT if n % 3 else None, {"n": n})


async def tamper(pool: asyncpg.Pool, *statements: str) -> None:
    """What somebody with the rights of the database's owner can do."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("ALTER TABLE audit DISABLE TRIGGER audit_append_only")
        for statement in statements:
            await connection.execute(statement)
        await connection.execute("ALTER TABLE audit ENABLE TRIGGER audit_append_only")


async def found(pool: asyncpg.Pool, kept: Head | None = None) -> list[tuple[int, str]]:
    return [(fault.seq, fault.kind) for fault in (await audit.verify(pool, kept)).faults]


async def kept_head(pool: asyncpg.Pool) -> Head:
    head = await audit.head(pool)
    assert head is not None
    return Head.parse(str(head))
