"""The transaction in which somebody's access changes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from city.database import Connection

LOCK: Final = "SELECT FROM access_version FOR UPDATE"


@asynccontextmanager
async def changing(pool: asyncpg.Pool) -> AsyncIterator[Connection]:
    """One at a time: two admins who demote each other can't both succeed, and no two acts wait crosswise."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(LOCK)
        yield connection
